from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from hermesc.frontend.quiet import quiet
from hermesc.frontend.torch.export import functional

_X = torch.linspace(-2, 2, 24).reshape(4, 6)


class _Written(nn.Module):
    """A model of one function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _exported(function: Callable[[Tensor], Tensor]) -> ExportedProgram:
    return torch.export.export(_Written(function), (_X.clone(),), strict=False)


def _targets(exported: ExportedProgram) -> list[str]:
    return [str(n.target) for n in exported.graph.nodes if n.op == "call_function"]


def _residual(x: Tensor) -> Tensor:
    y = nn.functional.relu(x * 2, inplace=True)
    z = nn.functional.hardswish(y + 1, inplace=True)
    z += y
    nn.functional.dropout(z, 0.5, training=False, inplace=True)
    return z.clamp_(max=3)


def _without_gradient(x: Tensor) -> Tensor:
    with torch.no_grad():
        scale = (x * x).sum(1, keepdim=True)
        with torch.enable_grad():
            shift = scale - 1
        scale = scale + shift
    return torch.relu_(x / scale)


def _read_before(x: Tensor) -> Tensor:
    y = x * 2
    before = y + 1
    y.neg_()
    return before * 10 + y


@pytest.mark.parametrize("function", [_residual, _without_gradient, _read_before])
def test_writes_that_nothing_shares_are_renamed_without_a_second_trace(
    function: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = _exported(function)
    monkeypatch.delattr(ExportedProgram, "run_decompositions")
    exported, _ = functional(exported)
    assert torch.equal(exported.module()(_X.clone()), function(_X.clone()))
    assert not [t for t in _targets(exported) if "_." in t or "wrap_with" in t]
    assert not [n for n in exported.graph.nodes if n.op == "get_attr"]


def _view_written(x: Tensor) -> Tensor:
    y = x * 2
    row = y[0]
    row.add_(1)
    return y


def _seen_through_view(x: Tensor) -> Tensor:
    y = x * 2
    flat = y.reshape(-1)
    y.add_(1)
    return flat * y.reshape(-1)


def _seen_through_dropout(x: Tensor) -> Tensor:
    y = x * 2
    same = nn.functional.dropout(y, 0.5, training=False)
    y.add_(1)
    return same * y


def _seen_through_chunks(x: Tensor) -> Tensor:
    y = x * 2
    first, second = y.chunk(2, 1)
    y.mul_(3)
    return first + second


def _another_type(x: Tensor) -> Tensor:
    y = (x * 2).half()
    y.add_(x)
    return y


def _compared(x: Tensor) -> Tensor:
    y = x * 1
    y.lt_(0.5).logical_and_(x)
    return y + y


def _power_of_a_number(x: Tensor) -> Tensor:
    y = x.abs() + 1
    y.pow_(2.5)
    return y


@pytest.mark.parametrize(
    "function",
    [
        _view_written,
        _seen_through_view,
        _seen_through_dropout,
        _seen_through_chunks,
        _another_type,
        _compared,
        _power_of_a_number,
    ],
)
def test_writes_that_something_shares_are_left_to_torch(
    function: Callable[[Tensor], Tensor],
) -> None:
    with quiet():
        exported, _ = functional(_exported(function))
    found, right = exported.module()(_X.clone()), function(_X.clone())
    assert found.dtype == right.dtype
    assert torch.equal(found, right)
    assert not [t for t in _targets(exported) if "_." in t]


def test_what_was_under_no_grad_keeps_its_line() -> None:
    exported, _ = functional(_exported(_without_gradient))
    calls = [n for n in exported.graph.nodes if n.op == "call_function"]
    assert len(calls) == 6
    assert all("test_writes.py" in n.meta["stack_trace"] for n in calls)
