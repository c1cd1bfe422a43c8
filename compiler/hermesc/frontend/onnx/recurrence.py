"""ONNX recurrent layers as torch's: the gates in torch's order, each direction a layer of its own.

Custom activations, clipping, peepholes, coupled gates, sequence lengths and a reset gate before the
product (`linear_before_reset` 0 of a GRU) have no form of one product a time step, and are refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import _VF, Tensor

from hermesc.frontend.onnx.elementwise import on_tensors
from hermesc.frontend.onnx.node import OnnxNode, OnnxOp, RefusedNode

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
    if lengths is not None:
        raise RefusedNode("its sequence_lens are not read; give it sequences of one length")
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
        found.append(_layer(node, number, x, given, weights))
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
    node: OnnxNode, number: int, x: Tensor, states: list[Tensor], weights: list[Tensor]
) -> tuple[Tensor, ...]:
    """Outputs and last states, [batch, ...], of one direction."""
    kind = {"LSTM": "lstm", "GRU": "gru"}.get(node.op) or f"rnn_{_functions(node)[number]}"
    back = node.get("direction", "forward") == "reverse" or number == 1
    x = x.flip(1) if back else x
    given: Any = states if node.op == "LSTM" else states[0]
    flags = (len(weights) == 4, 1, 0.0, False, False, True)
    y, *lasts = getattr(_VF, kind)(x, given, weights, *flags)
    return (y.flip(1) if back else y, *(s[0] for s in lasts))


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
    if node.op == "GRU" and not node.get("linear_before_reset", 0):
        return (
            "its reset gate comes before the product (linear_before_reset = 0), so that a time "
            "step takes two products, one after the other; torch and Keras (reset_after) write 1"
        )
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
