"""Reading a user's arrays: one clear error for each way to be wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hermesrt.data import read_samples, write_outputs
from hermesrt.errors import InputError
from hermesrt.program import Program

GOOD = np.zeros((3, 16), np.float32)


def saved(tmp_path: Path, **arrays: Any) -> Path:
    path = tmp_path / "x.npz"
    np.savez(path, **arrays)
    return path


def test_inputs_and_labels_are_read(program: Program, tmp_path: Path) -> None:
    samples = read_samples(program.artifact, saved(tmp_path, x=GOOD, labels=[0, 1, 2]))
    assert samples.count == 3
    assert samples.inputs["x"].shape == (3, 16)
    assert samples.labels is not None


def test_other_number_types_are_converted(program: Program, tmp_path: Path) -> None:
    for kind in (np.float64, np.int64, np.uint8, np.bool_):
        samples = read_samples(program.artifact, saved(tmp_path, x=GOOD.astype(kind)))
        assert samples.inputs["x"].dtype == torch.float32


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 5))}, r"shape \(3, 5\); the program takes float32\[batch, 16\]"),
        ({"x": np.zeros(16)}, r"shape \(16,\)"),
        ({"x": np.zeros((0, 16))}, "is empty"),
        ({"x": np.full((3, 16), np.nan)}, "48 values that are NaN or infinite"),
        ({"x": np.full((3, 16), 1e300)}, r"NaN or infinite \(as float32\)"),
        ({"x": np.full((3, 16), "a")}, "the program takes float32"),
        ({"x": np.zeros((3, 16), complex)}, "complex128; the program takes float32"),
        ({"y": GOOD}, "array 'y' is not an input; the inputs are x"),
        ({"labels": np.zeros(3)}, "there is no array for the input 'x'"),
        ({"x": GOOD, "labels": np.zeros(4)}, r"shape \(4,\) for 3 samples"),
        ({"x": GOOD, "labels": np.zeros(())}, "one label a sample"),
    ],
)
def test_wrong_arrays_are_refused(
    program: Program, tmp_path: Path, arrays: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_samples(program.artifact, saved(tmp_path, **arrays))


def test_pickled_objects_are_refused(program: Program, tmp_path: Path) -> None:
    path = saved(tmp_path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="not a readable"):
        read_samples(program.artifact, path)


def test_a_file_that_is_no_archive_is_refused(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(b"junk")
    with pytest.raises(InputError, match=r"not an \.npz file"):
        read_samples(program.artifact, path)
    np.save(tmp_path / "x.npy", GOOD)
    with pytest.raises(InputError, match=r"not an \.npz file"):
        read_samples(program.artifact, tmp_path / "x.npy")
    with pytest.raises(InputError, match="No such file"):
        read_samples(program.artifact, tmp_path / "none.npz")


def test_a_truncated_archive_is_refused(program: Program, tmp_path: Path) -> None:
    path = saved(tmp_path, x=GOOD)
    data = path.read_bytes()
    for size in range(1, len(data), 37):
        path.write_bytes(data[:size])
        with pytest.raises(InputError):
            read_samples(program.artifact, path)


def test_outputs_are_written_beside_their_references(tmp_path: Path) -> None:
    path = tmp_path / "y.npz"
    write_outputs(path, {"output_0": torch.ones(2)}, {"reference_0": torch.zeros(2)})
    with np.load(path) as archive:
        assert sorted(archive.files) == ["output_0", "reference_0"]
        assert archive["output_0"].tolist() == [1, 1]


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
@pytest.mark.parametrize(
    "dtype", (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.complex32), ids=str
)
def test_a_tensor_that_no_array_holds_is_written_in_a_wider_format(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    path = tmp_path / "y.npz"
    write_outputs(path, {"output_0": torch.ones(2).to(dtype)}, {})
    with np.load(path) as archive:
        assert archive["output_0"].tolist() == [1, 1]


def test_a_conjugate_view_is_written_as_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "y.npz"
    view = torch.tensor([1 + 2j]).conj()
    write_outputs(path, {"output_0": view, "output_1": view.imag}, {})
    with np.load(path) as archive:
        assert archive["output_0"].tolist() == [1 - 2j]
        assert archive["output_1"].tolist() == [-2]
