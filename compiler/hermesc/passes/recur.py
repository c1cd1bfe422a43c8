"""Recur: make every recurrent layer with fixed weights an Mvm with a recurrence.

In: a canonical Graph. Out: the Graph in which each layer and direction of an LSTM, GRU or RNN is
one product with [x, h] at each time step (`hermesrt.ops.recurrence`), or two one after the other,
its biases the LDPU's, and what torch returns beside the outputs is taken from its result. Cost:
linear in operations and weights.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from torch import Tensor

from hermesc.analysis.recurrence import Layer, RecurrenceFinder, RecurrentLayers
from hermesc.ir.graph import Graph, Removed, Weights
from hermesc.ir.ops import UNKNOWN_TO_TORCH, Digital, Input, Mvm, Op, takes
from hermesc.ir.types import Dim, TensorType, ValueType
from hermesrt.errors import Refusal, UnsupportedOpError
from hermesrt.ops.call import Arg, Call, Ref
from hermesrt.ops.recurrence import Recurrence


def recur(graph: Graph, weights: Weights) -> tuple[Graph, dict[str, Tensor]]:
    """The graph with Mvm operations for its recurrent layers, and the weights with their
    matrices."""
    finder, builder = RecurrenceFinder(graph, weights), _Builder(graph, weights)
    for op in graph.ops:
        found = finder.layers(op) if isinstance(op, Digital) else None
        if found is None or not builder.is_taken_apart(op.name):
            _refuse(op)
            builder.keep(op)
        else:
            assert isinstance(op, Digital)
            builder.lower(op, found)
    return builder.result()


def _refuse(op: Op) -> None:
    """Raises: UnsupportedOpError for a layer that only crossbars can run."""
    if isinstance(op, Digital) and op.call.op in UNKNOWN_TO_TORCH:
        reason = (
            "a recurrent layer that torch, and so the host, has no operation for; and its weights "
            "are not fixed, so that there is nothing to store in PCM"
        )
        raise UnsupportedOpError([Refusal(op.call.op, op.location, reason)])


class _Builder:
    """Writes the new graph."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._graph = graph
        self._weights = dict(weights)
        self._types: dict[str, ValueType] = {op.name: op.type for op in graph.ops}
        self._by_name = {op.name: op for op in graph.ops}
        self._users = graph.users()
        self._removed = list(graph.removed)
        self._parts: dict[str, Mapping[int, str]] = {}  # of lowered operations, by place
        self._names: dict[str, str] = {}
        self._ops: list[Op] = []

    def is_taken_apart(self, name: str) -> bool:
        """Whether nothing takes all results of an operation together."""
        users = [self._by_name.get(user) for user in self._users[name]]
        return all(isinstance(u, Digital) and u.call.op == "size.getitem" for u in users)

    def keep(self, op: Op) -> None:
        """An operation as it is, but for what it takes."""
        if isinstance(op, Digital):
            source = op.call.args[0] if op.call.args else None
            if op.call.op == "size.getitem" and isinstance(source, Ref):
                parts, place = self._parts.get(source.name), op.call.args[1]
                if parts is not None and isinstance(place, int):
                    self._names[op.name] = parts[place]
                    reason = "one of the results of a recurrent layer"
                    self._removed.append(Removed(op.origin, reason))
                    return
            op = replace(op, call=op.call.rename(self._names))
        self._ops.append(op)

    def lower(self, op: Digital, found: RecurrentLayers) -> None:
        """An operation of layers as Mvms."""
        wanted = self._wanted(op.name)
        x = self._names.get(found.x, found.x)
        if not found.batch_first:
            x = self._swapped(op, "x", x)
        y, lasts = x, list[tuple[str, ...]]()
        for first in range(0, len(found.layers), found.directions):
            made: list[str] = []
            for i in range(first, first + found.directions):
                h, last = self._layer(op, found, i, y, wanted)
                made.append(h)
                lasts.append(last)
            y = made[0] if len(made) == 1 else self._joined(op, f"y{first}", made)
        parts = {0: y if found.batch_first else self._swapped(op, "y", y)}
        for place in wanted - {0}:
            names = [last[place - 1] for last in lasts]
            whole = found.all_cells and place == 2
            parts[place] = names[0] if whole else self._stacked(op, f"states{place}", names)
        self._parts[op.name] = parts

    def _layer(
        self, op: Digital, found: RecurrentLayers, number: int, x: str, wanted: set[int]
    ) -> tuple[str, tuple[str, ...]]:
        """The names of a layer's h at all time steps, and of its last states as far as wanted."""
        layer = found.layers[number]
        states = tuple(
            self._selected(op, f"{place}first{number}", self._names.get(s, s), 0, number)
            for place, s in enumerate(found.states)
        )
        cells = 2 in wanted
        y = self._mvm(op, layer, number, x, states, cells=cells)
        h = self._cut(op, f"h{number}", y, 0, layer.outputs) if cells else y
        end = 0 if layer.reverse else -1
        last = [self._selected(op, f"h_n{number}", h, 1, end)] if wanted - {0} else []
        if cells:
            all_cells = found.all_cells
            whole = y if all_cells else self._selected(op, f"end{number}", y, 1, end)
            c = self._cut(op, f"c_n{number}", whole, layer.outputs, layer.outputs + layer.hidden)
            last.append(c)
        return h, tuple(last)

    def _mvm(
        self,
        op: Digital,
        layer: Layer,
        number: int,
        x: str,
        states: tuple[str, ...],
        *,
        cells: bool,
    ) -> str:
        matrix, bias = layer.matrix(), layer.bias()
        stored = self._store(f"mvm:{layer.label}", matrix)
        recurrence = Recurrence(layer.kind, states, layer.reverse, cells, hidden=layer.hidden)
        kind = self._type(x)
        made = Mvm(
            f"{op.name}.{number}",
            x,
            stored,
            TensorType((*kind.dims[:2], recurrence.width(layer.outputs)), kind.dtype),
            op.origin,
            op.location,
            stored.removeprefix("mvm:"),
            bias=None if bias is None else self._store(f"{stored[4:]}.ldpu_bias", bias),
            relu=layer.kind == "rnn_relu",
            recurrence=recurrence,
        )
        return self._add(replace(made, second=self._second(made, layer)))

    def _second(self, op: Mvm, layer: Layer) -> Mvm | None:
        """The second product of each time step, if the layer has one."""
        found = layer.second()
        if found is None:
            return None
        suffix, matrix, bias = found
        stored = self._store(f"{op.matrix}.{suffix}", matrix)
        dims = (op.type.dims[0], matrix.shape[1])
        return Mvm(
            f"{op.name}.{suffix}",
            op.name,
            stored,
            TensorType(dims, op.type.dtype),
            op.origin,
            op.location,
            stored.removeprefix("mvm:"),
            bias=None if bias is None else self._store(f"{stored[4:]}.ldpu_bias", bias),
        )

    def _wanted(self, name: str) -> set[int]:
        """The places of the results that something takes."""
        found = set()
        for user in self._users[name]:
            getitem = self._by_name[user]
            assert isinstance(getitem, Digital)
            found.add(int(getitem.call.args[1]))  # type: ignore[arg-type]
        return found

    def _swapped(self, op: Digital, suffix: str, name: str) -> str:
        kind = self._type(name)
        dims = (kind.dims[1], kind.dims[0], *kind.dims[2:])
        return self._digital(op, suffix, "aten.transpose.int", (Ref(name), 0, 1), dims, kind)

    def _selected(self, op: Digital, suffix: str, name: str, dim: int, place: int) -> str:
        kind = self._type(name)
        dims = (*kind.dims[:dim], *kind.dims[dim + 1 :])
        call = (Ref(name), dim, place)
        return self._digital(op, suffix, "aten.select.int", call, dims, kind)

    def _cut(self, op: Digital, suffix: str, name: str, start: int, end: int) -> str:
        kind = self._type(name)
        dims = (*kind.dims[:-1], end - start)
        call = (Ref(name), len(dims) - 1, start, end)
        return self._digital(op, suffix, "aten.slice.Tensor", call, dims, kind)

    def _joined(self, op: Digital, suffix: str, names: list[str]) -> str:
        kinds = [self._type(name) for name in names]
        width = sum(int(k.dims[-1]) for k in kinds)
        refs = tuple(Ref(name) for name in names)
        dims = (*kinds[0].dims[:-1], width)
        return self._digital(op, suffix, "aten.cat.default", (refs, len(dims) - 1), dims, kinds[0])

    def _stacked(self, op: Digital, suffix: str, names: list[str]) -> str:
        kind = self._type(names[0])
        if len(names) == 1:
            dims = (1, *kind.dims)
            return self._digital(
                op, suffix, "aten.unsqueeze.default", (Ref(names[0]), 0), dims, kind
            )
        refs = tuple(Ref(name) for name in names)
        dims = (len(names), *kind.dims)
        return self._digital(op, suffix, "aten.stack.default", (refs, 0), dims, kind)

    def _digital(
        self,
        op: Digital,
        suffix: str,
        name: str,
        args: tuple[Arg, ...],
        dims: tuple[Dim, ...],
        like: TensorType,
    ) -> str:
        """One operation more, on behalf of `op`; the name of its result."""
        kind = TensorType(dims, like.dtype)
        call = Call(name, args)
        return self._add(Digital(f"{op.name}.{suffix}", call, kind, op.origin, op.location))

    def _add(self, op: Op) -> str:
        self._ops.append(op)
        self._types[op.name] = op.type
        return op.name

    def _type(self, name: str) -> TensorType:
        kind = self._types[name]
        assert isinstance(kind, TensorType)
        return kind

    def _store(self, name: str, value: Tensor) -> str:
        """Keep a weight beside the graph, under its own name as long as that is free."""
        held = self._weights.get(name)
        if held is not None and (held.shape != value.shape or not held.equal(value)):
            return self._store(f"{name}'", value)
        self._weights[name] = value
        return name

    def result(self) -> tuple[Graph, dict[str, Tensor]]:
        """The graph without what nothing takes any more."""
        outputs = tuple(self._names.get(name, name) for name in self._graph.outputs)
        graph = replace(
            self._graph,
            ops=tuple(_needed(self._ops, outputs)),
            outputs=outputs,
            removed=tuple(self._removed),
        )
        return graph, graph.live_weights(self._weights)


def _needed(ops: list[Op], outputs: tuple[str, ...]) -> Iterator[Op]:
    needed, kept = set(outputs), list[Op]()
    for op in reversed(ops):
        if op.name in needed or isinstance(op, Input):
            needed.update(takes(op))
            kept.append(op)
    return reversed(kept)
