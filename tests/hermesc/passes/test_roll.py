"""A loop over cells is one layer again, unless it feeds on what it says."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hermesc.ir.interpret import interpret

from ...zoo.front import Front, run_front

CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
STEPS = 5


def hidden(state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    return state[0] if isinstance(state, tuple) else state


class Loop(nn.Module):
    """Two cells on top of each other; `ways` says how inputs are taken, and what is returned."""

    def __init__(self, cell: Callable[..., nn.Module], taken: str, given: str) -> None:
        super().__init__()
        self.lower, self.upper, self.head = cell(4, 6), cell(6, 6), nn.Linear(6, 4)
        self.taken, self.given = taken, given

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        low = high = None
        said = []
        if self.taken == "time first":
            x = x.transpose(0, 1)
        inputs = x.unbind(1) if self.taken == "unbind" else ()
        for step in range(STEPS):
            match self.taken:
                case "unbind":
                    now = inputs[step]
                case "time first":
                    now = x[step]
                case "backwards":
                    now = x[:, STEPS - 1 - step]
                case _:
                    now = x[:, step]
            if self.taken == "feedback" and high is not None:
                now = now + self.head(hidden(high))
            low = self.lower(now, low)
            high = self.upper(hidden(low).relu() if self.taken == "between" else hidden(low), high)
            said.append(hidden(high))
        match self.given:
            case "all":
                return (torch.stack(said, 1),)
            case "time first":
                return (torch.stack(said).transpose(0, 1),)
            case "joined":
                return (torch.cat([s[:, None] for s in said], 1),)
        return (said[-1], *(high[1:] if isinstance(high, tuple) else ()))


def front(cell: str, taken: str, given: str = "all") -> Front:
    """The loop as far as the partition, which computes what the loop does at another batch."""
    torch.manual_seed(0)
    found = run_front(Loop(CELLS[cell], taken, given).eval(), (torch.randn(2, STEPS, 4),))
    x = torch.randn(3, STEPS, 4)
    with torch.no_grad():
        ours, torchs = interpret(found.graph, found.weights, {"x": x}), found.model(x)
    for a, b in zip(ours, torchs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("taken", ["slices", "unbind", "time first", "backwards", "between"])
def test_cells_are_a_layer_however_their_inputs_are_taken(cell: str, taken: str) -> None:
    assert len(front(cell, taken).graph.mvms) == 2


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("given", ["time first", "joined", "last"])
def test_cells_are_a_layer_whatever_is_made_of_their_outputs(cell: str, given: str) -> None:
    assert len(front(cell, "slices", given).graph.mvms) == 2


def test_a_loop_that_stacks_all_outputs_holds_no_time_step_of_its_own() -> None:
    found = front("lstm", "slices")
    names = {op.call.op for op in found.graph.digital}
    assert "aten.stack.default" not in names
    assert len(found.graph.ops) < 4 * STEPS


@pytest.mark.parametrize("cell", CELLS)
def test_a_loop_that_feeds_on_what_it_says_is_a_product_a_time_step(cell: str) -> None:
    """Each step's matrices are the same, which are stored once."""
    found = front(cell, "feedback")
    assert len(found.graph.mvms) == 3 * STEPS - 1
    assert len({op.matrix for op in found.graph.mvms}) == 3


def test_all_cells_of_a_loop_are_told_as_analog() -> None:
    found = front("gru", "slices")
    told = [a for a in found.partitioned.assignments if "cell" in a.op]
    assert len(told) == 2 * STEPS
    assert {a.unit for a in told} == {"analog"}
    assert sum("a time step of a layer" in a.reason for a in told) == 2 * STEPS - 2


def test_two_loops_that_take_from_each_other_do_not_wait_for_each_other() -> None:
    """a1 gives to b2, and b1 to a2: as two whole layers each would need the other first."""

    class Crossed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.RNNCell(6, 6), nn.RNNCell(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            a1, b1 = self.a(x), self.b(x)
            return self.a(b1, a1) + self.b(a1, b1)

    torch.manual_seed(0)
    model = Crossed().eval()
    found = run_front(model, (torch.randn(2, 6),))
    x = torch.randn(3, 6)
    (ours,) = interpret(found.graph, found.weights, {"x": x})
    torch.testing.assert_close(ours, model(x).detach(), rtol=1e-5, atol=1e-6)
    assert len(found.graph.mvms) == 3


def test_a_cell_state_that_something_else_takes_ends_a_layer() -> None:
    class Peeked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTMCell(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            h, c = self.cell(x)
            return self.cell(x, (h, c))[0] + c

    model = Peeked().eval()
    found = run_front(model, (torch.randn(2, 6),))
    x = torch.randn(3, 6)
    (ours,) = interpret(found.graph, found.weights, {"x": x})
    torch.testing.assert_close(ours, model(x).detach(), rtol=1e-5, atol=1e-6)
    assert len(found.graph.mvms) == 2
