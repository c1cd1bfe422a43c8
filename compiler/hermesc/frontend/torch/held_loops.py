"""torch.while_loop, scan and map with a number of steps that is known at the run alone.

A program holds such a loop as lists of calls (`hermesrt.ops.loop_rules`), which the host runs.
While the graph is made functional, one operation of ours stands for it, with its lists as text, so
that nothing outside sees into it. A loop with a fixed matrix is refused at its line, for crossbars
serve a fixed list of products.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._guards import detect_fake_mode
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from hermesc.frontend.own_layers import NAMESPACE
from hermesc.frontend.torch.branches import placed, select_within, settle
from hermesc.frontend.torch.calls import call_of, is_check
from hermesc.frontend.torch.expand import expansions, op_name, writes_in_place
from hermesc.frontend.torch.loops import loop_name, scan_parts, unroll_within
from hermesc.frontend.torch.refusals import REFUSED_LOOP, why_refused
from hermesc.frontend.torch.writes import without_idle_dropout
from hermesrt.ops.call import Arg, Body, Call, Ref, from_json, run, to_json
from hermesrt.ops.loop_rules import (
    MOST_DEPTH,
    USUAL_LIMIT,
    Scan,
    WhileLoop,
    limited,
    loop_depth,
    shared_limit,
)
from hermesrt.ops.table import op_class

_MATRIX = (
    "multiplies by a fixed matrix, {0}, and its number of steps is known at the run alone, but "
    "crossbars serve a fixed list of products; write a Python loop of a fixed number of steps, in "
    "which torch.where keeps what is done, or move the loop out of the model"
)


@torch.library.custom_op(f"{NAMESPACE}::while_loop", mutates_args=())
def _while_loop(
    carried: Sequence[Tensor], others: Sequence[Tensor], sizes: Sequence[int], text: str
) -> list[Tensor]:
    groups = {"carried": carried, "others": others, "sizes": sizes}
    return _run("loop.while", groups, text)


@_while_loop.register_fake
def _(carried: Sequence[Tensor], *_: Any) -> list[Tensor]:
    return [x.new_empty(x.shape) for x in carried]


@torch.library.custom_op(f"{NAMESPACE}::scan", mutates_args=())
def _scan(
    carried: Sequence[Tensor],
    rows: Sequence[Tensor],
    others: Sequence[Tensor],
    sizes: Sequence[int],
    made: Sequence[int],  # sizes of what its steps give, stacked; one after the other
    kinds: str,  # how many sizes each has, and its dtype
    text: str,
) -> list[Tensor]:
    assert len(made) == sum(rank for rank, _ in json.loads(kinds))
    groups = {"carried": carried, "rows": rows, "others": others, "sizes": sizes}
    return _run("loop.scan", groups, text)


@_scan.register_fake
def _(carried: Sequence[Tensor], rows: Sequence[Tensor], *rest: Any) -> list[Tensor]:
    made, kinds, _ = rest[-3:]
    dims, results = iter(made), [x.new_empty(x.shape) for x in carried]
    for rank, dtype in json.loads(kinds):
        sizes = [next(dims) for _ in range(rank)]
        results.append(rows[0].new_empty(sizes, dtype=getattr(torch, dtype)))
    return results


def _run(name: str, groups: dict[str, Sequence[Any]], text: str) -> list[Tensor]:
    """A loop of constants alone, which is folded."""
    args = from_json(json.loads(text))
    assert isinstance(args, tuple)
    values = {f"{group}{i}": v for group, given in groups.items() for i, v in enumerate(given)}
    found: list[Tensor] = run(Call(name, args), values)
    return found


def hold_loops(exported: ExportedProgram) -> ExportedProgram:
    """The program with the loops that are left in it as operations of ours, in place."""
    owner = exported.graph_module
    if not _hold_within(owner, _fixed_inputs(exported)):
        return exported
    settle(exported)
    owner.graph.eliminate_dead_code()
    owner.recompile()
    return exported


def _fixed_inputs(exported: ExportedProgram) -> dict[str, str]:
    """What the model calls them, by the names of their nodes."""
    specs = exported.graph_signature.input_specs
    return {s.arg.name: str(s.target) for s in specs if s.kind is not InputKind.USER_INPUT}


def _hold_within(owner: GraphModule, fixed_inputs: Mapping[str, str]) -> bool:
    """Whether a graph had loops, which are operations of ours now."""
    loops = [node for node in owner.graph.nodes if loop_name(node) is not None]
    fixed = _fixed(owner, fixed_inputs) if loops else {}
    for node in loops:
        _Held(owner, node, fixed).write()
    return bool(loops)


def _fixed(owner: GraphModule, inputs: Mapping[str, str]) -> dict[Node, str]:
    """Nodes whose value depends on no other input than these, with the name of one of them."""
    found: dict[Node, str] = {}
    for node in owner.graph.nodes:
        if node.op == "get_attr":
            found[node] = str(node.target)
        elif node.op == "placeholder" and node.name in inputs:
            found[node] = inputs[node.name]
        elif node.op == "call_function" and node.all_input_nodes:
            names = [found.get(n) for n in node.all_input_nodes]
            if None not in names:
                found[node] = str(names[0])
    return found


class _RefusedLoopError(Exception):
    """A loop that no program holds, and why."""


@dataclass(slots=True)
class _Constant:
    """A tensor that a body holds: an input of the loop from now on.

    node: in the body's graph.
    value: the tensor.
    """

    node: Node
    value: Tensor


class _Held:
    """Writes one loop."""

    def __init__(self, owner: GraphModule, node: Node, fixed: Mapping[Node, str]) -> None:
        self._owner, self._node = owner, node
        given: Sequence[Any] = node.args
        parts: Sequence[Node]
        self._rows: list[Any] = []
        if loop_name(node) != "while_loop":
            self._name = "loop.scan"
            body, carried, self._rows, others = scan_parts(node)
            parts = [body]
        else:
            self._name = "loop.while"
            condition, body, carried, others = given
            parts = [condition, body]
        self._carried, self._others = list(carried), list(others)
        self._graphs: list[GraphModule] = [getattr(owner, str(part.target)) for part in parts]
        self._fixed = fixed

    def write(self) -> None:
        """Put an operation of ours in its place."""
        try:
            text, constants = self._text()
        except _RefusedLoopError as refused:
            text, constants = f"{REFUSED_LOOP}{refused}", []
        with self._owner.graph.inserting_before(self._node):
            args = self._args(text, constants)
            target = getattr(torch.ops, NAMESPACE)
            target = target.scan if self._name == "loop.scan" else target.while_loop
            made = self._owner.graph.call_function(target.default, args)
        values = [self._value(x) for x in self._carried]
        values += self._node.meta["val"][len(values) :]
        made.meta = {**placed(self._node, self._node), "val": values}
        for user in list(self._node.users):
            user.replace_input_with(self._node, made)
            user.meta["val"] = values[int(user.args[1])]  # type: ignore[arg-type]
        self._owner.graph.erase_node(self._node)

    def _args(self, text: str, constants: Sequence[_Constant]) -> tuple[Any, ...]:
        tensors, sizes = self._split()
        carried = [x if _is_tensor(x) else self._number(x) for x in self._carried]
        held = [self._constant(f"{self._node.name}_{i}", c) for i, c in enumerate(constants)]
        if self._name == "loop.while":
            return carried, [*tensors, *held], sizes, text
        made = self._node.meta["val"][len(carried) :]
        dims = [self._size(size) for value in made for size in value.shape]
        kinds = [(v.dim(), str(v.dtype).removeprefix("torch.")) for v in made]
        return carried, self._rows, [*tensors, *held], sizes, dims, json.dumps(kinds), text

    def _split(self) -> tuple[list[Any], list[Any]]:
        """The other inputs that are tensors, and those that are sizes."""
        tensors = [x for x in self._others if _is_tensor(x)]
        return tensors, [x for x in self._others if not _is_tensor(x)]

    def _number(self, value: Any) -> Node:
        """A whole number as a tensor."""
        call = torch.ops.aten.full.default
        made = self._owner.graph.call_function(call, ([], value), {"dtype": torch.int64})
        made.meta = {**placed(self._node, self._node), "val": self._value(value)}
        return made

    def _constant(self, name: str, constant: _Constant) -> Node:
        self._owner.register_buffer(name, constant.value)
        made = self._owner.graph.get_attr(name)
        made.meta = {"val": self._mode().from_tensor(constant.value)}
        return made

    def _size(self, size: Any) -> Any:
        """A size of a result: a number, or that size of an input."""
        if isinstance(size, int):
            return size
        for source in (*self._rows, *self._carried, *self._others):
            for dim, known in enumerate(source.meta["val"].shape if _is_tensor(source) else ()):
                if not isinstance(known, int) and str(known) == str(size):
                    call = torch.ops.aten.sym_size.int
                    made = self._owner.graph.call_function(call, (source, dim))
                    made.meta = {**placed(self._node, self._node), "val": known}
                    return made
        raise AssertionError(f"no input of a scan has the size {size}")

    def _mode(self) -> Any:
        return detect_fake_mode([n.meta.get("val") for n in self._owner.graph.nodes])

    def _value(self, x: Any) -> Any:
        if _is_tensor(x):
            return x.meta["val"]
        with self._mode():
            return torch.zeros((), dtype=torch.int64)

    def _text(self) -> tuple[str, list[_Constant]]:
        """The loop as text, and the constants of its bodies.

        Raises: _RefusedLoopError.
        """
        if any(isinstance(x, bool | float) for x in self._carried):
            self._refuse("it carries a Python number that is not whole; make it a tensor")
        if not all(_is_used_as_tensor(user) for user in self._node.users if self._is_number(user)):
            self._refuse("its counter is used behind it as a Python number; make it a tensor")
        for graph in self._graphs:
            _simplify(graph)
            self._check(graph)
        found = [_lift_constants(graph) for graph in self._graphs]
        constants = [c for own in found for c in own]
        bodies = [self._body(g, own, found) for g, own in zip(self._graphs, found, strict=True)]
        tensors, sizes = self._split()
        carried = tuple(Ref(f"carried{i}") for i in range(len(self._carried)))
        rows = tuple(Ref(f"rows{i}") for i in range(len(self._rows)))
        others = [Ref(f"others{i}") for i in range(len(tensors) + len(constants))]
        others += [Ref(f"sizes{i}") for i in range(len(sizes))]
        loop: WhileLoop | Scan
        if self._name == "loop.scan":
            loop = Scan(bodies[0], carried, rows, tuple(others))
        else:
            places = tuple(i for i, x in enumerate(self._carried) if not _is_tensor(x))
            loop = WhileLoop(bodies[0], bodies[1], carried, tuple(others), places)
        depth = loop_depth(loop.call)
        if depth > MOST_DEPTH:
            self._refuse(f"it holds loops {depth} deep; a program holds {MOST_DEPTH}")
        call = limited(loop.call, shared_limit(USUAL_LIMIT, loop.call))
        return json.dumps(to_json(call.args)), constants

    def _is_number(self, user: Node) -> bool:
        place = user.args[1]
        assert isinstance(place, int)
        return place < len(self._carried) and not _is_tensor(self._carried[place])

    def _refuse(self, reason: str) -> None:
        raise _RefusedLoopError(reason)

    def _check(self, graph: GraphModule) -> None:
        """Raises: _RefusedLoopError for a fixed matrix."""
        places = [n for n in graph.graph.nodes if n.op == "placeholder"]
        given = [*self._carried, *self._rows, *self._others]
        moving = len(self._carried) + len(self._rows)
        pairs = list(zip(places, given, strict=True))[moving:]
        names = {
            p.name: self._fixed[x] for p, x in pairs if isinstance(x, Node) and x in self._fixed
        }
        _hold_within(graph, names)
        fixed = _fixed(graph, names)
        for node in graph.graph.nodes:
            if node.op != "call_function" or node in fixed:
                continue
            if op_class(op_name(node)) == "product":
                taken = [n for n in node.all_input_nodes if n in fixed]
                wide = [fixed[n] for n in taken if n.meta["val"].dim() > 1]
                if wide:
                    self._refuse(_MATRIX.format(wide[0]))

    def _body(
        self, graph: GraphModule, own: Sequence[_Constant], all_of: Sequence[Sequence[_Constant]]
    ) -> Body:
        """The calls of a graph, whose inputs come in the order of the loop's."""
        places = [n.name for n in graph.graph.nodes if n.op == "placeholder"]
        moving = len(self._carried) + len(self._rows)
        pure = _pure(graph)
        now = [n.name for n in pure.graph.nodes if n.op == "placeholder"]
        named = dict(zip(places, now, strict=True))
        others = list(zip(places[moving:], self._others, strict=False))
        inputs = places[:moving] + [n for n, x in others if _is_tensor(x)]
        for part in all_of:
            inputs += [c.node.name if part is own else f"~{id(c)}" for c in part]
        inputs += [n for n, x in others if not _is_tensor(x)]
        unused = {name: f"~{i}" for i, name in enumerate(inputs) if name not in named}
        steps: list[tuple[str, Call]] = []
        outputs: tuple[Arg, ...] = ()
        for node in pure.graph.nodes:
            if node.op == "call_function" and not is_check(op_name(node)):
                reason = why_refused(node, op_name(node))
                if reason is not None:
                    self._refuse(f"{op_name(node)} in it: {reason}")
                steps.append((node.name, call_of(node, op_name(node))))
            elif node.op == "output":
                given = node.args[0]
                several = given if isinstance(given, tuple | list) else (given,)
                outputs = tuple(x.name if isinstance(x, Node) else x for x in several)
        if not all(isinstance(name, str) for name in outputs):
            self._refuse("a step gives a Python number; make it a tensor")
        taken = tuple(unused.get(name) or named[name] for name in inputs)
        return Body(taken, tuple(steps), outputs)  # type: ignore[arg-type]


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Node) and isinstance(x.meta.get("val"), Tensor)


def _is_used_as_tensor(user: Node) -> bool:
    return all(taker.op == "output" for taker in user.users)


def _simplify(graph: GraphModule) -> None:
    """Loops of known length in a body are written out, and choices made."""
    while unroll_within(graph, lambda: _constants_of(graph)):
        select_within(graph)
    select_within(graph)
    without_idle_dropout(graph.graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _constants_of(graph: GraphModule) -> dict[Node, Any]:
    return {
        node: value
        for node in graph.graph.nodes
        if node.op == "get_attr"
        and isinstance(value := getattr(graph, str(node.target), None), Tensor)
    }


def _lift_constants(graph: GraphModule) -> list[_Constant]:
    """The tensors that a body holds become its last inputs."""
    found: list[_Constant] = []
    last = [n for n in graph.graph.nodes if n.op == "placeholder"][-1]
    for node, value in _constants_of(graph).items():
        with graph.graph.inserting_after(found[-1].node if found else last):
            made = graph.graph.placeholder(f"{node.name}_input")
        mode: Any = detect_fake_mode([n.meta.get("val") for n in graph.graph.nodes])
        made.meta = {"val": mode.from_tensor(value)}
        node.replace_all_uses_with(made)
        graph.graph.erase_node(node)
        found.append(_Constant(made, value))
    graph.recompile()
    return found


def _pure(graph: GraphModule) -> GraphModule:
    """A body without writing in place and operations that no program holds."""
    table = expansions(graph.graph)
    if not table and not any(map(writes_in_place, graph.graph.nodes)):
        return graph
    values = [n.meta["val"] for n in graph.graph.nodes if n.op == "placeholder"]
    mode: Any = detect_fake_mode(values)
    functional = torch.func.functionalize(graph, remove="mutations")
    with mode, torch.no_grad():
        return make_fx(functional, decomposition_table=table)(*values)
