"""The slow reference executor: what a graph means, in FP32 torch, one operation after another."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Constant, Digital, Input, Mvm, Op, takes
from hermesrt.ops.call import last_uses, run
from hermesrt.ops.loop import run_loop
from hermesrt.ops.table import is_loop
from hermesrt.ops.time_steps import States, advance, fault_of_inputs, recur
from hermesrt.ops.unfold import convolve, result_shape

MvmObserver = Callable[[Mvm, Tensor], None]
MvmProduct = Callable[[Mvm, Tensor], Tensor]
OpObserver = Callable[[Op, Mapping[str, Any], Any], None]
Run = Generator[None, None, tuple[Tensor, ...]]


def interpret(
    graph: Graph,
    weights: Weights,
    inputs: Mapping[str, Tensor],
    observe: MvmObserver | None = None,
    watch: OpObserver | None = None,
    device: str = "cpu",
    product: MvmProduct | None = None,
) -> tuple[Tensor, ...]:
    """The graph's outputs; `observe` sees each MVM with its input before it runs (of a recurrence
    with all its vectors, [time, batch, rows], when it has run), `watch` every operation with all
    values and its own after it ran; `product` computes MVMs (of a recurrence each time step's),
    exactly if it is not given."""
    return in_turn(stepwise(graph, weights, inputs, observe, watch, device, product))[0]


def in_turn(*runs: Run) -> list[tuple[Tensor, ...]]:
    """The outputs of runs of one graph, which all do an operation before one does the next: so the
    weights that it takes are in the processor's cache for all of them but the first."""
    found: dict[int, tuple[Tensor, ...]] = {}
    while len(found) < len(runs):
        for place, each in enumerate(runs):
            try:
                next(each)
            except StopIteration as end:
                found[place] = end.value
    return [found[place] for place in range(len(runs))]


def stepwise(
    graph: Graph,
    weights: Weights,
    inputs: Mapping[str, Tensor],
    observe: MvmObserver | None = None,
    watch: OpObserver | None = None,
    device: str = "cpu",
    product: MvmProduct | None = None,
) -> Run:
    """What `interpret` does, which stops after each operation."""
    values: dict[str, Any] = {}
    dead = last_uses([(op.name, takes(op)) for op in graph.ops], graph.outputs)
    for op, done in zip(graph.ops, dead, strict=True):
        match op:
            case Input():
                values[op.name] = inputs[op.name]
            case Constant():
                values[op.name] = weights[op.weight]
            case Digital() if is_loop(op.call.op):
                values[op.name] = run_loop(op.call, values, device, where=str(op.location))
            case Digital():
                values[op.name] = run(op.call, values, device)
            case Mvm(recurrence=None):
                if observe is not None:
                    observe(op, values[op.input])
                x = values[op.input]
                values[op.name] = product(op, x) if product else mvm(op, weights, x)
            case Mvm():
                taken = [values[n] for n in takes(op)]
                values[op.name] = _recur(op, weights, taken, observe, product)
        if watch is not None:
            watch(op, values, values[op.name])
        for name in done:
            del values[name]
        yield
    return tuple(values[name] for name in graph.outputs)


def mvm(op: Mvm, weights: Weights, x: Tensor) -> Tensor:
    """The exact product of one Mvm; one of half precision is rounded at its end."""
    wide = x.float() if x.itemsize < 4 else x
    matrix = weights[op.matrix].to(wide.dtype)
    if op.window is None:
        return _product(op, weights, matrix, wide).to(x.dtype)
    if x.is_meta:
        return x.new_empty(result_shape(op.window, x.shape, matrix.shape[1]))
    idle = _product(op, weights, matrix, wide.new_zeros(1, matrix.shape[0]))[0]

    def at(vectors: Tensor, _: Tensor) -> Tensor:
        return _product(op, weights, matrix, vectors)

    return convolve(op.window, wide, matrix.shape[1], at, idle).to(x.dtype)


def _recur(
    op: Mvm,
    weights: Weights,
    taken: Sequence[Tensor],
    observe: MvmObserver | None,
    product: MvmProduct | None,
) -> Tensor:
    recurrence, (x, *states) = op.recurrence, taken
    assert recurrence is not None
    wide = x.float() if x.itemsize < 4 else x
    projection = None
    if recurrence.projection is not None:
        projection = weights[recurrence.projection].to(wide.dtype)
    outputs = state_width(op, weights)
    matrix = weights[op.matrix].to(wide.dtype)
    fault = fault_of_inputs(recurrence, matrix.shape[0], outputs, x, states)
    if fault is not None:
        raise ValueError(fault)
    if x.is_meta:
        return x.new_empty((*x.shape[:2], recurrence.width(outputs)))
    seen: list[Tensor] = []
    seen_second: list[Tensor] = []

    def step(vectors: Tensor) -> Tensor:
        if observe is not None:
            seen.append(vectors)
        return product(op, vectors) if product else _product(op, weights, matrix, vectors)

    def second(vectors: Tensor) -> Tensor:
        assert op.second is not None
        if observe is not None:
            seen_second.append(vectors)
        return product(op.second, vectors) if product else mvm(op.second, weights, vectors)

    def gates(sums: Tensor, now: States) -> States:
        return advance(recurrence, sums, now, projection)

    y = recur(recurrence, wide, states, step, gates, second if op.second else None)
    for made, vectors in zip(op.products, (seen, seen_second), strict=False):
        if observe is not None:
            observe(made, torch.stack(vectors))
    return y.to(x.dtype)


def state_width(op: Mvm, weights: Weights) -> int:
    """Width of a recurrence's h."""
    recurrence = op.recurrence
    assert recurrence is not None
    named = recurrence.projection
    if recurrence.kind == "lstm" and op.second is not None:
        named = op.second.matrix
    return recurrence.hidden if named is None else int(weights[named].shape[1])


def _product(op: Mvm, weights: Weights, matrix: Tensor, x: Tensor) -> Tensor:
    y = x @ matrix
    if op.scale is not None:
        y = y * weights[op.scale]
    if op.bias is not None:
        y = y + weights[op.bias]
    return (y.relu() if op.relu else y).to(x.dtype)
