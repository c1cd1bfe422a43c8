"""Decisions on constants are taken while a model is traced; decisions on data are refused, but for
comparisons that come out alike for all that is tried."""

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.errors import ModelError


class _Asks(nn.Module):
    """Asks something of tensors before it calls its layer."""

    def __init__(self, ask) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 3)
        self.register_buffer("flag", torch.tensor(True))
        self.register_buffer("scale", torch.tensor(2.5))
        self.register_buffer("points", torch.rand(6, 4))
        self.calls = ask

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return y if self.calls(self, x) else -y


def _compiled(ask):
    net = _Asks(ask).eval()
    program = hermesc.compile(net, torch.randn(3, 4))
    x = torch.randn(7, 4)
    y = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)(x)
    with torch.no_grad():
        assert torch.allclose(y, net(x), rtol=1e-5, atol=1e-6)
    return program.artifact.manifest.notes


@pytest.mark.parametrize(
    "ask",
    [
        lambda net, x: net.flag.item(),
        lambda net, x: not net.flag,
        lambda net, x: int(net.scale * 2) == 5 and net.points.sum() > 0,
        lambda net, x: torch.equal(net.points, net.points + 0),
    ],
    ids=["item", "bool", "made of constants", "equal"],
)
def test_what_constants_decide_is_decided(ask):
    assert not [n for n in _compiled(ask) if "compares" in n]


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda net, x: torch.equal(x, net.points), "False"),
        (lambda net, x: torch.equal(x * 2, x + x), "True"),
        (lambda net, x: [torch.equal(a, x) for a in (x, net.points)][1], "True, then False"),
    ],
    ids=["other data", "itself", "both in turn"],
)
def test_a_comparison_that_always_comes_out_alike_is_taken_so_and_told(ask, answer):
    (note,) = [n for n in _compiled(ask) if "compares" in n]
    assert note.startswith("test_decisions.py:")
    assert f"(equal): the examples and changes of them give {answer}, and the program" in note


@pytest.mark.parametrize(
    "ask",
    [
        lambda net, x: x.sum() > 1e9,
        lambda net, x: x.max().item() > 1e9,
        lambda net, x: torch.equal(x, x.abs()) or bool(x[0, 0] > 3),
        lambda net, x: (
            torch.equal(x[:, :1], x[:, :1].flip(0)[:1].expand_as(x[:, :1]))
            or torch.equal(x, x.clamp(max=float(x.max())))
        ),
        lambda net, x: torch.rand(()) < 2,
    ],
    ids=["bool", "item", "equal and bool", "item in a comparison", "chance"],
)
def test_what_inputs_or_chance_decide_is_refused(ask):
    with pytest.raises(ModelError, match=r"depends on the data|cannot capture"):
        hermesc.compile(_Asks(ask).eval(), torch.randn(3, 4))


def test_a_comparison_that_comes_out_differently_is_refused():
    """The examples equal their neighbours in order, other orders of them do not."""
    x = torch.arange(12.0).reshape(3, 4)
    net = _Asks(lambda net, x: torch.equal(x, x.sort(0).values)).eval()
    with pytest.raises(ModelError, match="depends on the data"):
        hermesc.compile(net, x)
