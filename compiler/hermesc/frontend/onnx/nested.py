"""ONNX operations that hold graphs: If, Loop and Scan."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from onnx import NodeProto
from torch import Tensor

from hermesc.frontend.onnx.node import Known, OnnxNode, RefusedNode, known, tensor

NESTED: Mapping[str, Sequence[str]] = {
    "If": ("then_branch", "else_branch"),
    "Loop": ("body",),
    "Scan": (
        *("body", "num_scan_inputs", "scan_input_axes", "scan_input_directions"),
        *("scan_output_axes", "scan_output_directions"),
    ),
}
_EACH: Mapping[str, Any] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "Div": torch.div,
    "Exp": torch.exp,
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Pow": torch.pow,
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
}
_SUMS: Mapping[str, Any] = {
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "ReduceL2": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt(),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
    "ReduceSumSquare": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
}
_LONGEST = 4096  # steps of a loop that are written out
_UNKNOWN = (
    "the data or a free size; give it a number of steps that is known before the run, and let "
    "Where keep what is done"
)


class InnerGraph(Protocol):
    """A graph inside of an operation."""

    def given(self) -> Sequence[str]:
        """Names of its own inputs."""

    def passes_on(self, count: int) -> bool:
        """Whether its first outputs are its first inputs, unchanged."""

    def steps(self) -> Sequence[NodeProto]:
        """Its nodes in order."""

    def outputs(self) -> Sequence[str]:
        """Names of its results."""

    def known(self) -> Mapping[str, Any]:
        """Values that the file holds for it."""

    def evaluated(self, held: Mapping[str, Any], *values: Any) -> list[Any]:
        """Its outputs; `held` are the values around it."""


def run_nested(
    node: OnnxNode,
    bodies: Mapping[str, InnerGraph],
    held: Mapping[str, Any],
    values: Sequence[Any],
    fixed: Sequence[bool],
) -> Any:
    """The outputs of If, Loop or Scan; `fixed` says which values are weights."""
    if node.op == "If":
        found = _branch(bodies, held, *values)
    elif node.op == "Loop":
        found = _loop(bodies["body"], held, *values)
    else:
        found = _scan(node, bodies, held, values, fixed)
    return found[0] if len(found) == 1 else tuple(found)


def _branch(bodies: Mapping[str, InnerGraph], held: Mapping[str, Any], condition: Any) -> list[Any]:
    """One branch where the condition is known before the run; else both, and a selection."""
    if isinstance(condition, Known):
        (known,) = condition.ints()
        return bodies["then_branch" if known else "else_branch"].evaluated(held)
    both = [
        [tensor(v) for v in bodies[name].evaluated(held)] for name in ("then_branch", "else_branch")
    ]
    if any(a.dim() != b.dim() or a.dtype != b.dtype for a, b in zip(*both, strict=True)):
        raise RefusedNode("its condition depends on the data, and its branches differ in shape")
    return [torch.where(condition.reshape(()), a, b) for a, b in zip(*both, strict=True)]


def _loop(
    body: InnerGraph, held: Mapping[str, Any], count: Any, going: Any, *states: Any
) -> list[Any]:
    """As many steps as a number says that is known before the run, or a condition of such."""
    most, goes_on = _whole(count), going is None or _truth(going)
    carried, made, step = list(states), list[list[Tensor]](), 0
    while goes_on and (most is None or step < most):
        if step == _LONGEST:
            raise RefusedNode(f"it goes on after {_LONGEST} steps; it may have at most so many")
        condition, *found = body.evaluated(held, known(step), known(True), *carried)
        carried, outputs = found[: len(states)], found[len(states) :]
        made.append([tensor(v) for v in outputs])
        goes_on, step = _truth(condition), step + 1
    if not made and len(body.outputs()) > 1 + len(states):
        raise RefusedNode("it takes no step, so what its steps give has no sizes")
    return [*carried, *(torch.stack(column) for column in zip(*made, strict=True))]


def _whole(count: Any) -> int | None:
    """A number of steps; None for as many as a condition says."""
    if count is None:
        return None
    numbers = count.ints() if isinstance(count, Known) else [None]
    if len(numbers) != 1 or type(numbers[0]) is not int:
        raise RefusedNode(f"its number of steps depends on {_UNKNOWN}")
    return int(numbers[0])


def _truth(condition: Any) -> bool:
    if not isinstance(condition, Known) or any(type(n) is not bool for n in condition.ints()):
        raise RefusedNode(f"whether it goes on depends on {_UNKNOWN}")
    return all(condition.ints())


def _scan(
    node: OnnxNode,
    bodies: Mapping[str, InnerGraph],
    held: Mapping[str, Any],
    values: Sequence[Any],
    fixed: Sequence[bool],
) -> list[Any]:
    body, count = bodies["body"], node.get("num_scan_inputs")
    states, scanned = list(values[:-count]), [tensor(v) for v in values[-count:]]
    axes = node.get("scan_input_axes") or [0] * count
    turned = node.get("scan_input_directions") or [0] * count
    rows = [
        (x.flip(a) if back else x).movedim(a, 0)
        for x, a, back in zip(scanned, axes, turned, strict=True)
    ]
    if body.passes_on(len(states)):
        results = [*states, *_rows_at_once(body, held, states, rows, rows_fixed=fixed[-1])]
    else:
        results = _step_by_step(body, held, states, rows)
    places = node.get("scan_output_axes") or [0] * (len(results) - len(states))
    backward = node.get("scan_output_directions") or [0] * len(places)
    outputs = [
        (y.flip(0) if back else y).movedim(0, a)
        for y, a, back in zip(results[len(states) :], places, backward, strict=True)
    ]
    return [*results[: len(states)], *outputs]


def _rows_at_once(
    body: InnerGraph,
    held: Mapping[str, Any],
    states: list[Any],
    rows: list[Tensor],
    *,
    rows_fixed: bool,
) -> list[Tensor]:
    """Where no step hands anything on to the next, a step is a function of its rows: these lie
    along a further dimension in front, and sums are over dimensions counted from behind."""
    around = dict(held) | dict(body.known())
    if len(states) == 1 and len(rows) == 1 and _is_distance(body, around):
        one, other = rows[0], tensor(states[0])
        return [_to(other, one).mT if rows_fixed else _to(one, other)]
    rank = max([tensor(s).dim() for s in states] + [r.dim() - 1 for r in rows])
    wide = [r.reshape(r.shape[0], *[1] * (rank + 1 - r.dim()), *r.shape[1:]) for r in rows]
    around |= dict(zip(body.given(), [*states, *wide], strict=True))
    for node in body.steps():
        given = [around[name] for name in node.input if name]
        around[node.output[0]] = _for_all_rows(node, given, rank)
    return [tensor(around[name]) for name in body.outputs()[len(states) :]]


def _for_all_rows(node: NodeProto, given: list[Any], rank: int) -> Any:
    if node.op_type == "Identity":
        return given[0]
    values = [tensor(v) for v in given]
    if node.op_type in _EACH:
        return _EACH[node.op_type](*values)
    axes, kept = _axes(node, given)
    if node.op_type not in _SUMS or not axes:
        raise RefusedNode(
            f"its body holds {node.op_type}; a body whose steps do not depend on each other holds "
            f"{', '.join((*_EACH, *_SUMS))} alone"
        )
    return _SUMS[node.op_type](values[0], [a - rank if a >= 0 else a for a in axes], kept)


def _axes(node: NodeProto, given: Sequence[Any]) -> tuple[list[int], bool]:
    """The axes of a reduction, of an attribute or an input, and whether they stay."""
    told = {a.name: a for a in node.attribute}
    axes = list(told["axes"].ints) if "axes" in told else []
    if len(given) > 1 and isinstance(given[1], Known):
        axes = given[1].ints()
    return axes, bool(told["keepdims"].i) if "keepdims" in told else True


def _is_distance(body: InnerGraph, around: Mapping[str, Any]) -> bool:
    """Whether it sums the squares of the difference of a row and each row of its state."""
    nodes = [n for n in body.steps() if n.op_type != "Identity"]
    if [n.op_type for n in nodes] != ["Sub", "ReduceSumSquare"] or len(body.outputs()) != 2:
        return False
    sub, total = nodes
    axes, kept = _axes(total, [None, *(around.get(name) for name in total.input[1:])])
    passed = {n.output[0]: n.input[0] for n in body.steps() if n.op_type == "Identity"}
    last = passed.get(body.outputs()[1], body.outputs()[1])
    same = sorted(sub.input) == sorted(body.given()) and total.input[0] == sub.output[0]
    return same and last == total.output[0] and axes in ([1], [-1]) and not kept


def _to(x: Tensor, points: Tensor) -> Tensor:
    """The squared distance from each row to each fixed point, by one product; centred, so that
    little cancels."""
    center = points.mean(0)
    x, points = x - center, points - center
    squares = x.square().sum(1, keepdim=True) + points.square().sum(1)
    return (squares - 2 * torch.nn.functional.linear(x, points)).clamp(min=0)


def _step_by_step(
    body: InnerGraph, held: Mapping[str, Any], states: list[Any], rows: list[Tensor]
) -> list[Any]:
    length = rows[0].shape[0]
    if not isinstance(length, int) or length > _LONGEST:
        raise RefusedNode(
            f"its steps depend on each other, and their number is {length}; it must be known, and "
            f"at most {_LONGEST}"
        )
    made: list[list[Tensor]] = []
    for i in range(length):
        found = body.evaluated(held, *states, *(x[i] for x in rows))
        states, outputs = found[: len(states)], found[len(states) :]
        made.append([tensor(v) for v in outputs])
    return [*states, *(torch.stack(column) for column in zip(*made, strict=True))]
