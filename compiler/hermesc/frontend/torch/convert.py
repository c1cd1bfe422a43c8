"""From an exported program to our graph; all that cannot be run anywhere is refused at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import Node

from hermesc.frontend.torch.aliases import names_by_use
from hermesc.frontend.torch.branches import near
from hermesc.frontend.torch.calls import NORM, call_of, is_check, tensor_type, type_of
from hermesc.frontend.torch.expand import is_pure, op_name
from hermesc.frontend.torch.export import held_by
from hermesc.frontend.torch.location import location_of
from hermesc.frontend.torch.refusals import SIZED, shown_name, why_refused
from hermesc.ir.graph import Captured, Graph, Removed
from hermesc.ir.ops import Constant, Digital, Input, Op
from hermesc.ir.types import TensorType
from hermesrt.errors import ModelError, Refusal, UnsupportedOpError
from hermesrt.ops.call import resolve
from hermesrt.shown import is_utf8, shown


def convert(
    exported: ExportedProgram,
    folder: Path | None = None,
    input_names: Sequence[str] = (),
    held: Mapping[str, Any] | None = None,
) -> tuple[Graph, dict[str, Tensor]]:
    """The graph and its weights; source files are named relative to `folder`.

    `input_names` are what the inputs are called in the model, where that differs only in capitals;
    `held` are its weights by torch's names, where they are not those that it was exported with.

    Raises: UnsupportedOpError with every operation that neither chip nor host can run; ModelError
    for a model that keeps state between calls.
    """
    _refuse_state(exported)
    fixed = _fixed_nodes(exported)
    refusals = list(_refused(exported, fixed, folder))
    if refusals:
        raise UnsupportedOpError(refusals)
    held = held_by(exported) if held is None else held
    graph, weights = _Converter(exported, held, fixed, folder).graph()
    return _with_names(graph, input_names), weights


def _with_names(graph: Graph, wanted: Sequence[str]) -> Graph:
    pairs = zip((i.name for i in graph.inputs), wanted, strict=False)
    taken = {op.name for op in graph.ops}
    names = {old: new for old, new in pairs if old == new.lower() and new not in taken}
    ops: list[Op] = []
    for op in graph.ops:
        op = replace(op, call=op.call.rename(names)) if isinstance(op, Digital) else op
        ops.append(replace(op, name=names.get(op.name, op.name)))
    outputs = tuple(names.get(name, name) for name in graph.outputs)
    return replace(graph, ops=tuple(ops), outputs=outputs)


class _Converter:
    def __init__(
        self,
        exported: ExportedProgram,
        held: Mapping[str, Any],
        fixed: set[Node],
        folder: Path | None,
    ) -> None:
        self._exported = exported
        self._held = held
        self._folder = folder
        self._specs = {s.arg.name: s for s in exported.graph_signature.input_specs}
        self._names = names_by_use(exported)
        self._weights: dict[str, Tensor] = {}
        self._removed: list[Removed] = []
        self._captured: list[Captured] = []
        self._fixed = fixed
        self._values: dict[Node, Any] = {}  # of nodes folded here

    def graph(self) -> tuple[Graph, dict[str, Tensor]]:
        ops: list[Op] = []
        for node in self._exported.graph.nodes:
            match node.op:
                case "placeholder":
                    ops.append(self._placeholder(node))
                case "get_attr":
                    value = getattr(self._exported.graph_module, str(node.target))
                    ops.append(self._constant(node, str(node.target), value))
                case "call_function":
                    ops.extend(self._call(node))
        outputs = tuple(self._outputs())
        return Graph(
            tuple(ops), outputs, tuple(self._captured), tuple(self._removed)
        ), self._weights

    def _placeholder(self, node: Node) -> Op:
        spec = self._specs[node.name]
        if spec.kind is InputKind.USER_INPUT:
            value = type_of(node.meta["val"])
            if not isinstance(value, TensorType):
                raise ModelError(f"input {node.name} is not a tensor; inputs are tensors only")
            if node.name == "labels":
                raise ModelError(
                    "an input of the model is called `labels`, which .npz files hold for accuracy; "
                    "give the argument another name"
                )
            return Input(node.name, value)
        name = str(spec.target)
        return self._constant(node, self._names.get(name, name), self._held[name])

    def _constant(self, node: Node, name: str, value: Any) -> Constant:
        if not isinstance(value, Tensor):
            raise ModelError(f"the model holds {name}, a {type(value).__name__}: not a tensor")
        if not is_utf8(name):
            raise ModelError(
                f"the name of the weight {shown(name)} holds half of a surrogate pair, which no "
                "file can hold; give it another name"
            )
        self._weights[name] = value.detach().contiguous()
        return Constant(node.name, name, tensor_type(value))

    def _call(self, node: Node) -> Iterator[Op]:
        name = op_name(node)
        location = location_of(node, self._folder)
        self._captured.append(Captured(node.name, name, location))
        if is_check(name):
            self._removed.append(Removed(node.name, "a check, made while capturing"))
            return
        if node in self._fixed and (resolve(name) is None or self._takes_folded(node)):
            yield from self._fold(node)
            return
        made: Any = node.meta.get("val")
        kind = type_of(made[0] if name == NORM else made)
        yield Digital(node.name, call_of(node, name), kind, node.name, location)

    def _takes_folded(self, node: Node) -> bool:
        return any(n in self._values for n in node.all_input_nodes)

    def _fold(self, node: Node) -> Iterator[Op]:
        """Run a node of constants that no program could hold, such as a parametrisation."""
        value = self._value(node)
        self._removed.append(Removed(node.name, "folded: depends on constants only"))
        if isinstance(value, Tensor):
            yield self._constant(node, f"~{node.name}", value)

    def _value(self, node: Node) -> Any:
        if node not in self._values:
            if node.op == "call_function":
                args, kwargs = torch.fx.node.map_arg((node.args, dict(node.kwargs)), self._value)
                assert callable(node.target)
                self._values[node] = node.target(*args, **kwargs)
            else:
                name = str(self._specs[node.name].target)
                self._values[node] = self._weights[self._names.get(name, name)]
        return self._values[node]

    def _outputs(self) -> Iterator[str]:
        for spec in self._exported.graph_signature.output_specs:
            if spec.kind is OutputKind.USER_OUTPUT:
                yield spec.arg.name


def _refuse_state(exported: ExportedProgram) -> None:
    signature = exported.graph_signature
    changed = {"buffers": signature.buffers_to_mutate, "parameters": signature.parameters_to_mutate}
    for kind in (kind for kind, state in changed.items() if state):
        names = ", ".join(map(str, changed[kind].values()))
        raise ModelError(
            f"the forward changes the model's own {kind} ({names}); a "
            "program keeps no state between calls: return the new value as an output instead"
        )


def _fixed_nodes(exported: ExportedProgram) -> set[Node]:
    """Nodes whose value depends on no input."""
    inputs = {
        s.arg.name for s in exported.graph_signature.input_specs if s.kind is InputKind.USER_INPUT
    }
    fixed: set[Node] = set()
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            constant = node.name not in inputs
        else:
            constant = node.op == "call_function" and bool(node.all_input_nodes)
            constant = constant and fixed.issuperset(node.all_input_nodes)
        if constant:
            fixed.add(node)
    return fixed


def _refused(exported: ExportedProgram, fixed: set[Node], folder: Path | None) -> Iterator[Refusal]:
    """Each root cause once: what only follows from a refused operation is counted there."""
    causes: dict[Node, Node] = {}
    found: dict[Node, str] = {}
    for node in exported.graph.nodes:
        if node.op != "call_function":
            continue
        name = op_name(node)
        if node in fixed and resolve(name) is None and is_pure(node):
            continue
        reason = why_refused(node, name)
        cause = next((causes[n] for n in node.all_input_nodes if n in causes), node)
        if reason is None or (reason != SIZED and cause is not node):
            cause = node
        if reason:
            causes[node] = cause
            found.setdefault(cause, reason)
    for node, reason in found.items():
        more = sum(cause is node for cause in causes.values()) - 1
        behind = f"; so does that of {more} operation{'s' if more > 1 else ''} behind it"
        advice = "; compute all rows, and choose with torch.where" if reason == SIZED else ""
        text = reason + (behind if more else "") + advice
        yield Refusal(shown_name(node), location_of(near(node), folder), text)
