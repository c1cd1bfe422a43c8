"""Example inputs are read as data: the same tensors as torch's unpickler makes, and no call."""

import collections
import io
import pickle
import zipfile

import pytest
import torch

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.samples import read_samples


def saved(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


BASE = torch.randn(4, 6)
VALUES = [
    ((BASE,), {}),
    ((BASE.t(), BASE[1:3, ::2], BASE.expand(2, 4, 6)), {"k": torch.tensor(3)}),
    (tuple(torch.ones(2).to(d) for d in (torch.float64, torch.float16, torch.bfloat16)), {}),
    (tuple(torch.ones(2).to(d) for d in (torch.int64, torch.uint8, torch.bool)), {}),
    ((torch.zeros(0, 3), torch.nn.Parameter(torch.ones(3))), {}),
    (([BASE, {"a": BASE}], None, 3, -(2**40), 2.5, True, "text"), {}),
]


@pytest.mark.parametrize("value", VALUES)
def test_the_same_as_torch_reads(value):
    ours = torch.utils._pytree.tree_flatten(read_samples(saved(value)))
    wanted = torch.utils._pytree.tree_flatten(value)
    assert ours[1] == wanted[1]
    for mine, its in zip(ours[0], wanted[0], strict=True):
        if isinstance(its, torch.Tensor):
            assert mine.dtype == its.dtype
            assert torch.equal(mine, its)
        else:
            assert mine == its


def test_no_bytes_are_no_samples():
    assert read_samples(b"") is None


class Evil:
    """What a pickle would run."""

    def __reduce__(self):
        return (open, ("pwned", "w"))


def with_pickle(data):
    """A tensor file with another pickle in it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(BASE))) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            new.writestr(name, data if name.endswith("data.pkl") else old.read(name))
    return stream.getvalue()


TENSOR = zipfile.ZipFile(io.BytesIO(saved(BASE))).read("archive/data.pkl")
LAUGHS = b"\x80\x02]q\x00" + b"".join(
    b"]q%c(h%ch%ce" % (i + 1, i, i) for i in range(60)
)  # lists of lists of lists, each twice


@pytest.mark.parametrize(
    "data",
    [
        saved(Evil()),
        saved((Evil(),)),
        with_pickle(pickle.dumps(Evil(), 0)),
        with_pickle(pickle.dumps(Evil(), 2)),
        with_pickle(TENSOR.replace(b"torch._utils\n_rebuild_tensor_v2", b"os\nsystem")),
        with_pickle(TENSOR.replace(b"FloatStorage", b"DoubleStorage")),
        with_pickle(TENSOR.replace(b"K\x04K\x06\x86", b"K\x04K\x07\x86")),
        with_pickle(LAUGHS + b"."),
        with_pickle(b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b"."),
        with_pickle(b"\x80\x02(" + b"I1\n" * 10 + b"."),
        with_pickle(b""),
        with_pickle(b"."),
        with_pickle(b"\x80\x02h\x05."),
        saved({1.5: 1}),
        saved(collections.deque()),
        saved(BASE.to_sparse()),
        saved(torch.tensor(1 + 2j).conj()),
    ],
)
def test_anything_else_is_refused_and_runs_nothing(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((RefusedPart, ValueError)):
        read_samples(data)
    assert not list(tmp_path.iterdir())
