"""Roll: write a loop over recurrent cells, which torch.export unrolls, as one recurrent layer.

In: a canonical Graph. Out: the Graph in which cells of the same weights, each of which takes the
states of the one before, are one `lstm`, `gru` or `rnn` over their inputs beside each other; a cell
without such a neighbour is a layer of one time step. No input of a layer may depend on its own
outputs, as a decoder's does that is fed what it said: then the loop stays unrolled. Nor may
anything but the next cell take a cell state c. Cost: linear in operations, but for a sort.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from hermesc.analysis.recurrence import RecurrenceFinder, RecurrentCell
from hermesc.ir.graph import Graph, Removed, Weights
from hermesc.ir.ops import Digital, Op, takes
from hermesc.ir.types import Dim, TensorType, TupleType, ValueType
from hermesrt.ops.call import Arg, Call, Ref
from hermesrt.ops.table import base_name


def roll(graph: Graph, weights: Weights) -> tuple[Graph, dict[str, Tensor]]:
    """The graph without cells, and its weights."""
    chains = _Chains(graph, weights).found
    if not chains:
        return graph, dict(weights)
    writer = _Writer(graph)
    for chain in chains:
        writer.write(chain)
    rolled = writer.graph()
    return rolled, rolled.live_weights(weights)


@dataclass(slots=True)
class _Chain:
    """Cells of one layer, one time step after the other.

    number: of the chain.
    cells: their operations.
    read: what they are.
    needs: the chains that their inputs depend on, a bit each.
    """

    number: int
    cells: list[Digital] = field(default_factory=list)
    read: list[RecurrentCell] = field(default_factory=list)
    needs: int = 0


class _Chains:
    """Finds the chains of a graph."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self.found: list[_Chain] = []
        self._finder = RecurrenceFinder(graph, weights)
        self._by_name = {op.name: op for op in graph.ops}
        self._users = graph.users()
        self._needs: dict[str, int] = {}  # chains that a result depends on, a bit each
        self._chain_of: dict[str, _Chain] = {}  # by cell
        for op in graph.ops:
            self._visit(op)

    def _visit(self, op: Op) -> None:
        needs = 0
        for name in takes(op):
            needs |= self._needs[name]
        cell = self._finder.cell(op) if isinstance(op, Digital) else None
        if cell is not None and self._is_taken_apart(op.name):
            assert isinstance(op, Digital)
            chain = self._extended(cell) or self._new()
            chain.cells.append(op)
            chain.read.append(cell)
            inputs = self._needs[cell.x]
            if len(chain.cells) == 1:
                for name in cell.states:
                    inputs |= self._needs[name]
            chain.needs |= inputs
            self._chain_of[op.name] = chain
            needs |= 1 << chain.number
        self._needs[op.name] = needs

    def _new(self) -> _Chain:
        self.found.append(_Chain(len(self.found)))
        return self.found[-1]

    def _is_taken_apart(self, name: str) -> bool:
        """Whether nothing takes both results of an LSTM's cell together."""
        op = self._by_name[name]
        if not isinstance(op.type, TupleType):
            return True
        users = [self._by_name.get(user) for user in self._users[name]]
        return all(isinstance(u, Digital) and u.call.op == "size.getitem" for u in users)

    def _extended(self, cell: RecurrentCell) -> _Chain | None:
        """The chain that a cell goes on with, if it does."""
        before = [self._source(name, place) for place, name in enumerate(cell.states)]
        chain = self._chain_of.get(before[0]) if before[0] is not None else None
        if chain is None or any(b != chain.cells[-1].name for b in before):
            return None
        first = chain.read[0]
        if (first.weights, first.layer.kind) != (cell.weights, cell.layer.kind):
            return None
        if any(len(self._users[name]) > 1 for name in cell.states[1:]):
            return None
        return None if self._depends(self._needs[cell.x], chain.number) else chain

    def _source(self, name: str, place: int) -> str | None:
        """The cell of which a name is the result of that place."""
        op = self._by_name[name]
        if name in self._chain_of:
            return name if place == 0 else None
        if isinstance(op, Digital) and op.call.op == "size.getitem":
            source, number = op.call.args
            if isinstance(source, Ref) and number == place:
                return source.name
        return None

    def _depends(self, needs: int, number: int) -> bool:
        """Whether chains, or those whose results they take, hold that one."""
        seen = 0
        while needs & ~seen:
            if needs >> number & 1:
                return True
            new = needs & ~seen
            low = new & -new
            seen |= low
            needs |= self.found[low.bit_length() - 1].needs
        return bool(needs >> number & 1)


class _Writer:
    """Writes layers in place of chains."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._ops: dict[str, Op] = {op.name: op for op in graph.ops}
        self._order = {op.name: i for i, op in enumerate(graph.ops)}
        self._users = graph.users()
        self._removed = list(graph.removed)
        self._types: dict[str, ValueType] = {op.name: op.type for op in graph.ops}

    def write(self, chain: _Chain) -> None:
        """The layer of a chain, and its results under the names that were those of its cells."""
        first, cells, layer = chain.cells[0], chain.cells, chain.read[0].layer
        self._place = self._order[cells[-1].name]
        self._op = first
        x = self._inputs([cell.x for cell in chain.read])
        states = [
            self._add(f"first{i}", "aten.unsqueeze.default", (Ref(s), 0), (1, *self._type(s).dims))
            for i, s in enumerate(chain.read[0].states)
        ]
        firsts: Arg = tuple(Ref(s) for s in states) if layer.kind == "lstm" else Ref(states[0])
        given = tuple(Ref(name) for name in chain.read[0].weights if name is not None)
        flags = (len(given) == 4, 1, 0.0, False, False, True)
        batch, kind = self._type(x).dims[0], self._type(x)
        y = TensorType((batch, len(cells), layer.outputs), kind.dtype)
        lasts = tuple(self._type(s) for s in states)
        call = Call(f"aten.{layer.kind}.input", (Ref(x), firsts, given, *flags))
        name = self._put(f"{first.name}.rolled", call, TupleType((y, *lasts)))
        out = self._add("y", "size.getitem", (Ref(name), 0), y.dims)
        self._results(cells, name, out)
        for cell in cells[1:]:
            self._removed.append(Removed(cell.origin, "a time step of a layer", first.origin))

    def _results(self, cells: Sequence[Digital], layer: str, y: str) -> None:
        """What takes a cell's h takes a time step of the layer's, and all of them where it stacks
        all of them."""
        hidden, kept = ([self._state(cell, place) for cell in cells] for place in (0, 1))
        wanted = {name for names in hidden for name in names}
        cell_names = {cell.name for cell in cells}
        whole = self._stacks([names[0] for names in hidden if len(names) == 1], len(cells))
        for op in whole:
            dim = op.call.args[1] if len(op.call.args) > 1 else 0
            call = Call("aten.alias.default", (Ref(y),))
            if dim in (0, -3):
                call = Call("aten.transpose.int", (Ref(y), 0, 1))
            self._ops[op.name] = replace(op, call=call)
        taken_whole = {op.name for op in whole}
        for step, (cell, names) in enumerate(zip(cells, hidden, strict=True)):
            for name in names:
                users = set(self._users[name]) - taken_whole - cell_names
                if users:
                    call = Call("aten.select.int", (Ref(y), 1, step))
                    self._redefine(name, call)
                else:
                    self._drop(name)
            last = step == len(cells) - 1
            for name in kept[step]:
                if last and self._users[name]:
                    whole_c = self._add(
                        "c_n", "size.getitem", (Ref(layer), 2), (1, *self._type(name).dims)
                    )
                    self._redefine(name, Call("aten.select.int", (Ref(whole_c), 0, 0)))
                else:
                    self._drop(name)
            if cell.name not in wanted:
                self._ops.pop(cell.name)

    def _state(self, cell: Digital, place: int) -> list[str]:
        """The names of a cell's h, or c."""
        if not isinstance(cell.type, TupleType):
            return [cell.name] if place == 0 else []
        getitems = (self._ops[user] for user in self._users[cell.name])
        return [g.name for g in getitems if isinstance(g, Digital) and g.call.args[1] == place]

    def _redefine(self, name: str, call: Call) -> None:
        op = self._ops[name]
        assert isinstance(op, Digital)
        self._ops[name] = replace(op, call=call)

    def _drop(self, name: str) -> None:
        op = self._ops.pop(name)
        assert isinstance(op, Digital)
        if op.call.op == "size.getitem":
            self._removed.append(Removed(op.origin, "one of the results of a recurrent layer"))

    def _stacks(self, names: Sequence[str], count: int) -> list[Digital]:
        """What puts all these beside each other in a new first or second dimension."""
        if len(names) < count:
            return []
        wanted = tuple(Ref(name) for name in names)
        found = []
        for user in self._users[names[0]]:
            op = self._ops.get(user)
            if isinstance(op, Digital) and base_name(op.call.op) == "stack":
                dim = op.call.args[1] if len(op.call.args) > 1 else 0
                if op.call.args[0] == wanted and dim in (0, 1, -2, -3):
                    found.append(op)
        return found

    def _inputs(self, names: Sequence[str]) -> str:
        """The cells' inputs beside each other, [batch, time, inputs]."""
        selected = [self._selected(name) for name in names]
        source, dim, _ = selected[0] or ("", 0, 0)
        steps = [(source, dim, i) for i in range(len(names))]
        kind = self._type(names[0])
        if source and selected == steps and self._type(source).dims[dim] == len(names):
            if dim == 1:
                return source
            dims = (*kind.dims[:1], len(names), *kind.dims[1:])
            return self._add("x", "aten.transpose.int", (Ref(source), 0, 1), dims)
        refs = tuple(Ref(name) for name in names)
        dims = (kind.dims[0], len(names), *kind.dims[1:])
        return self._add("x", "aten.stack.default", (refs, 1), dims)

    def _selected(self, name: str) -> tuple[str, int, int] | None:
        """What a name is a time step of, along which of its first two dimensions, and which."""
        op = self._ops.get(name)
        if not isinstance(op, Digital):
            return None
        match base_name(op.call.op), op.call.args:
            case "select", (Ref(source), int(dim), int(place)):
                pass
            case "getitem", (Ref(unbound), int(place)):
                parts = self._ops.get(unbound)
                if not isinstance(parts, Digital) or base_name(parts.call.op) != "unbind":
                    return None
                match parts.call.args:
                    case (Ref(source), int(dim)):
                        pass
                    case (Ref(source),):
                        dim = 0
                    case _:
                        return None
            case _:
                return None
        kind = self._types.get(source)
        if not isinstance(kind, TensorType) or len(kind.dims) != 3 or dim % 3 > 1:
            return None
        return source, dim % 3, place

    def _add(self, suffix: str, name: str, args: tuple[Arg, ...], dims: tuple[Dim, ...]) -> str:
        kind = self._op.type
        like = kind.items[0] if isinstance(kind, TupleType) else kind
        assert isinstance(like, TensorType)
        made = TensorType(dims, like.dtype)
        return self._put(f"{self._op.name}.{suffix}", Call(name, args), made)

    def _put(self, name: str, call: Call, kind: ValueType) -> str:
        self._ops[name] = Digital(name, call, kind, self._op.origin, self._op.location)
        self._types[name] = kind
        self._order[name] = self._place
        return name

    def _type(self, name: str) -> TensorType:
        kind = self._types[name]
        assert isinstance(kind, TensorType)
        return kind

    def graph(self) -> Graph:
        """All operations, each after what it takes."""
        ops = self._needed(list(_sorted(list(self._ops.values()), self._order)))
        return replace(self._graph, ops=ops, removed=tuple(self._removed))

    def _needed(self, ops: Sequence[Op]) -> tuple[Op, ...]:
        """Without what nothing takes any more, which is noted."""
        needed, kept, idle = set(self._graph.outputs), list[Op](), list[str]()
        for op in reversed(ops):
            if op.name in needed or not isinstance(op, Digital):
                needed.update(takes(op))
                kept.append(op)
            else:
                idle.append(op.origin)
        origins = {op.origin for op in kept if isinstance(op, Digital)}
        known = origins | {r.name for r in self._removed}
        for origin in dict.fromkeys(idle):
            if origin not in known:
                self._removed.append(Removed(origin, "part of a loop that is one layer now"))
        return tuple(reversed(kept))


def _sorted(ops: Sequence[Op], order: dict[str, int]) -> Iterator[Op]:
    """Operations after those that they take, otherwise in their order before."""
    by_name = {op.name: op for op in ops}
    places = {op.name: (order[op.name], i) for i, op in enumerate(ops)}
    waits = {op.name: len(set(takes(op))) for op in ops}
    users: dict[str, list[str]] = {op.name: [] for op in ops}
    for op in ops:
        for name in set(takes(op)):
            users[name].append(op.name)
    ready = [(places[name], name) for name, count in waits.items() if not count]
    heapq.heapify(ready)
    while ready:
        _, name = heapq.heappop(ready)
        yield by_name[name]
        for user in users[name]:
            waits[user] -= 1
            if not waits[user]:
                heapq.heappush(ready, (places[user], user))
