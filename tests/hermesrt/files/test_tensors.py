"""Tensors are written as the safetensors library writes them, and read only if they are."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import load as library_load
from safetensors.numpy import save as library_save

from hermesrt.errors import ArtifactError
from hermesrt.files.container import pack, unpack
from hermesrt.files.tensors import tensor_chunks, tensors_from_bytes

DTYPES = ["?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8", "c8"]
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, min_side=0))
)
TENSORS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), ARRAYS, max_size=5)


def _bytes(tensors):
    """The part's bytes, as the container writes them."""
    return unpack(pack("state", {"x": tensor_chunks(tensors)}), "state", ("x",), "test")["x"]


@given(TENSORS)
def test_the_bytes_are_those_of_the_library(tensors):
    data = _bytes(tensors)
    assert data == library_save(tensors)
    for name, found in library_load(data).items():
        assert found.tobytes() == tensors[name].tobytes()


@given(TENSORS)
def test_tensors_come_back_as_they_went_in(tensors):
    back = tensors_from_bytes(_bytes(tensors), "test")
    assert back.keys() == tensors.keys()
    for name, found in back.items():
        assert found.dtype == tensors[name].dtype
        assert found.shape == tensors[name].shape
        assert found.tobytes() == tensors[name].tobytes()
        assert found.flags.writeable
        assert found.flags.aligned


def test_transposed_and_foreign_arrays_are_written_in_order_and_little_endian():
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = _bytes({"a": matrix.T, "b": matrix.astype(">f4"), "c": matrix[:, ::-1]})
    back = tensors_from_bytes(data, "test")
    assert np.array_equal(back["a"], matrix.T)
    assert np.array_equal(back["b"], matrix)
    assert np.array_equal(back["c"], matrix[:, ::-1])


def test_aligned_arrays_of_a_view_are_views_of_it():
    memory = bytearray(_bytes({"a": np.zeros(3, np.float32)}))
    found = tensors_from_bytes(memoryview(memory), "test")["a"]
    memory[-1] = 64
    assert found.tolist() == [0, 0, 2]


def test_a_dtype_that_no_file_holds_is_refused():
    with pytest.raises(ArtifactError, match="w holds complex128, which no file of ours does"):
        tensor_chunks({"w": np.zeros(1, np.complex128)})


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_not_tensors(data):
    with pytest.raises(ArtifactError, match="not valid safetensors"):
        tensors_from_bytes(data, "file")


def _part(text, size=4):
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(size)


def _entry(dtype="F32", shape=(1,), start=0, end=4):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


HOSTILE = {
    "more than there is": {"x": _entry(shape=[2**40])},
    "two values in four bytes": {"x": _entry(shape=[2])},
    "a negative size": {"x": _entry(shape=[-1])},
    "two negative sizes": {"x": _entry(shape=[-1, -1])},
    "a size that is true": {"x": _entry(shape=[True])},
    "a size that is no integer": {"x": _entry(shape=[1.0])},
    "objects": {"x": _entry("O")},
    "eight-bit floats": {"x": _entry("F8_E4M3", [4])},
    "bfloat16": {"x": _entry("BF16", [2])},
    "a gap": {"x": _entry(start=4, end=8)},
    "an overlap": {"x": _entry(), "y": _entry()},
    "another order": {"y": _entry(), "x": _entry(start=4, end=8)},
    "no entry": {"x": 1},
    "a list": [],
    "metadata": {"__metadata__": {"a": "b"}, "x": _entry()},
    "sizes whose product is long": {"x": _entry(shape=[2**62] * 10**4)},
    "a dtype that is a list": {"x": _entry(["F32"])},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tensor_headers_never_escape_as_another_error(name):
    text = json.dumps(HOSTILE[name], separators=(",", ":")).encode()
    with pytest.raises(ArtifactError, match="not valid safetensors"):
        tensors_from_bytes(_part(text), "file")


@pytest.mark.parametrize(
    "text",
    [
        b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0, 4]}}',
        b'{"x":{"shape":[1],"dtype":"F32","data_offsets":[0,4]}}',
        b'{"x":1,"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b'{"\\u0078":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b'{"x":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}',
        b"[" * 10**5,
    ],
)
def test_a_header_that_says_the_same_in_other_words_is_refused(text):
    with pytest.raises(ArtifactError, match="not valid safetensors"):
        tensors_from_bytes(_part(text), "file")


def test_bytes_behind_the_last_tensor_are_refused():
    data = _bytes({"x": np.zeros(1, np.float32)})
    for wrong in (data + b"\0", data[:-1], data[:12], b""):
        with pytest.raises(ArtifactError, match="not valid safetensors"):
            tensors_from_bytes(wrong, "file")
