"""The captured graph becomes ours, or everything that cannot run is refused at once."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hermesc.frontend.load import load_model
from hermesc.frontend.torch.capture import capture
from hermesc.frontend.torch.convert import convert
from hermesc.ir.interpret import interpret
from hermesc.ir.text import stage_text
from hermesrt.errors import ModelError, UnsupportedOpError

FOUR = """\
import torch
import torch.nn.functional as F
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        x = x + torch.rand(x.shape)
        x = F.dropout(x)
        y = torch.as_strided(x, (3, 2), (2, 1))
        return x.sum() + torch.quantize_per_tensor(y, 0.1, 0, torch.qint8).dequantize().sum()

model = Net()
example_inputs = torch.randn(3, 4)
"""


def _convert(forward, x=None, module=None):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, x):
            return forward(self, x)

    return convert(capture(Net(), (torch.randn(3, 4) if x is None else x,)).exported)


def test_golden(stages, golden):
    golden("convert.txt", stage_text(stages["convert"][0]))


def test_all_unsupported_operations_are_listed_at_once_with_their_lines(model_file):
    path = model_file(FOUR)
    found = load_model(str(path))
    with pytest.raises(UnsupportedOpError) as caught:
        convert(capture(found.model, found.example_inputs).exported, path.parent)
    text = str(caught.value)
    refused = {r.op: str(r.location) for r in caught.value.refusals}
    assert refused == {
        "aten.rand.default": "model.py:7",
        "aten.dropout.default": "model.py:8",
        "aten.as_strided.default": "model.py:9",
        "aten.quantize_per_tensor.default": "model.py:10",
        "aten.dequantize.self": "model.py:10",
    }
    assert text.startswith("5 operations of the model can run neither on the chip nor on the host")
    for op, place in refused.items():
        assert f"  {place}: {op}: " in text
    assert "Rewrite these lines" in text


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (lambda m, x: x + torch.rand(x.shape), "draws random numbers"),
        (lambda m, x: x + torch.randn_like(x), "draws random numbers"),
        (lambda m, x: x + torch.normal(x, 1.0), "draws random numbers"),
        (lambda m, x: torch.bernoulli(x.sigmoid()), "draws random numbers"),
        (lambda m, x: F.dropout(x), "draws random numbers"),
        (lambda m, x: F.gumbel_softmax(x), "draws random numbers"),
        (lambda m, x: torch.nonzero(x).sum(), "depends on the data"),
        (lambda m, x: x[x > 0].sum(), "depends on the data"),
        (lambda m, x: torch.unique(x).sum(), "depends on the data"),
        (lambda m, x: x + torch.empty(4), "memory that nothing has written"),
        (lambda m, x: x.as_strided((2, 2), (1, 1)), "where numbers lie in memory"),
    ],
)
def test_operation_is_refused_with_its_reason(forward, reason):
    with pytest.raises(UnsupportedOpError, match=reason) as caught:
        _convert(forward)
    assert all(r.location.line > 0 for r in caught.value.refusals)


def test_item_is_refused():
    with pytest.raises(ModelError, match=r"depends on the data|\.item"):
        _convert(lambda m, x: x * x.sum().item())


def test_float_of_a_tensor_is_refused():
    with pytest.raises(ModelError):
        _convert(lambda m, x: x * float(x.max()))


def test_one_root_cause_is_told_once():
    def forward(m, x):
        positive = x[x > 0].relu() + 1
        return (positive * 2).sin().sum() + torch.rand(1)

    with pytest.raises(UnsupportedOpError) as caught:
        _convert(forward)
    found = {r.op: r.reason for r in caught.value.refusals}
    assert set(found) == {"aten.index.Tensor", "aten.rand.default"}
    assert re.search(
        r"; so does that of \d operations behind it; compute all", found["aten.index.Tensor"]
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_condition_on_the_data_selects_between_both_branches(sign):
    def forward(m, x):
        return torch.cond(x.sum() > 0, lambda x: m.module(x), lambda x: x.cos(), (x,))

    layer = nn.Linear(4, 4)
    graph, weights = _convert(forward, torch.rand(3, 4), layer)
    x = sign * torch.rand(5, 4)
    (found,) = interpret(graph, weights, {graph.inputs[0].name: x})
    assert torch.equal(found, layer(x) if sign > 0 else x.cos())
    assert {op.location.file for op in graph.digital} == {"test_convert.py"}


def test_memory_that_is_written_before_it_is_read_may_be_empty_at_first():
    def forward(m, x):
        joined = x.new_empty(x.shape[0], 6)
        joined[:, :4] = x
        joined[:, 4:] = x[:, :2]
        return joined + torch.empty_like(joined).copy_(joined)

    graph, weights = _convert(forward)
    x = torch.rand(5, 4)
    (found,) = interpret(graph, weights, {graph.inputs[0].name: x})
    assert torch.equal(found, 2 * torch.cat([x, x[:, :2]], 1))


def test_lines_in_a_part_with_autocast_are_those_of_the_model():
    def forward(m, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return m.module(x).float()

    graph, _ = _convert(forward, torch.rand(3, 4), nn.Linear(4, 4))
    assert {op.location.file for op in graph.digital} == {"test_convert.py"}
    assert graph.digital[0].type.dtype == "bfloat16"


def test_an_unknown_operation_is_decomposed_by_torchs_tables():
    graph, weights = _convert(lambda m, x: torch.ops.aten._euclidean_dist(x, 2 * x))
    x = torch.rand(5, 4)
    (found,) = interpret(graph, weights, {graph.inputs[0].name: x})
    assert torch.allclose(found, torch.ops.aten._euclidean_dist(x, 2 * x), atol=1e-6)


def test_idle_dropout_is_no_operation():
    graph, _ = _convert(lambda m, x: m.module(x), module=nn.Dropout(0.5))
    assert not graph.digital


def test_a_buffer_that_the_forward_changes_is_refused():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(4))

        def forward(self, x):
            self.count += x.sum(0)
            return x + self.count

    with pytest.raises(ModelError, match=r"changes the model's own buffers \(count\)"):
        convert(capture(Counter(), (torch.randn(3, 4),)).exported)


def test_a_parameter_that_the_forward_changes_is_refused():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = nn.Parameter(torch.zeros(4))

        def forward(self, x):
            with torch.no_grad():
                self.count += 1
            return x + self.count

    with pytest.raises(ModelError, match=r"changes the model's own parameters \(count\)"):
        convert(capture(Counter(), (torch.randn(3, 4),)).exported)


def test_a_write_into_the_input_keeps_its_meaning():
    graph, weights = _convert(lambda m, x: x.mul_(2) + 1)
    x = torch.randn(5, 4)
    (found,) = interpret(graph, weights, {graph.inputs[0].name: x.clone()})[-1:]
    torch.testing.assert_close(found, x * 2 + 1)
    assert len(graph.outputs) == 1


def test_every_captured_call_becomes_an_operation_or_is_noted_as_removed(any_model):
    captured = capture(any_model.build(), any_model.inputs(), any_model.dynamic)
    graph, _ = convert(captured.exported)
    calls = [n.name for n in captured.exported.graph.nodes if n.op == "call_function"]
    assert [node.name for node in graph.captured] == calls
    assert {op.origin for op in graph.digital} | {r.name for r in graph.removed} == set(calls)


def test_nothing_that_runs_is_located_inside_torch(any_model):
    captured = capture(any_model.build(), any_model.inputs(), any_model.dynamic)
    graph, _ = convert(captured.exported)
    files = {node.location.file for node in graph.captured}
    assert files <= {"case.py", "products.py", "repeated.py", "networks.py", "images.py", ""}


def test_weights_are_named_as_in_the_state_dict():
    model = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
    _, weights = convert(capture(model, (torch.randn(3, 4),)).exported)
    assert weights.keys() <= model.state_dict().keys()
    assert {"0.weight", "0.bias", "1.running_mean"} <= weights.keys()


def test_a_buffer_that_is_not_saved_is_a_weight_too():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("w", torch.ones(4, 2), persistent=False)

        def forward(self, x):
            return x @ self.w

    _, weights = convert(capture(Net(), (torch.randn(3, 4),)).exported)
    assert list(weights) == ["w"]


def test_complex_constants_in_arguments_are_refused():
    with pytest.raises(ModelError, match="complex"):
        _convert(lambda m, x: (x * 2j).real)


def test_a_node_inside_a_helper_has_the_helpers_line(front):
    class Helped(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(6, 5))

        def project(self, x):
            return x @ self.w

        def forward(self, x):
            y = self.project(x)
            return y.cos()

    nodes = {n.op: n.location for n in front(Helped(), (torch.randn(4, 6),)).graph.captured}
    assert nodes["aten.matmul.default"].code == "return x @ self.w"
    assert nodes["aten.cos.default"].code == "return y.cos()"
