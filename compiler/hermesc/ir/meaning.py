"""Whether a graph still computes what the model itself did, on the model's own examples.

In: a graph, its outputs, the model's in its own precision and, where it runs in FP64, exact ones.
Out: notes on outputs that FP32 cannot tell well. Method: the two may differ by round-off, and by
what the model's own FP32 outputs, or the graph's, differ from FP64: where large coefficients
cancel, little of an output is left and the order of sums decides the rest. Anything more is a bug
of ours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.interpret import interpret
from hermesc.ir.types import TensorType
from hermesrt.errors import InternalError

_ROUND_OFF = 16.0  # times the largest error of one evaluation may lie between two
_CANCELS = 1e-3  # of the largest output

ExactOutputs = Callable[[], Sequence[Tensor] | None]


def verify_meaning(
    graph: Graph,
    weights: Weights,
    examples: Mapping[str, Tensor],
    ours: Sequence[Tensor],
    eager: Sequence[Tensor],
    exact: ExactOutputs = lambda: None,
) -> tuple[str, ...]:
    """Notes for the program's report.

    ours: what the graph gives on the examples.
    eager: what the model returned on them.
    exact: gives the same in FP64, or None where the model does not run so.
    Raises: InternalError when the graph means something else.
    """
    step = _coarsest_step(graph)
    if all(_close(a, b, 0.0, step) for a, b in zip(ours, eager, strict=True)):
        return ()
    errors = _errors(ours, _in_fp64(graph, weights, examples)), _errors(eager, exact())
    notes: list[str] = []
    for i, (a, b) in enumerate(zip(ours, eager, strict=True)):
        round_off = max(found[i] for found in errors)
        if not _close(a, b, round_off, step):
            raise InternalError(
                f"output {i} of the compiled graph differs from the model's on its own "
                "example_inputs; either the model is not a function of its inputs, or this is a "
                "bug: please report it with the model"
            )
        notes += _note(i, b, round_off)
    return tuple(notes)


def _coarsest_step(graph: Graph) -> float:
    """The relative step of the coarsest floating-point dtype that the graph computes in."""
    kinds = {op.type.dtype for op in graph.ops if isinstance(op.type, TensorType)}
    floats = [d for name in kinds if (d := getattr(torch, name)).is_floating_point]
    return max((torch.finfo(d).eps for d in floats), default=0.0)


def _close(ours: Tensor, eager: Tensor, round_off: float, step: float) -> bool:
    if ours.shape != eager.shape or ours.dtype != eager.dtype or not ours.is_floating_point():
        return ours.shape == eager.shape and ours.dtype == eager.dtype
    scale = _largest(eager)
    slack = max(1e-4, 16 * step)  # half precision rounds coarsely
    atol = slack * scale + _ROUND_OFF * round_off
    return torch.allclose(ours, eager, rtol=10 * slack, atol=atol, equal_nan=True)


def _errors(outputs: Sequence[Tensor], exact: Sequence[Tensor] | None) -> list[float]:
    """The largest error of each output; 0 where the exact one is not known."""
    if exact is None:
        return [0.0 for _ in outputs]
    return [
        _largest(a.double() - b.double()) if a.shape == b.shape else 0.0
        for a, b in zip(outputs, exact, strict=True)
    ]


def _in_fp64(
    graph: Graph, weights: Weights, examples: Mapping[str, Tensor]
) -> Sequence[Tensor] | None:
    wide = {name: _wide(weight) for name, weight in weights.items()}
    try:
        with torch.no_grad():
            return interpret(graph, wide, {name: _wide(x) for name, x in examples.items()})
    except (RuntimeError, ValueError, TypeError):  # a cast to FP32 in the model's own code
        return None


def _note(index: int, eager: Tensor, round_off: float) -> Iterator[str]:
    scale = _largest(eager)
    if round_off > _CANCELS * scale > 0:
        yield (
            f"output {index}: large coefficients cancel: FP32 itself is off by up to "
            f"{round_off / scale:.2g} of its largest value; smaller coefficients or centred inputs "
            "lose less"
        )


def _largest(values: Tensor) -> float:
    return float(values.abs().nan_to_num(0.0, 0.0, 0.0).amax()) if values.numel() else 0.0


def _wide(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value
