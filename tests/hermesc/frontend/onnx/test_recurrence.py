"""ONNX recurrent layers against onnxruntime, alone and through the compiler."""

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

import hermesc
from hermesc.frontend.onnx.module import OnnxGraph, refusals
from hermesrt.errors import HermescError

from .conftest import one_node, runtime

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
SHAPES = ((5, 3, 4, 6), (1, 2, 7, 3), (9, 4, 1, 1))  # time, batch, inputs, hidden
RANDOM = np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def values(op: str, shape: tuple[int, ...], direction: str, more: str) -> list[np.ndarray | None]:
    """Inputs of a node; `more` says which of the optional ones it has."""
    time, batch, inputs, hidden = shape
    both = 2 if direction == "bidirectional" else 1
    given: list[np.ndarray | None] = [
        numbers(time, batch, inputs),
        numbers(both, GATES[op] * hidden, inputs),
        numbers(both, GATES[op] * hidden, hidden),
        numbers(both, 2 * GATES[op] * hidden) if "bias" in more else None,
    ]
    if "states" in more:
        count = 2 if op == "LSTM" else 1
        given += [None, *(numbers(both, batch, hidden) for _ in range(count))]
    return given


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("more", ["", "bias", "states", "bias and states"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", GATES)
def test_a_layer_equals_onnxruntime(
    op: str, direction: str, more: str, shape: tuple[int, ...]
) -> None:
    given = values(op, shape, direction, more)
    attributes = {"direction": direction, "hidden_size": shape[3]}
    if op == "GRU":
        attributes["linear_before_reset"] = 1
    if op == "RNN" and "bias" in more:
        attributes["activations"] = ["Relu"] * (2 if direction == "bidirectional" else 1)
    model = one_node(op, given, attributes, fixed=(1, 2, 3), outputs=3 if op == "LSTM" else 2)
    assert refusals(model) == []
    fed = [v for i, v in enumerate(given) if v is not None and i not in (1, 2, 3)]
    wanted = runtime(model, *fed)
    with torch.no_grad():
        found = OnnxGraph(model)(*map(torch.from_numpy, fed))
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("op", "attributes", "reason"),
    [
        ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}, "its activations are sigmoid"),
        ("LSTM", {"clip": 1.0}, "it clips the sums"),
        ("LSTM", {"input_forget": 1}, "gates are coupled"),
        ("GRU", {}, "its reset gate comes before the product"),
        ("RNN", {"activations": ["Affine"]}, "its activations are affine"),
    ],
)
def test_what_is_no_product_a_time_step_is_refused(
    op: str, attributes: dict[str, object], reason: str
) -> None:
    given = values(op, SHAPES[0], "forward", "")
    (refusal,) = refusals(one_node(op, given, {"hidden_size": 6} | attributes, fixed=(1, 2)))
    assert reason in refusal.reason


def test_lengths_of_sequences_are_refused() -> None:
    given = [*values("RNN", SHAPES[0], "forward", "bias"), np.array([5, 4, 3], np.int32)]
    model = one_node("RNN", given, {"hidden_size": 6}, fixed=(1, 2, 3))
    with pytest.raises(HermescError, match="its sequence_lens are not read"):
        hermesc.compile(model)


class Tagger(nn.Module):
    """Two bidirectional layers and a linear one, as torch exports them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.LSTM(6, 8, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x)[0])


@pytest.mark.parametrize("dynamo", [False, True])
def test_a_model_of_torchs_exporter_runs_on_crossbars_at_another_batch(export, dynamo) -> None:
    torch.manual_seed(0)
    model, x = Tagger().eval(), torch.randn(2, 7, 6)
    path = export(model, x, dynamo=dynamo)
    program = hermesc.compile(path, (x,))
    assert program.workload().analog_mac_share > 0.95
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    x = torch.randn(5, 7, 6)
    (wanted,) = runtime(path, x.numpy())
    found = chip(x)
    assert float((found - torch.from_numpy(wanted)).abs().max()) < 1e-6


def test_a_layer_of_time_first_inputs_runs_on_crossbars() -> None:
    given = values("GRU", SHAPES[0], "forward", "bias")
    attributes = {"hidden_size": 6, "linear_before_reset": 1}
    node = helper.make_node("GRU", ["x", "w", "r", "b"], ["y", "h"], **attributes)
    swap = helper.make_node("Transpose", ["h"], ["out"], perm=[1, 0, 2])
    before = helper.make_node("Transpose", ["z"], ["x"], perm=[1, 0, 2])
    names = zip("wrb", given[1:], strict=True)
    graph = helper.make_graph(
        [before, node, swap],
        "g",
        [helper.make_tensor_value_info("z", 1, ["batch", 5, 4])],
        [helper.make_tensor_value_info("out", 1, ["batch", 1, 6])],
        [numpy_helper.from_array(v, n) for n, v in names],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    program = hermesc.compile(model)
    assert [(m.rows, m.columns) for m in program.artifact.manifest.matrices] == [(10, 24)]
    z = numbers(3, 5, 4)
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    np.testing.assert_allclose(chip(torch.from_numpy(z)).numpy(), runtime(model, z)[0], atol=1e-6)
