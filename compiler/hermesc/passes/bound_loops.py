"""Bound loops: say how many steps each loop of a graph may take, and how many it usually takes.

In: a canonical Graph and the model's examples. Out: the Graph, in which each loop has the limit of
the options (loops within each other share it, so that all together keep it) and each `loop.while`
the number of steps that the examples take, by which reports count it; and notes. Of shapes alone
that number is not known, and 1. Cost: one run of the graph, where it holds loops.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from hermesc.ir.graph import Graph, Weights, device_of
from hermesc.ir.interpret import interpret
from hermesc.ir.ops import Digital, Op
from hermesrt.ops.call import Body, Call
from hermesrt.ops.loop import run_loop
from hermesrt.ops.loop_rules import (
    MOST_STEPS,
    USUAL_LIMIT,
    WhileLoop,
    inner_calls,
    limited,
    loop_of,
    shared_limit,
)
from hermesrt.ops.table import is_loop
from hermesrt.units import plural


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """What loops on the host may do.

    most_steps: that a loop may take, with all that loops in it do; a run that needs more is ended.
    """

    most_steps: int = field(default=USUAL_LIMIT, metadata={"low": 1, "high": MOST_STEPS})


def bound_loops(
    graph: Graph, weights: Weights, examples: Mapping[str, Tensor], options: LoopOptions
) -> Graph:
    """The graph with its loops bounded."""
    if not any(_is_loop(op) for op in graph.ops):
        return graph
    bounded = replace(graph, ops=tuple(_limited_op(op, options) for op in graph.ops))
    found: dict[str, Call] = {}

    def watch(op: Op, values: Mapping[str, Any], _: Any) -> None:
        if isinstance(op, Digital) and _is_loop(op):
            found[op.name] = _counted(op.call, values, str(op.location))

    if device_of(weights) == "cpu":
        interpret(bounded, weights, examples, watch=watch)
    ops = (
        replace(op, call=found[op.name]) if isinstance(op, Digital) and op.name in found else op
        for op in bounded.ops
    )
    return replace(bounded, ops=tuple(ops))


def loop_notes(graph: Graph) -> Iterator[str]:
    """What reports must say of a graph's loops."""
    for op in graph.digital:
        if not _is_loop(op):
            continue
        loop = loop_of(op.call)
        if isinstance(loop, WhileLoop):
            yield (
                f"torch.while_loop ({op.location.place}): runs on the host; it is timed with the "
                f"{plural(loop.usual, 'step')} that the example inputs take, of at most "
                f"{loop.limit}"
            )
        else:
            name = "scan" if loop.carried else "map"
            yield f"torch.{name} ({op.location.place}): runs on the host, one step after the other"


def _is_loop(op: Op) -> bool:
    return isinstance(op, Digital) and is_loop(op.call.op)


def _limited_op(op: Op, options: LoopOptions) -> Op:
    if not isinstance(op, Digital) or not _is_loop(op):
        return op
    return replace(op, call=limited(op.call, shared_limit(options.most_steps, op.call)))


def _counted(call: Call, values: Mapping[str, Any], where: str) -> Call:
    """A loop with the number of steps that it takes on these values; of one in another, the most
    that it took in a step of that."""
    counts: list[int] = []
    inner: dict[str, Call] = {}

    def observe(name: str, step: Call, seen: Mapping[str, Any], _: Any) -> None:
        if is_loop(step.op):
            now = _counted(step, seen, where)
            inner[name] = max(inner.get(name, now), now, key=_usual)

    nested = any(is_loop(step.op) for step in inner_calls(call))
    run_loop(call, values, where=where, observe=observe if nested else None, count=counts.append)
    loop = loop_of(call)
    loop = replace(loop, body=_with(loop.body, inner))
    return (replace(loop, usual=counts[0]) if isinstance(loop, WhileLoop) else loop).call


def _usual(call: Call) -> int:
    loop = loop_of(call)
    return loop.usual if isinstance(loop, WhileLoop) else 0


def _with(body: Body, calls: Mapping[str, Call]) -> Body:
    """The body with other calls under these names."""
    return replace(body, steps=tuple((name, calls.get(name, step)) for name, step in body.steps))
