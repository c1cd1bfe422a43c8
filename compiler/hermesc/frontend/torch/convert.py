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
from hermesc.frontend.torch.expand import is_pure, op_name
from hermesc.frontend.torch.export import held_by
from hermesc.frontend.torch.location import location_of
from hermesc.frontend.torch.loops import MOST_STEPS
from hermesc.ir.graph import Captured, Graph, Removed
from hermesc.ir.ops import Constant, Digital, Input, Op
from hermesc.ir.types import Dim, SizeType, TensorType, TupleType, ValueType
from hermesrt.errors import ModelError, Refusal, UnsupportedOpError
from hermesrt.ops.absent import REASONS, absence_of
from hermesrt.ops.call import Arg, Call, DType, Ref, dtype_names, resolve
from hermesrt.ops.table import base_name
from hermesrt.shown import is_utf8, shown

_SIZED = REASONS["sized"]
# Torch's own checks on sizes and dtypes: they were made while capturing and compute nothing.
_CHECKS = ("_assert", "sym_constrain_range", "_check")
# The graph writes nothing in place, so a view may as well be a copy where strides ask for one.
_VIEWS = {
    "aten.view.default": "aten.reshape.default",
    "aten._unsafe_view.default": "aten.reshape.default",
    "aten.view_as.default": "aten.reshape_as.default",
}
# What run_decompositions makes of a batch norm in evaluation; its further results are empty.
_NORM = "aten._native_batch_norm_legit_no_training.default"
# Nothing has written to these yet; where the model does so before it reads, zeros are as good.
_EMPTY = {
    "aten.empty.memory_format": "aten.zeros.default",
    "aten.empty_like.default": "aten.zeros_like.default",
    "aten.new_empty.default": "aten.new_zeros.default",
}
_WRITES = ("copy", "slice_scatter", "select_scatter", "diagonal_scatter", "index_put", "fill")
_PARTS = ("slice", "select", "view", "reshape", "transpose", "permute", "unsqueeze", "squeeze")
# Arguments that say where or how a tensor lies in memory; the host decides that.
_PLACEMENT = ("device", "layout", "pin_memory", "memory_format", "non_blocking")


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
            value = _type(node.meta["val"])
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
        return Constant(node.name, name, _tensor_type(value))

    def _call(self, node: Node) -> Iterator[Op]:
        name = op_name(node)
        location = location_of(node, self._folder)
        self._captured.append(Captured(node.name, name, location))
        if _is_check(name):
            self._removed.append(Removed(node.name, "a check, made while capturing"))
            return
        if node in self._fixed and (resolve(name) is None or self._takes_folded(node)):
            yield from self._fold(node)
            return
        kwargs = tuple((k, _arg(v)) for k, v in sorted(node.kwargs.items()) if k not in _PLACEMENT)
        args = tuple(_arg(a) for a in node.args)
        if name == _NORM:
            x, weight, bias, mean, variance, momentum, epsilon = args
            given = (x, weight, bias, mean, variance, False, momentum, epsilon, False)
            kind = _type(node.meta["val"][0])
            yield Digital(
                node.name, Call("aten.batch_norm.default", given), kind, node.name, location
            )
            return
        if name == "size.getitem" and op_name(node.all_input_nodes[0]) == _NORM:
            call = Call("aten.alias.default", args[:1])
        elif name in _VIEWS:
            call = Call(_VIEWS[name], args)
        elif name in _EMPTY:
            call = Call(_EMPTY[name], args, kwargs)
        elif _is_move(name):
            dtype = DType(str(node.meta["val"].dtype).removeprefix("torch."))
            call = Call("aten.to.dtype", (args[0], dtype))
        elif _is_idle_dropout(node, name):
            call = Call("aten.alias.default", args[:1])
        else:
            call = Call(name, args, kwargs)
        yield Digital(node.name, call, _type(node.meta.get("val")), node.name, location)

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
    state = list(exported.graph_signature.buffers_to_mutate.values())
    if state:
        raise ModelError(
            f"the forward changes the model's own buffers ({', '.join(map(str, state))}); a "
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
        fine = _is_check(name) or _is_move(name) or _is_idle_dropout(node, name)
        fine = fine or (name in _EMPTY and _is_overwritten(node))
        reason = None if fine else _why_not(node, name)
        cause = next((causes[n] for n in node.all_input_nodes if n in causes), node)
        if reason is None or (reason != _SIZED and cause is not node):
            cause = node
        if reason:
            causes[node] = cause
            found.setdefault(cause, reason)
    for node, reason in found.items():
        more = sum(cause is node for cause in causes.values()) - 1
        behind = f"; so does that of {more} operation{'s' if more > 1 else ''} behind it"
        text = reason + behind if more else reason
        yield Refusal(_shown(op_name(node)), location_of(near(node), folder), text)


def _shown(name: str) -> str:
    """The name that a user knows it by."""
    control = name.startswith("python.")
    return f"torch.{name.removeprefix('python.')}" if control else name


def _why_not(node: Node, name: str) -> str | None:
    if isinstance(node.target, torch._ops.HigherOrderOperator):
        return _why_no_control(name)
    if isinstance(node.target, torch._ops.OpOverload):
        if torch.Tag.nondeterministic_seeded in node.target.tags and not _draws_nothing(node):
            return REASONS["random"]
        if torch.Tag.data_dependent_output in node.target.tags or _unbacked(node):
            return _SIZED
    if resolve(name) is None:
        known = isinstance(node.target, torch._ops.OpOverload) and node.target.namespace == "aten"
        absence = absence_of(node.target) if known else None
        return REASONS[absence] if absence else "not among the operations that the host runs"
    if any(isinstance(a, complex) for a in node.args):
        return "complex numbers are not supported"
    return None


def _why_no_control(name: str) -> str:
    """A cond is written as a selection before, and a loop whose length is known step by step."""
    if name in ("python.while_loop", "python.scan"):
        return (
            "a loop whose number of steps depends on the data or on a free size, or is above "
            f"{MOST_STEPS}; a program is a fixed list of steps: count the steps with a constant, "
            "fix the size, or move the loop out of the model"
        )
    if name in ("python.map_impl", "python.associative_scan"):
        return (
            "a loop inside the model, which a program does not hold; write it as a Python loop "
            "of a fixed number of steps, or move it out of the model"
        )
    return "control flow inside the model is not supported"


def _unbacked(node: Node) -> bool:
    value = node.meta.get("val")
    sizes = value.shape if isinstance(value, Tensor) else [value]
    return any(
        str(symbol).startswith("u")
        for size in sizes
        if isinstance(size, torch.SymInt)
        for symbol in size.node.expr.free_symbols
    )


def _is_check(name: str) -> bool:
    return name.split(".")[1].startswith(_CHECKS)


def _is_move(name: str) -> bool:
    """A move to another device is no work here: only a new dtype counts."""
    return name in ("aten.to.device", "aten.to.other", "aten.to.dtype_layout", "aten._to_cpu")


def _is_overwritten(node: Node) -> bool:
    """Whether the model only writes to it, in whole or in parts."""
    for user in node.users:
        base = base_name(op_name(user)) if user.op == "call_function" else ""
        if base not in _WRITES and not (base in _PARTS and _is_overwritten(user)):
            return False
    return True


def _is_idle_dropout(node: Node, name: str) -> bool:
    """Dropout in evaluation; one that always drops (`F.dropout(x)`) is refused as random."""
    dropouts = (
        "aten.dropout.default",
        "aten.feature_dropout.default",
        "aten.alpha_dropout.default",
    )
    return name in dropouts and node.args[2] is False


def _draws_nothing(node: Node) -> bool:
    """Attention without dropout and recurrent layers in evaluation, whatever their tags say."""
    assert isinstance(node.target, torch._ops.OpOverload)
    arguments = {a.name: a.default_value for a in node.target._schema.arguments}
    arguments |= dict(zip(arguments, node.args, strict=False)) | dict(node.kwargs)
    if node.target._opname in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        return arguments["train"] is False or arguments["dropout"] == 0.0
    return arguments.get("dropout_p") == 0.0


def _arg(value: Any) -> Arg:
    match value:
        case Node():
            return Ref(value.name)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return tuple(_arg(v) for v in value)
        case torch.dtype():
            name = str(value).removeprefix("torch.")
            if name not in dtype_names():
                raise ModelError(f"the model uses the dtype {name}, which no program holds")
            return DType(name)
        case torch.device() | torch.layout() | torch.memory_format():
            return None
    raise ModelError(f"the model passes a {type(value).__name__} to an operation: {value!r}")


def _type(value: Any) -> ValueType:
    if isinstance(value, Tensor):
        return _tensor_type(value)
    if isinstance(value, list | tuple):
        return TupleType(tuple(_type(v) for v in value))
    return SizeType()


def _tensor_type(value: Tensor) -> TensorType:
    dims = tuple(_dim(size) for size in value.shape)
    return TensorType(dims, str(value.dtype).removeprefix("torch."))


def _dim(size: int | torch.SymInt) -> Dim:
    if isinstance(size, int):
        return size
    fixed = size.node.maybe_as_int()  # a symbol that the model's own code tied to one value
    return str(size) if fixed is None else int(fixed)
