"""Loops whose length is known are written out; the others stay loops."""

import pytest
import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

import hermesc
from hermesc.frontend.torch.loops import loop_name, unroll_loops


class Counted(nn.Module):
    """A counter that is a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        def body(i: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return i + 1, y * 2 + i

        return while_loop(lambda i, y: i < 4, body, (torch.tensor(0), x))[1]


class Numbered(nn.Module):
    """A counter that is a number, and a bound that is a size."""

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[1]
        return while_loop(lambda i, y: i < steps, lambda i, y: (i + 1, y.sin()), (0, x))[1]


class Never(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return while_loop(lambda i, y: i < 0, lambda i, y: (i + 1, y.sin()), (0, x.cos()))[1]


class Recurrent(nn.Module):
    """A scan with a matrix in it: it goes on crossbars, once for all steps."""

    def __init__(self):
        super().__init__()
        self.w = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        def step(h: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(self.w(h) + part)
            return h, 2 * h

        last, states = scan(step, torch.zeros(x.shape[0], 4), x, dim=1, reverse=True)
        return states, last


class Branched(nn.Module):
    """A choice in a loop, a loop in a scan."""

    def forward(self, x: Tensor) -> Tensor:
        def inner(i: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return i + 1, torch.cond(y.sum() > 0, lambda t: t / 2, lambda t: t + 1, (y,))

        def step(carry: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
            y = while_loop(lambda i, y: i < 2, inner, (torch.tensor(0), carry + part))[1]
            return y, y * 3

        return scan(step, torch.zeros(x.shape[0], 4), x.transpose(0, 1))[1]


WRITTEN = {
    "a counter": (Counted, (3, 4), 0, "torch.while_loop: its 4 steps"),
    "a number": (Numbered, (3, 4), 0, "torch.while_loop: its 4 steps"),
    "no step": (Never, (3, 4), 0, "torch.while_loop: its 0 steps"),
    "a scan with a matrix": (Recurrent, (3, 5, 4), 5, "torch.scan: its 5 steps"),
    "within each other": (Branched, (3, 5, 4), 0, "torch.cond: both branches are computed"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, when a scan runs by itself
@pytest.mark.parametrize("name", WRITTEN)
def test_a_loop_of_known_length_runs_as_in_torch_at_another_batch(name):
    build, shape, mvms, note = WRITTEN[name]
    torch.manual_seed(0)
    model = build().eval()
    program = hermesc.compile(model, (torch.randn(shape),))
    assert len(program.artifact.mvms) == mvms
    assert len(program.artifact.manifest.matrices) == min(mvms, 1)
    assert any(said.startswith(note) for said in program.artifact.manifest.notes)
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    x = torch.randn(7, *shape[1:])
    if name == "within each other":  # its choice is that of a whole batch
        x = torch.randn(shape)
    with torch.no_grad():
        found, wanted = chip(x), model(x)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    found = found if isinstance(found, tuple) else (found,)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-5, atol=1e-6)


class Endless(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        start = torch.zeros((), dtype=torch.long), x
        return while_loop(lambda i, y: i >= 0, lambda i, y: (i + 1, y.sin()), start)[1]


def test_a_loop_without_end_stays_a_loop():
    program = torch.export.export(Endless(), (torch.rand(3, 4),), strict=False)
    assert unroll_loops(program) == (program, ())
    assert "while_loop" in map(loop_name, program.graph.nodes)
