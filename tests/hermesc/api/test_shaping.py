"""Shapes alone give the time and the energy of the compiled model, and nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesrt.errors import ModelError, OptionError

from ...command_line import hermesc as command

EXAMPLE = Path(__file__).parents[3] / "examples/decoder.py"
SHAPES = {"ids": (1, 24)}


@pytest.fixture(scope="module")
def program():
    return hermesc.compile(f"{EXAMPLE}:small")


@pytest.fixture(scope="module")
def shapes():
    return hermesc.shaped(f"{EXAMPLE}:small")


@pytest.mark.parametrize("mode", [None, "1-phase"])
def test_time_and_energy_are_those_of_the_compiled_model(program, shapes, mode):
    wanted = hermesc.cost(program, SHAPES, mode=mode, tokens=True).to_json()
    assert hermesc.cost(shapes, SHAPES, mode=mode, tokens=True).to_json() == wanted


def test_every_node_and_tile_is_where_the_compiled_model_has_it(program, shapes):
    assert shapes.artifact.manifest.account == program.artifact.manifest.account
    pairs = zip(shapes.artifact.manifest.matrices, program.artifact.manifest.matrices, strict=True)
    assert all(a.tiles == b.tiles and a.label == b.label for a, b in pairs)
    assert "shapes alone" in str(hermesc.inspect(shapes))


def test_the_weights_take_no_memory(shapes):
    for name, tensor in shapes.artifact.tensors.items():
        assert tensor.size == 0 or not any(tensor.strides), name


def test_as_many_chips_as_it_needs_are_taken():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 4096))
    found = hermesc.shaped(model, torch.zeros(2, 4096))
    assert found.artifact.manifest.chips == 8
    assert len(found.artifact.cores) == 512


def test_folded_norms_tied_and_shared_weights_lie_as_when_compiled():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(8, 8)
            self.norm = nn.BatchNorm1d(8)
            self.second = nn.Linear(8, 8)
            self.second.weight = self.first.weight
            self.register_buffer("scale", torch.full((8, 8), 2.0))

        def forward(self, x):
            y = self.norm(self.first(x)).relu()
            y = self.second(y) + self.first(y)
            return y @ (self.scale * self.second.weight) + torch.arange(8.0)

    compiled = hermesc.compile(Net(), torch.randn(4, 8)).artifact
    with torch.device("meta"):
        made = Net()
    found = hermesc.shaped(made, torch.zeros(4, 8)).artifact
    assert [m.label for m in found.manifest.matrices] == [
        m.label for m in compiled.manifest.matrices
    ]
    assert found.manifest.account == compiled.manifest.account
    assert found.tensors.keys() >= compiled.tensors.keys()


def test_a_model_without_values_is_not_compiled(shapes):
    with torch.device("meta"):
        model = nn.Linear(4, 4)
    with pytest.raises(ModelError, match="meta device and have no values"):
        hermesc.compile(model, torch.randn(2, 4))


def test_a_model_with_values_is_not_emptied_behind_the_users_back():
    with pytest.raises(ModelError, match="the model has values"):
        hermesc.shaped(nn.Linear(4, 4), torch.randn(2, 4))


@pytest.mark.parametrize("given", ["model.onnx", np.zeros(3)])
def test_other_models_are_refused(given):
    with pytest.raises(ModelError, match="shapes alone are taken"):
        hermesc.shaped(given)


def test_a_shaped_program_has_nothing_to_run(shapes):
    with pytest.raises(OptionError, match="time and energy alone"):
        hermesc.view(shapes, "x.html")


def test_the_command_takes_a_model(tmp_path):
    words = (f"{EXAMPLE}:small", "--meta", "--tokens", "--shape", "ids=1x24")
    ended = command("cost", *words, "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["tokens"]["prefill"]["tokens"] == 24
    text = command("cost", *words, cwd=tmp_path).stdout
    assert "Decode" in text
    assert "one token after 23, keys and values kept" in text
    assert list(tmp_path.iterdir()) == []
    assert command("inspect", words[0], "--meta", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cost", EXAMPLE), "add --meta"),
        (("inspect", EXAMPLE), "add --meta"),
        (("cost", "p.hermes", "--chip", "hermes"), "--chip goes with --meta"),
        (("inspect", "p.hermes", "--set", "place.chips=2"), "--set goes with --meta"),
        (("cost", "p.hermes", "--set", "place.chips=2"), "only chip"),
    ],
)
def test_what_does_not_go_together_is_said(words, message, tmp_path):
    ended = command(*words, cwd=tmp_path)
    assert ended.returncode == 2
    assert message in ended.stderr
