"""Shapes of a recurrent layer's results, without a walk over its time steps.

Torch's own shape functions run every step: a minute for some thousand of them.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

NAMES = tuple(f"aten.{name}.input" for name in ("lstm", "gru", "rnn_tanh", "rnn_relu"))


def blank_results(args: Sequence[Any]) -> tuple[Tensor, ...]:
    """Results of the shapes that the layer makes of these arguments, in torch's order: all outputs,
    then the last states."""
    x, given, bidirectional = args[0], args[1], args[7]
    states = [given] if isinstance(given, Tensor) else given
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    outputs = x.new_empty((*x.shape[:2], width))
    return (outputs, *(x.new_empty(state.shape) for state in states))
