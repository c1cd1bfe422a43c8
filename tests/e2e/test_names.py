"""What `compile` accepts, every later command reads, whatever it is called."""

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import hermesc

from ..command_line import hermesc as command

MISLEADING = {
    "no-break space": "a\u00a0b",
    "ideographic space": "\u3000",
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "line break": 'x\ny", line 7, in z',
    "other direction": "\u202eabc\u2066",
    "terminal commands": "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "half a pair": "\ud800",
}
MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module(NAME, nn.Linear(4, 3))

    def forward(self, x):
        return getattr(self, NAME)(x).cos()

NAME = {name!r}
torch.manual_seed(0)
model = Net()
example_inputs = (torch.randn(6, 4),)
"""


def _reads(file: str, folder: Path) -> str:
    """What all commands show of a program; none of it misleads."""
    said = ""
    for words in (
        ("inspect", file, "--stage", "all"),
        ("inspect", file, "--json"),
        ("run", file, "--trace", "t.json", "--report", "p.html"),
        ("run", file, "--json"),
        ("view", file, "-o", "q.html"),
        ("cost", file),
        ("diff", file, file),
    ):
        ended = command(*words, cwd=folder)
        assert ended.returncode == 0, (words, ended.stderr)
        said += ended.stdout + ended.stderr
    json.loads((folder / "t.json").read_text(encoding="utf-8"))
    pages = [(folder / n).read_text(encoding="utf-8") for n in ("p.html", "q.html", "t.json")]
    for text in (said, *pages):
        assert {c for c in text if not c.isprintable()} <= {"\n"}
    return said


@pytest.mark.parametrize("kind", [k for k in MISLEADING if k != "half a pair"])
def test_a_module_may_have_any_name(kind: str, tmp_path: Path) -> None:
    name = MISLEADING[kind]
    (tmp_path / "m.py").write_text(MODEL.format(name=name), encoding="utf-8")
    assert command("compile", "m.py", cwd=tmp_path).returncode == 0
    _reads("m.hermes", tmp_path)
    labels = [m.label for m in hermesc.load(tmp_path / "m.hermes").artifact.manifest.matrices]
    assert labels == [name]  # the data is kept


def test_a_weight_whose_name_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    name = MISLEADING["half a pair"]
    (tmp_path / "m.py").write_text(MODEL.format(name=name), encoding="utf-8")
    ended = command("compile", "m.py", cwd=tmp_path)
    assert ended.returncode == 2
    assert "\\ud800.weight holds half of a surrogate pair" in ended.stderr


@pytest.mark.parametrize("kind", ["no-break space", "line break", "other direction"])
def test_a_file_may_have_any_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{MISLEADING[kind]}.py"
    path.write_text(MODEL.format(name="plain"), encoding="utf-8")
    assert command("compile", path.name, "-o", "p.hermes", cwd=tmp_path).returncode == 0
    _reads("p.hermes", tmp_path)


@pytest.mark.parametrize("kind", [k for k in MISLEADING if k != "half a pair"])
def test_an_onnx_node_may_have_any_name(kind: str, tmp_path: Path) -> None:
    name = MISLEADING[kind]
    nodes = [
        helper.make_node("MatMul", [f"{name}x", f"{name}w"], ["t"], name=name),
        helper.make_node("Cos", ["t"], [f"{name}y"], name=f"{name}2"),
    ]
    x, y = (
        helper.make_tensor_value_info(f"{name}{end}", TensorProto.FLOAT, [f"{name}n", size])
        for end, size in (("x", 4), ("y", 2))
    )
    weight = numpy_helper.from_array(np.ones((4, 2), np.float32), f"{name}w")
    model = helper.make_model(helper.make_graph(nodes, name, [x], [y], [weight]))
    model.opset_import[0].version = 18
    examples = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    hermesc.compile(model, examples).save(tmp_path / "m.hermes")
    _reads("m.hermes", tmp_path)


def test_classes_may_have_any_name(tmp_path: Path) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    names = sorted(v for k, v in MISLEADING.items() if k != "half a pair")
    x = np.random.default_rng(0).normal(size=(30, 4))
    y = np.array([names[i % len(names)] for i in range(30)])
    hermesc.compile(linear.LogisticRegression().fit(x, y), x, labels=y).save(tmp_path / "m.hermes")
    _reads("m.hermes", tmp_path)
    assert hermesc.load(tmp_path / "m.hermes").artifact.manifest.classes == tuple(names)
