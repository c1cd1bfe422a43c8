"""What the MVMs of a graph have to do for one sample, and what they wait for.

In: a graph, its weights and example inputs. Out: an MvmWorkload of each MVM. Method: the graph is
run without values (`hermesrt.shapes`) with one sample's sizes; an MVM can begin a vector when that
token of an earlier MVM's result is there, as far as all operations between keep tokens apart
(`hermesrt.ops.streams`), and after all of that result otherwise. Cost: one pass without values.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.interpret import interpret
from hermesc.ir.ops import Constant, Digital, Input, Mvm, Op, takes
from hermesc.ir.stages import Dependence, MvmWorkload
from hermesrt.ops.streams import follow, of_mvm
from hermesrt.ops.tokens import Followed, Operand, Shape, Stream, of_indices, of_input
from hermesrt.ops.window import vector_count
from hermesrt.shapes import shape_of, without_values


def mvm_workloads(
    graph: Graph, weights: Weights, examples: Mapping[str, Tensor]
) -> tuple[MvmWorkload, ...]:
    """A MvmWorkload for each MVM of the graph, in order, for one sample of the examples' sizes."""
    sample = {
        i.name: examples[i.name][:1] if i.type.dims and isinstance(i.type.dims[0], str)
        else examples[i.name]
        for i in graph.inputs
    }  # fmt: skip
    try:
        return without_values(lambda device: _follow(graph, weights, sample, device))
    except (RuntimeError, ValueError, IndexError):  # the rows belong together
        return without_values(lambda device: _follow(graph, weights, examples, device))


def _follow(
    graph: Graph, weights: Weights, sample: Mapping[str, Tensor], device: str
) -> tuple[MvmWorkload, ...]:
    walk = _Walk()
    blank = {name: torch.empty_like(w, device=device) for name, w in weights.items()}
    if device == "cpu":
        blank = dict(weights)
    inputs = {name: torch.zeros_like(x, device=device) for name, x in sample.items()}
    with torch.no_grad():
        interpret(graph, blank, inputs, watch=walk.see, device=device)
    return tuple(walk.found)


class _Walk:
    """Streams of the results so far, and the MVMs that each is made of."""

    def __init__(self) -> None:
        self.found: list[MvmWorkload] = []
        self._streams: dict[str, Stream | None] = {}
        self._sources: dict[str, dict[int, bool]] = {}  # by MVM, whether whole

    def see(self, op: Op, values: Mapping[str, Any], result: Any) -> None:
        """The next operation, with all values before it and its own."""
        shape = shape_of(result)
        match op:
            case Input():
                floats = isinstance(result, Tensor) and result.is_floating_point()
                if shape is not None:
                    self._streams[op.name] = (of_input if floats else of_indices)(shape)
                self._sources[op.name] = {}
            case Constant():
                self._sources[op.name] = {}
            case Digital() | Mvm():
                operands = {
                    n: Operand(n, s, self._streams.get(n))
                    for n in takes(op)
                    if (s := shape_of(values[n])) is not None
                }
                self._step(op, operands, shape, values)

    def _step(
        self,
        op: Digital | Mvm,
        operands: Mapping[str, Operand],
        shape: Shape | None,
        values: Mapping[str, Any],
    ) -> None:
        if isinstance(op, Mvm):
            followed = of_mvm(op.window, operands[op.input], shape, op.recurrence)
        else:
            followed = Followed() if shape is None else follow(op.call, operands, shape)
        sources: dict[int, bool] = {}
        streamed = (*followed.each, *(w.name for w in followed.windows))
        for name in takes(op):
            for mvm, whole in self._sources[name].items():
                sources[mvm] = sources.get(mvm, False) or whole or name not in streamed
        self._streams[op.name] = followed.stream
        if isinstance(op, Mvm):
            x = tuple(values[op.input].shape)
            vectors, steps = max(1, vector_count(op.window, x)), x[1] if op.recurrence else 0
            together = tuple(range(len(self.found), len(self.found) + len(op.products)))
            for number in together:
                waits = tuple(Dependence(mvm, whole) for mvm, whole in sorted(sources.items()))
                self.found.append(MvmWorkload(vectors, waits, steps, together))
                beside = op.recurrence is not None and op.recurrence.kind == "gru_reset_first"
                sources = (sources if beside else {}) | {number: False}
            sources = {together[-1]: False}
        self._sources[op.name] = sources
