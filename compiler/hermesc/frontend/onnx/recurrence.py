"""ONNX recurrent layers as torch's: the gates in torch's order, each direction a layer of its own.

Sequences of given lengths are padded ones, as torch's packed sequences are while they are captured.
Custom activations, clipping, peepholes and coupled gates are refused.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import _VF, Tensor

from hermesc.frontend.onnx.elementwise import on_tensors
from hermesc.frontend.onnx.node import OnnxNode, OnnxOp, RefusedNode
from hermesc.frontend.own_layers import gru_reset_first, lstm_cells
from hermesc.frontend.padded import Padded

# Places of torch's gates among those of ONNX, and the functions that both have.
_ORDERS: Mapping[str, tuple[int, ...]] = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("sigmoid", "tanh", "tanh"),
    "GRU": ("sigmoid", "tanh"),
    "RNN": ("tanh",),
}


def _run(
    node: OnnxNode,
    x: Tensor,
    from_x: Tensor,
    from_h: Tensor,
    bias: Tensor | None = None,
    lengths: Tensor | None = None,
    *states: Tensor | None,
) -> tuple[Tensor, ...]:
    if any(s is not None for s in states[2:]):
        raise RefusedNode("its peepholes are not read")
    first, hidden = bool(node.get("layout", 0)), from_h.shape[2]
    x = x.transpose(0, 1) if not first else x
    found: list[tuple[Tensor, ...]] = []
    for number in range(from_x.shape[0]):
        given = [
            _firsts(s, number, x, hidden, first) for s in (*states, None, None)[: _count(node)]
        ]
        weights = _ordered(node, [w[number] for w in (from_x, from_h, bias) if w is not None])
        found.append(_layer(node, number, x, lengths, given, weights))
    y, *lasts = (
        torch.stack(parts, 2 if i == 0 else 0) for i, parts in enumerate(zip(*found, strict=True))
    )
    if first:
        return (y, *(s.transpose(0, 1) for s in lasts))
    return (y.permute(1, 2, 0, 3), *lasts)


def _count(node: OnnxNode) -> int:
    return 2 if node.op == "LSTM" else 1


def _firsts(given: Tensor | None, number: int, x: Tensor, hidden: int, first: bool) -> Tensor:
    """A direction's first state, [1, batch, hidden]."""
    if given is None:
        return x.new_zeros(1, x.shape[0], hidden)
    return (given.transpose(0, 1) if first else given)[number : number + 1]


def _ordered(node: OnnxNode, given: Sequence[Tensor]) -> list[Tensor]:
    """Weights of one direction with their gates in torch's order, both biases apart."""
    from_x, from_h, *bias = given
    parts = [from_x, from_h, *(b for both in bias for b in both.chunk(2))]
    order = _ORDERS[node.op]
    if len(order) == 1:
        return parts
    chunks = (part.chunk(len(order)) for part in parts)
    return [torch.cat([gates[place] for place in order]) for gates in chunks]


def _layer(
    node: OnnxNode,
    number: int,
    x: Tensor,
    lengths: Tensor | None,
    states: list[Tensor],
    weights: list[Tensor],
) -> tuple[Tensor, ...]:
    """Outputs and last states, [batch, ...], of one direction."""
    back = node.get("direction", "forward") == "reverse" or number == 1
    given: Any = states if node.op == "LSTM" else states[0]
    run = _operation(node, number, of_lengths=lengths is not None)
    if lengths is None:
        y, *lasts = run(x.flip(1) if back else x, given, weights)
        return (y.flip(1) if back else y, *(s[0] for s in lasts))
    lengths = lengths.to(torch.int64)
    padded = Padded(x, lengths)
    y, _, *cells = run((padded.turned() if back else padded).rows, given, weights)
    kept = [Padded(Padded(part, lengths).filled(0.0), lengths) for part in (y, *cells)]
    outputs = kept[0].turned() if back else kept[0]
    return (outputs.rows, *(part.last() for part in kept))


def _operation(node: OnnxNode, number: int, *, of_lengths: bool) -> Callable[..., Any]:
    """What runs a direction on x, its first states and weights; of lengths, an LSTM tells its c of
    every time step."""
    own = {"LSTM": lstm_cells} if of_lengths else {}
    if not node.get("linear_before_reset", 0):
        own["GRU"] = gru_reset_first
    kind = {"LSTM": "lstm", "GRU": "gru"}.get(node.op) or f"rnn_{_functions(node)[number]}"

    def run(x: Tensor, states: Any, weights: list[Tensor]) -> Any:
        biases = len(weights) == 4
        if node.op in own:
            return own[node.op](x, states, weights, biases)
        return getattr(_VF, kind)(x, states, weights, biases, 1, 0.0, False, False, True)

    return run


def _functions(node: OnnxNode) -> list[str]:
    """Its activations, of one direction after the other."""
    directions = 2 if node.get("direction", "forward") == "bidirectional" else 1
    given = node.get("activations") or _FUNCTIONS[node.op] * directions
    return [str(name).lower() for name in given]


def _odd(node: OnnxNode) -> str | None:
    functions, usual = _functions(node), _FUNCTIONS[node.op]
    plain = all(
        functions[i : i + len(usual)] == list(usual) for i in range(0, len(functions), len(usual))
    )
    if node.op == "RNN":
        plain = set(functions) <= {"tanh", "relu"}
    if not plain or node.get("activation_alpha") or node.get("activation_beta"):
        return f"its activations are {', '.join(functions)} and not those of torch"
    if node.get("clip") is not None:
        return "it clips the sums of its gates, which is not read"
    if node.get("input_forget", 0):
        return "its input and forget gates are coupled, which is not read"
    return None


_COMMON = (
    "activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size",
    "layout",
)  # fmt: skip
RECURRENT: Mapping[str, OnnxOp] = {
    "LSTM": on_tensors(_run, *_COMMON, "input_forget", refuse=_odd),
    "GRU": on_tensors(_run, *_COMMON, "linear_before_reset", refuse=_odd),
    "RNN": on_tensors(_run, *_COMMON, refuse=_odd),
}
