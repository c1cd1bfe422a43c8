"""The numbers of reads: by content and count, for vectors by sample and place."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesrt import reads
from hermesrt.reads import (
    ReadCounter,
    add_digests,
    mix,
    numbered,
    varying_steps,
    vector_keys,
)


def keys(*rows, counter=None):
    counter = counter or ReadCounter()
    return counter.keys({"x": torch.tensor(rows)}, ("x",), len(rows)).tolist()


def test_keys_follow_from_content_and_not_from_order_or_split():
    whole = keys([1.0, 2.0], [3.0, 4.0], [5.0, 6.0])
    assert len(set(whole)) == 3
    assert keys([5.0, 6.0], [1.0, 2.0], [3.0, 4.0]) == [whole[2], whole[0], whole[1]]
    counter = ReadCounter()
    parts = [keys([1.0, 2.0], counter=counter), keys([3.0, 4.0], [5.0, 6.0], counter=counter)]
    assert parts[0] + parts[1] == whole


def test_content_that_comes_again_has_its_next_key():
    counter = ReadCounter()
    first = keys([1.0], [1.0], [2.0], counter=counter)
    second = keys([1.0], [2.0], counter=counter)
    assert len({*first, *second}) == 5
    assert keys([1.0], [1.0], [1.0])[:2] == first[:2]
    assert keys([1.0], [1.0], [1.0])[2] == second[0]
    counter.forget()
    assert keys([1.0], [1.0], [2.0], counter=counter) == first


def test_all_inputs_count_and_those_of_all_samples_too():
    x, y, mask = torch.rand(3, 2), torch.arange(3), torch.rand(4, 4)

    def found(**inputs):
        return ReadCounter().keys(inputs, ("x", "y"), 3)

    same = found(x=x, y=y, mask=mask)
    assert (found(x=x.clone(), y=y, mask=mask) == same).all()
    for other in ({"y": y + 1}, {"x": -x}, {"mask": mask + 1}):
        assert (found(**{"x": x, "y": y, "mask": mask} | other) != same).all()


DTYPES = [np.float32, np.float64, np.int64, np.uint8, np.bool_, np.float16]


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch):
    """With and without the C functions."""
    if request.param == "numpy":
        monkeypatch.setattr(reads, "functions", lambda: None)
    elif reads.functions() is None:
        pytest.skip("there is no C compiler")


def digests(rows, count=None):
    contents = np.zeros(len(rows), np.uint64)
    add_digests(torch.from_numpy(rows), count or len(rows), contents, contents.ctypes.data)
    return contents.tolist()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", DTYPES)
def test_contents_of_every_dtype_are_told_apart(dtype):
    rows = np.eye(300, 301).astype(dtype)  # odd sizes; few bits of a word are set
    found = digests(rows)
    assert len(set(found)) == 300
    assert digests(rows[:7]) == found[:7]
    assert len(set(digests(rows, 1))) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 40_000), (500, 17), (70, 3, 5)])
def test_keys_are_the_same_with_and_without_the_c_functions(dtype, shape, monkeypatch):
    if reads.functions() is None:
        pytest.skip("there is no C compiler")
    x = torch.from_numpy((np.random.RandomState(0).randn(*shape) * 9).astype(dtype))
    x[-1] = x[0]
    inputs, found = {"x": x, "mask": torch.rand(4)}, []
    for _ in range(2):
        counter = ReadCounter()
        found.append([counter.keys(inputs, ("x",), len(x)).tolist() for _ in range(3)])
        monkeypatch.setattr(reads, "functions", lambda: None)
    assert found[0] == found[1]
    assert len({key for keys in found[0] for key in keys}) == 3 * len(x)


@pytest.mark.usefixtures("way")
def test_a_counter_grows_and_remembers():
    counter, rows = ReadCounter(), torch.arange(30_000.0)[:, None]

    def read(part):
        return counter.keys({"x": part}, ("x",), len(part)).tolist()

    first = [key for part in rows.split(700) for key in read(part)]
    again = read(rows)
    assert len({*first, *again}) == 60_000
    counter.forget()
    assert read(rows.flip(0)) == first[::-1]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("rows", [0, 3, 3000])
def test_a_copy_of_a_counter_goes_on_as_it_does(rows):
    x = torch.arange(float(rows))[:, None]
    counter = ReadCounter()
    for part in (x, x[::2]) if rows else ():
        counter.keys({"x": part}, ("x",), len(part))
    other = pickle.loads(pickle.dumps(counter))
    last = torch.arange(rows + 1.0)[:, None]
    found = [c.keys({"x": last}, ("x",), rows + 1).tolist() for c in (counter, other)]
    assert found[0] == found[1]


@pytest.mark.usefixtures("way")
def test_digests_differ_in_all_bits():
    rows = np.random.RandomState(0).rand(5000, 16).astype(np.float32)
    bits = np.array(digests(rows), np.uint64)[:, None] >> np.arange(64, dtype=np.uint64)
    assert abs((bits & np.uint64(1)).mean(0) - 0.5).max() < 0.05


def test_a_vector_is_known_by_its_sample_and_its_place():
    samples = mix(numbered(3))
    first = vector_keys(samples, (3, 4), (1, 4)).reshape(3, 4)
    assert len(set(first.ravel().tolist())) == 12
    assert (first == [vector_keys(samples[i : i + 1], (1, 4), (1, 4)) for i in range(3)]).all()
    assert (vector_keys(samples, (12,), (4,)) == first.ravel()).all()
    assert (vector_keys(samples, (4, 3), (4, 1)).reshape(4, 3) == first.T).all()
    assert (vector_keys(samples, (3,), (1,)) == samples).all()


def test_steps_that_no_sample_reaches_are_read_once_for_all():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            return self.linear(x) + 1

    artifact = hermesc.compile(Model(), torch.randn(8, 4)).artifact
    names = {step.name for step in artifact.manifest.steps if step.takes}
    assert varying_steps(artifact, ("x",)) >= names | {"x"}
    assert varying_steps(artifact, ()) == frozenset()
