"""ONNX recurrent layers against onnxruntime, alone and through the compiler."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

import hermesc
from hermesc.app.onnx_export.write import onnx_model
from hermesc.frontend.onnx.module import OnnxGraph
from hermesc.frontend.onnx.operations import refusals
from hermesc.pipeline import parse_options
from hermesrt.chip.load import load_chip
from hermesrt.errors import UnsupportedOpError

from ....hermes_sim.reference import assert_times_agree
from .conftest import one_node, runtime

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
SHAPES = ((5, 3, 4, 6), (1, 2, 7, 3), (9, 4, 1, 1))  # time, batch, inputs, hidden
RANDOM = np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def values(op: str, shape: tuple[int, ...], direction: str, more: str) -> list[np.ndarray | None]:
    """Inputs of a node; `more` says which of the optional ones it has. Of lengths some sequence is
    as long as the input, and one has a single step."""
    time, batch, inputs, hidden = shape
    both = 2 if direction == "bidirectional" else 1
    given: list[np.ndarray | None] = [
        numbers(time, batch, inputs),
        numbers(both, GATES[op] * hidden, inputs),
        numbers(both, GATES[op] * hidden, hidden),
        numbers(both, 2 * GATES[op] * hidden) if "bias" in more else None,
    ]
    if "states" in more or "lengths" in more:
        lengths = RANDOM.integers(1, time + 1, batch).astype(np.int32)
        lengths[0], lengths[-1] = time, 1
        given.append(lengths if "lengths" in more else None)
    if "states" in more:
        count = 2 if op == "LSTM" else 1
        given += [numbers(both, batch, hidden) for _ in range(count)]
    return given


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("more", ["", "bias", "states", "bias, lengths and states"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", [*GATES, "GRU that resets first"])
def test_a_layer_equals_onnxruntime(
    kind: str, direction: str, more: str, shape: tuple[int, ...]
) -> None:
    op = kind.split()[0]
    given = values(op, shape, direction, more)
    attributes = {"direction": direction, "hidden_size": shape[3]}
    if kind == "GRU":
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
        least = 2e-6 * max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=least)


@pytest.mark.parametrize(
    ("op", "attributes", "reason"),
    [
        ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}, "its activations are sigmoid"),
        ("LSTM", {"clip": 1.0}, "it clips the sums"),
        ("LSTM", {"input_forget": 1}, "gates are coupled"),
        ("RNN", {"activations": ["Affine"]}, "its activations are affine"),
    ],
)
def test_what_no_layer_of_torch_is_like_is_refused(
    op: str, attributes: dict[str, object], reason: str
) -> None:
    given = values(op, SHAPES[0], "forward", "")
    (refusal,) = refusals(one_node(op, given, {"hidden_size": 6} | attributes, fixed=(1, 2)))
    assert reason in refusal.reason


def test_a_sequence_of_no_steps_gives_zeros_as_in_onnxruntime() -> None:
    given = values("LSTM", SHAPES[0], "bidirectional", "lengths and states")
    given[4] = np.array([0, 5, 2], np.int32)
    attributes = {"hidden_size": 6, "direction": "bidirectional"}
    model = one_node("LSTM", given, attributes, fixed=(1, 2), outputs=3)
    fed = [v for i, v in enumerate(given) if v is not None and i not in (1, 2)]
    with torch.no_grad():
        found = OnnxGraph(model)(*map(torch.from_numpy, fed))
    for ours, theirs in zip(found, runtime(model, *fed), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=2e-6)


def batch_first(
    op: str, given: list[np.ndarray | None], attributes: dict[str, object], *, known: bool
) -> onnx.ModelProto:
    """A model [batch, time, inputs] -> all outputs and the last states, batch first; the lengths
    are an input too, unless they are `known`."""
    last = ["y_h", "y_c"] if op == "LSTM" else ["y_h"]
    lengths = "lengths" if given[4:] else ""
    names = ["x", "w", "r", "b" if given[3] is not None else "", lengths]
    swap = [
        helper.make_node("Transpose", ["z"], ["x"], perm=[1, 0, 2]),
        helper.make_node(op, names, ["y", *last], **attributes),
        helper.make_node("Transpose", ["y"], ["out"], perm=[2, 0, 1, 3]),
        *(helper.make_node("Transpose", [n], [f"{n}_out"], perm=[1, 0, 2]) for n in last),
    ]
    time, _, inputs = given[0].shape
    taken = [helper.make_tensor_value_info("z", 1, ["batch", time, inputs])]
    weights = zip("wrb", given[1:4], strict=True)
    stored = [numpy_helper.from_array(v, n) for n, v in weights if v is not None]
    if lengths and known:
        stored.append(numpy_helper.from_array(given[4], lengths))
    elif lengths:
        taken.append(helper.make_tensor_value_info(lengths, 6, ["batch"]))
    made = [helper.make_empty_tensor_value_info(n) for n in ("out", *(f"{n}_out" for n in last))]
    graph = helper.make_graph(swap, "g", taken, made, stored)
    opsets = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return onnx.shape_inference.infer_shapes(model)


@pytest.mark.parametrize(
    ("op", "direction"), [("LSTM", "bidirectional"), ("GRU", "forward"), ("RNN", "reverse")]
)
def test_sequences_of_given_lengths_run_on_crossbars_as_in_onnxruntime(
    op: str, direction: str
) -> None:
    """Outputs behind an end are zeros, and last states those of each sequence's own end."""
    given = values(op, SHAPES[0], direction, "bias and lengths")
    attributes = {"hidden_size": 6, "direction": direction}
    model = batch_first(op, given, attributes, known=False)
    x = torch.from_numpy(given[0]).transpose(0, 1).contiguous()
    program = hermesc.compile(model, (x, torch.from_numpy(given[4])))
    assert program.workload().analog_mac_share == 1
    z, lengths = numbers(5, 5, 4), np.array([2, 5, 1, 4, 3], np.int32)
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    found = chip(torch.from_numpy(z), torch.from_numpy(lengths))
    for ours, theirs in zip(found, runtime(model, z, lengths), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=2e-6)
    assert found[0][0, :2].all()
    assert not found[0][0, 2:].any()


def test_lengths_that_the_file_holds_are_read() -> None:
    given = values("LSTM", (5, 3, 4, 6), "reverse", "lengths")
    model = batch_first("LSTM", given, {"hidden_size": 6, "direction": "reverse"}, known=True)
    z = numbers(3, 5, 4)
    program = hermesc.compile(model, torch.from_numpy(z))
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    for ours, theirs in zip(chip(torch.from_numpy(z)), runtime(model, z), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=2e-6)


def test_a_gru_that_resets_first_takes_two_products_a_time_step() -> None:
    """The gates of [x, h], and behind the reset gate the new state of [x, r h]."""
    given = values("GRU", SHAPES[0], "bidirectional", "bias")
    attributes = {"hidden_size": 6, "direction": "bidirectional"}
    model = batch_first("GRU", given, attributes, known=False)
    x = torch.from_numpy(given[0]).transpose(0, 1).contiguous()
    program = hermesc.compile(model, (x,))
    matrices = program.artifact.manifest.matrices
    assert [(m.rows, m.columns) for m in matrices] == [(10, 12), (10, 6)] * 2
    work = program.workload()
    assert (work.analog_macs, work.digital_macs) == (2 * 5 * 10 * 18, 0)
    chip = program.deploy(hermesc.simulate("hermes"))
    z = numbers(4, 5, 4)
    wanted = runtime(model, z)
    noisy, exact = chip(torch.from_numpy(z)), chip.configure(ideal=True)(torch.from_numpy(z))
    for ours, far, theirs in zip(exact, noisy, wanted, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=2e-6)
        assert 1e-3 < np.linalg.norm(far.numpy() - theirs) / np.linalg.norm(theirs) < 0.5
    assert_times_agree(load_chip("hermes"), work)
    again = runtime(onnx_model(program.artifact).proto, z)
    for ours, theirs in zip(again, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("op", ["GRU", "LSTM"])
def test_what_torch_has_no_operation_for_runs_on_the_host_step_by_step(op: str) -> None:
    given = values(op, SHAPES[0], "reverse", "bias and lengths")
    attributes = {"hidden_size": 6, "direction": "reverse"}
    model = batch_first(op, given, attributes, known=False)
    x = (torch.from_numpy(given[0]).transpose(0, 1).contiguous(), torch.from_numpy(given[4]))
    labels = [m.label for m in hermesc.compile(model, x).artifact.manifest.matrices]
    options = parse_options([("partition.digital", ",".join(labels))])
    program = hermesc.compile(model, x, options=options)
    assert not program.artifact.mvms
    found = program.deploy(hermesc.simulate("hermes"))(*x)
    for ours, theirs in zip(found, runtime(model, *(v.numpy() for v in x)), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=2e-6)


def test_a_gru_that_resets_first_goes_to_the_host_as_a_whole() -> None:
    given = values("GRU", SHAPES[0], "forward", "bias")
    model = batch_first("GRU", given, {"hidden_size": 6}, known=False)
    x = torch.from_numpy(given[0]).transpose(0, 1).contiguous()
    second = hermesc.compile(model, x).artifact.manifest.matrices[1].label
    options = parse_options([("partition.digital", second)])
    program = hermesc.compile(model, x, options=options)
    assert not program.artifact.mvms
    (row,) = (a for a in program.artifact.manifest.account if "gru" in a.op)
    assert (row.unit, row.reason) == ("digital", "kept digital by partition.digital")


def test_weights_that_are_no_constants_are_refused_with_the_reason() -> None:
    given = values("GRU", SHAPES[0], "forward", "")
    model = one_node("GRU", given, {"hidden_size": 6}, fixed=(2,))
    with pytest.raises(UnsupportedOpError, match="its weights are not fixed"):
        hermesc.compile(model, tuple(torch.from_numpy(given[i]) for i in (0, 1)))


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
