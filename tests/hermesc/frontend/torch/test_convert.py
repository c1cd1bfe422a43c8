"""The captured graph becomes ours, or everything that cannot run is refused at once."""

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
        y = torch.fft.hfft(x)
        return x.sum() + torch.special.bessel_j0(y).sum()

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
        "aten.fft_hfft.default": "model.py:9",
        "aten.special_bessel_j0.default": "model.py:10",
    }
    assert text.startswith("4 operations of the model can run neither on the chip nor on the host")
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
        (lambda m, x: x + torch.empty(4), "not among the operations"),
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


def test_branches_inside_the_graph_are_refused():
    def forward(m, x):
        return torch.cond(x.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (x,))

    with pytest.raises(UnsupportedOpError, match="control flow inside the model"):
        _convert(forward)


def test_idle_dropout_is_no_operation():
    graph, _ = _convert(lambda m, x: m.module(x), module=nn.Dropout(0.5))
    assert [op.call.op for op in graph.digital] == ["aten.alias.default"]


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
