"""A recurrent layer's time steps, one after the other, and what its gates make of the sums."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.ops.recurrence import GATES, Recurrence

States = tuple[Tensor, ...]
Product = Callable[[Float[Tensor, "batch rows"]], Float[Tensor, "batch columns"]]
Gates = Callable[[Float[Tensor, "batch columns"], States], States]


def advance(
    recurrence: Recurrence, sums: Tensor, states: States, projection: Tensor | None = None
) -> States:
    """The next h, and c of an LSTM, from the gates' sums; the ReLU of an RNN is in them already.
    Before a second product, what that takes beside x, and what `finish` takes."""
    match recurrence.kind:
        case "rnn_relu":
            return (sums,)
        case "rnn_tanh":
            return (sums.tanh(),)
        case "gru":
            reset, update, new_x, new_h = sums.chunk(4, -1)
            new = (new_x + reset.sigmoid() * new_h).tanh()
            return (new + update.sigmoid() * (states[0] - new),)
        case "gru_reset_first":
            reset, update = sums.sigmoid().chunk(2, -1)
            return reset * states[0], update
        case "lstm":
            enter, forget, cell, out = lstm_gates(recurrence, sums)
            c = forget.sigmoid() * states[1] + enter.sigmoid() * cell.tanh()
            h = out.sigmoid() * c.tanh()
            return (h if projection is None else h @ projection), c


def finish(recurrence: Recurrence, sums: Tensor, made: States, states: States) -> States:
    """The next states from the second product's sums and what the gates made of the first's."""
    if recurrence.kind == "lstm":
        return (sums, *made[1:])
    new = sums.tanh()
    return (new + made[1] * (states[0] - new),)


def lstm_gates(recurrence: Recurrence, sums: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sums of input, forget, cell and output gate, [batch, hidden] each."""
    if recurrence.unit == "host":
        enter, forget, cell, out = sums.chunk(4, -1)
    else:
        enter, cell, forget, out = sums.reshape(*sums.shape[:-1], -1, GATES).unbind(-1)
    return enter, forget, cell, out


def recur(
    recurrence: Recurrence,
    x: Float[Tensor, "batch time inputs"],
    states: Sequence[Tensor],
    product: Product,
    gates: Gates,
    second: Product | None = None,
) -> Float[Tensor, "batch time width"]:
    """One time step after the other: `gates(product([x, h]), states)`, and a second product of what
    these made where there is one."""
    now = tuple(s.to(x.dtype) for s in states)
    steps = range(x.shape[1])
    found = []
    for step in reversed(steps) if recurrence.reverse else steps:
        made = gates(product(torch.cat((x[:, step], now[0]), 1)), now)
        if second is None:
            now = made
        else:
            beside = recurrence.kind != "lstm"
            vectors = torch.cat((x[:, step], made[0]), 1) if beside else made[0]
            now = finish(recurrence, second(vectors), made, now)
        found.append(torch.cat(now, 1) if recurrence.cells else now[0])
    return torch.stack(found[::-1] if recurrence.reverse else found, 1)


def fault_of_inputs(
    recurrence: Recurrence, rows: int, outputs: int, x: Tensor, states: Sequence[Tensor]
) -> str | None:
    """What is wrong with an input and the first states."""
    if x.dim() != 3 or x.shape[2] != rows - outputs or x.shape[1] < 1:
        return f"its input is {list(x.shape)} and not time steps of {rows - outputs} numbers"
    batch = x.shape[0]
    wanted = [(batch, outputs), (batch, recurrence.hidden)][: len(recurrence.states)]
    if [tuple(s.shape) for s in states] != wanted:
        found = [list(s.shape) for s in states]
        return f"its first states are {found} and not {list(map(list, wanted))}"
    return None
