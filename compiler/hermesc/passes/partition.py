"""Partition: say of every node of the model where it runs, and fuse what an LDPU can do.

In: a decomposed Graph. Out: Partitioned: Mvm operations carry the per-channel affine (bias, scale,
batch norm) and the ReLU that follow them, as far as nothing else needs the value between; every
captured node is assigned to analog, LDPU, digital or free, with the reason. A layer can be kept
digital by its label, a scope says which layers may go to crossbars at all, and low-rank adapters
stay digital, so that a chip keeps its weights when they change. Cost: linear in operations.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal, TypeGuard

import torch
from torch import Tensor

from hermesc.analysis.adapters import adapters
from hermesc.analysis.random_projections import random_projections
from hermesc.analysis.time_steps_in_torch import has_no_operation, steps_in_torch
from hermesc.analysis.torch_recurrence import with_host_projection
from hermesc.analysis.torch_spelling import in_torch
from hermesc.ir.graph import Captured, Graph, Weights
from hermesc.ir.ops import Constant, Digital, Mvm, Op
from hermesc.ir.stages import Partitioned
from hermesc.ir.types import TensorType
from hermesrt.artifact.schema import NodeAssignment, Unit
from hermesrt.errors import OptionError
from hermesrt.ops.call import Arg, Call, Ref
from hermesrt.ops.table import REASONS, base_name, op_class

ALL, PROJECTIONS = "all", "projections"
_ADAPTER = "adapter of {}: low-rank, and digital so that the chip keeps its weights"


@dataclass(frozen=True, slots=True)
class PartitionOptions:
    """What goes to the crossbars and their LDPUs.

    bias: who adds biases and batch norms, `ldpu` (inside the chip, before its output code) or
        `host` (in
        FP32 after it, as in the published kernel experiments).
    digital: labels of layers that stay off the chip.
    scope: which layers may go to the chip: `all`, `projections` (the random projections of
        attention, by `hermesc.analysis.random_projections`), or patterns as file names have them,
        of module paths (with all that is in the module), layers or operations.
    adapters: where low-rank adapters run, on the `host` or on the `chip` as all other products.
    """

    bias: Literal["ldpu", "host"] = "ldpu"
    digital: tuple[str, ...] = ()
    scope: tuple[str, ...] = (ALL,)
    adapters: Literal["host", "chip"] = "host"


def partition(
    graph: Graph, weights: Weights, options: PartitionOptions
) -> tuple[Partitioned, dict[str, Tensor]]:
    """Every node of the model with its place.

    Raises: OptionError when `options.digital` or `options.scope` names no layer.
    """
    outside = f"outside partition.scope={','.join(options.scope)}"
    kept = dict.fromkeys(_out_of_scope(graph, options.scope), outside)
    if options.adapters == "host":
        kept |= {n: _ADAPTER.format(layer) for n, layer in adapters(graph, weights).items()}
    kept |= dict.fromkeys(_unwanted(graph, options.digital), "kept digital by partition.digital")
    origins = {op.origin: kept[op.name] for op in graph.mvms if op.name in kept}
    graph, weights = _without(graph, weights, kept)
    fuser = _Fuser(graph, weights, options)
    fused = fuser.run()
    return Partitioned(fused, _assign(fused, origins)), fused.live_weights(fuser.weights)


def _unwanted(graph: Graph, labels: Sequence[str]) -> Iterator[str]:
    """The Mvms of layers that are to stay digital."""
    known = {op.label for op in graph.mvms}
    for label in labels:
        if label not in known:
            raise OptionError(
                f"--set partition.digital={label}: there is no such layer; the model has "
                f"{', '.join(sorted(known)) or 'no fixed matrix'}"
            )
    yield from (op.name for op in graph.mvms if op.label in labels)


def _out_of_scope(graph: Graph, scope: Sequence[str]) -> set[str]:
    """The Mvms that no part of the scope names."""
    if ALL in scope:
        return set()
    names = {op.name for op in graph.mvms}
    return names.difference(*(_within(graph, part) for part in scope))


def _within(graph: Graph, part: str) -> set[str]:
    """The Mvms that a part of the scope names.

    Raises: OptionError where it names none.
    """
    if part == PROJECTIONS:
        found = set(random_projections(graph))
    else:
        ops = {node.name: node.op for node in graph.captured}
        found = {m.name for m in graph.mvms if _fits(m, ops[m.origin], part)}
    if found or not graph.mvms:
        return found
    layers = ", ".join(sorted({op.label for op in graph.mvms}))
    what = "random projection of attention" if part == PROJECTIONS else "such module or operation"
    raise OptionError(
        f"--set partition.scope={part}: the model has no {what} with a fixed matrix; its layers "
        f"are {layers}; a scope is {ALL}, {PROJECTIONS}, or patterns such as encoder.*.attention"
    )


def _fits(mvm: Mvm, operation: str, pattern: str) -> bool:
    """Whether a pattern is that of an Mvm's module or one around it, its layer or operation."""
    path = mvm.location.module.split(".")
    modules = (".".join(path[: i + 1]) for i in range(len(path)))
    names = (*modules, mvm.label, operation, base_name(operation))
    return any(fnmatchcase(name, pattern) for name in names)


def _without(
    graph: Graph, weights: Weights, kept: Collection[str]
) -> tuple[Graph, dict[str, Tensor]]:
    """The graph with these Mvms in torch's own operations."""
    ops: list[Op] = []
    tensors = dict(weights)
    for op in graph.ops:
        products = op.products if isinstance(op, Mvm) else ()
        if not isinstance(op, Mvm) or not any(p.name in kept for p in products):
            ops.append(op)
        elif has_no_operation(op, graph.ops):
            ops += steps_in_torch(op, weights)
        elif op.name in kept:
            spelled, values = in_torch(op, weights)
            ops += spelled
            tensors |= values
        else:
            ops.append(with_host_projection(op))
    return replace(graph, ops=tuple(ops)), tensors


@dataclass(slots=True)
class _Epilogue:
    """What has been fused so far into Mvms whose results lie beside each other:
    y = scale * (x @ matrix) + bias, then ReLU.

    mvms: one or more, in the order of their results.
    type: of the joint result.
    scale: [channels of all].
    bias: [channels of all].
    joined: what puts the results beside each other, where they are several.
    absorbed: captured nodes that were fused.
    relu: whether a ReLU ends it.
    """

    mvms: tuple[Mvm, ...]
    type: TensorType
    scale: Tensor
    bias: Tensor
    joined: Digital | None = None
    absorbed: tuple[str, ...] = ()
    relu: bool = False

    @property
    def width(self) -> int:
        """Output channels of all of them."""
        return len(self.scale)

    @property
    def channel_dim(self) -> int:
        """The channels' dimension, counted from the end."""
        return self.mvms[0].channel_dim


class _Fuser:
    def __init__(self, graph: Graph, weights: Weights, options: PartitionOptions) -> None:
        self._graph = graph
        self.weights = dict(weights)
        self._options = options
        self._constants = {
            op.name: weights[op.weight] for op in graph.ops if isinstance(op, Constant)
        }
        self._by_name = {op.name: op for op in graph.ops}
        self._users = graph.users()

    def run(self) -> Graph:
        users = self._users
        fused: dict[str, Op] = {}  # by the name of the last operation it stands for
        gone: set[str] = set()
        for epilogue in self._epilogues():
            at = epilogue.joined.name if epilogue.joined else epilogue.mvms[0].name
            while len(users[at]) == 1 and not epilogue.relu:
                user = self._by_name.get(users[at][0])
                if not isinstance(user, Digital):
                    break
                capped = self._capped(epilogue, user, at)
                if capped is not None:
                    fused[user.name] = capped
                    break
                if not self._absorb(epilogue, user, at):
                    break
                gone.add(at)
                at = user.name
            gone.add(at)
            fused |= self._finished(epilogue, at)
        ops = [fused.get(op.name, op) for op in self._graph.ops if op.name not in gone - set(fused)]
        return self._without_idle_constants(replace(self._graph, ops=tuple(ops)))

    def _epilogues(self) -> Iterator[_Epilogue]:
        """Every Mvm, those of one convolution in groups together."""
        beside: dict[str, Digital] = {}
        for op in self._graph.digital:
            for name in self._parts(op):
                beside[name] = op
        for mvm in self._graph.ops:
            if not isinstance(mvm, Mvm) or mvm.recurrence is not None:  # its gates follow at once
                continue
            joined = beside.get(mvm.name)
            parts = (mvm.name,) if joined is None else self._parts(joined)
            if mvm.name != parts[0]:
                continue
            mvms = tuple(m for p in parts if isinstance(m := self._by_name[p], Mvm))
            matrices = [self.weights[m.matrix] for m in mvms]
            width, dtype = sum(m.shape[1] for m in matrices), matrices[0].dtype
            kind = mvm.type if joined is None else joined.type
            assert isinstance(kind, TensorType)
            scale = torch.ones(width, dtype=dtype, device=matrices[0].device)
            bias = torch.zeros_like(scale)
            yield _Epilogue(mvms, kind, scale, bias, joined)

    def _parts(self, op: Digital) -> tuple[str, ...]:
        """The windows' Mvms whose results an operation joins beside each other, if it does."""
        names = op.call.refs()
        if base_name(op.call.op) != "cat" or op.call.args[0] != tuple(Ref(n) for n in names):
            return ()
        for name in names:
            part = self._by_name[name]
            if not isinstance(part, Mvm) or part.window is None or part.origin != op.origin:
                return ()
            if len(self._users[name]) > 1 or op.call.args[1:] != (part.channel_dim,):
                return ()
        return names

    def _capped(self, e: _Epilogue, op: Digital, at: str) -> Digital | None:
        """The upper limit of a ReLU6 and the like, whose ReLU the LDPU does."""
        if not _same_up_to_name(op, e):
            return None
        match base_name(op.call.op), op.call.args:
            case "relu6", _:
                cap: Arg = 6.0
            case (("hardtanh" | "clamp" | "clip"), (_, low, high)) if low == 0 and _is_number(high):
                cap = high
            case _:
                return None
        e.relu = True
        return replace(op, call=Call("aten.clamp_max.default", (Ref(at), cap)))

    def _absorb(self, e: _Epilogue, op: Digital, at: str) -> bool:
        """Fuse one following operation, if the LDPU can do it."""
        if op.type != e.type and not _same_up_to_name(op, e):
            return False
        scale, bias, relu = e.scale, e.bias, False
        match base_name(op.call.op), op.call.args:
            case "relu", _:
                relu = True
            case "neg", _:
                scale, bias = -scale, -bias
            case (("mul" | "multiply"), (a, b)):
                factor = self._channel(b if a == Ref(at) else a, e)
                if factor is None:
                    return False
                scale, bias = scale * factor, bias * factor
            case (("div" | "divide" | "true_divide"), (Ref(name), b)) if name == at:
                factor = self._channel(b, e)
                if factor is None or op.call.kwargs:
                    return False
                scale, bias = scale / factor, bias / factor
            case "rsub", (a, b, *rest):
                alpha = (("alpha", rest[0]),) if rest else op.call.kwargs
                swapped = Call("aten.sub.Tensor", (b, a), alpha)
                return self._absorb(e, replace(op, call=swapped), at)
            case (("add" | "sub" | "subtract"), (a, b)):
                shifted = self._shifted(e, op, a, b, at)
                if shifted is None:
                    return False
                scale, bias = shifted
            case "batch_norm", (_, *arguments):
                normal = self._batch_norm(arguments, e)
                if normal is None:
                    return False
                scale, bias = scale * normal[0], bias * normal[0] + normal[1]
            case _:
                return False
        if not scale.is_meta and not bool(scale.isfinite().all() and bias.isfinite().all()):
            return False
        e.scale, e.bias, e.relu = scale, bias, relu
        e.absorbed = (*e.absorbed, op.origin)
        return True

    def _shifted(
        self, e: _Epilogue, op: Digital, a: Arg, b: Arg, at: str
    ) -> tuple[Tensor, Tensor] | None:
        """Scale and bias after `value + constant`, `value - constant` or `constant - value`."""
        if self._options.bias == "host":
            return None
        alpha = dict(op.call.kwargs).get("alpha", 1)
        first = a == Ref(at)
        shift = self._channel(b if first else a, e)
        if shift is None or not isinstance(alpha, int | float):
            return None
        sign = 1 if base_name(op.call.op) == "add" else -1
        if first:
            return e.scale, e.bias + sign * alpha * shift
        return sign * alpha * e.scale, sign * alpha * e.bias + shift

    def _channel(self, arg: Arg, e: _Epilogue) -> Tensor | None:
        """A number, or a constant with one value for each output channel."""
        if _is_number(arg):
            return torch.full_like(e.scale, float(arg))
        value = self._constants.get(arg.name) if isinstance(arg, Ref) else None
        if value is None or value.is_complex() or value.dim() > len(e.type.dims):
            return None
        at = -e.channel_dim
        per_channel = value.dim() >= at and value.shape[-at] == value.numel() == e.width
        if value.numel() == 1 or per_channel:
            return value.reshape(-1).to(e.scale.dtype).expand(e.width)
        return None

    def _by_channel(self, arg: Arg, width: int) -> Tensor | None:
        """A constant with one value for each channel, as norms take it."""
        value = self._constants.get(arg.name) if isinstance(arg, Ref) else None
        return value if value is not None and tuple(value.shape) == (width,) else None

    def _batch_norm(self, arguments: Sequence[Arg], e: _Epilogue) -> tuple[Tensor, Tensor] | None:
        """Scale and bias of a batch norm in evaluation over the second dimension, if that is the
        channels'."""
        weight, bias, mean, variance, training, _, epsilon, *_rest = arguments
        width = e.width
        channels = len(e.type.dims) + e.channel_dim == 1
        if not channels or training or self._options.bias == "host":
            return None
        known = [self._by_channel(a, width) for a in (mean, variance)]
        if known[0] is None or known[1] is None:
            return None
        assert isinstance(epsilon, int | float)
        scale = torch.rsqrt(known[1] + epsilon)
        if weight is not None:
            factor = self._by_channel(weight, width)
            if factor is None:
                return None
            scale = scale * factor
        none = torch.zeros_like(scale)
        shift = none if bias is None else self._by_channel(bias, width)
        return None if shift is None else (scale, shift - known[0] * scale)

    def _finished(self, e: _Epilogue, name: str) -> dict[str, Op]:
        """The Mvms with all that was fused, and what joins them, by name."""
        names = [name] if e.joined is None else [mvm.name for mvm in e.mvms]
        widths = [self.weights[mvm.matrix].shape[1] for mvm in e.mvms]
        made: dict[str, Op] = {} if e.joined is None else {name: replace(e.joined, name=name)}
        scales, biases = (torch.split(values, widths) for values in (e.scale, e.bias))
        parts = zip(e.mvms, names, scales, biases, strict=True)
        for mvm, own, factor, shift in parts:
            scale = bias = None
            if factor.is_meta or bool((factor != 1).any()):
                scale = f"{mvm.label}.ldpu_scale:{own}"
                self.weights[scale] = factor.contiguous()
            if shift.is_meta or bool((shift != 0).any()):
                bias = f"{mvm.label}.ldpu_bias:{own}"
                self.weights[bias] = shift.contiguous()
            absorbed = e.absorbed if mvm is e.mvms[0] else ()
            made[own] = replace(
                mvm, name=own, scale=scale, bias=bias, relu=e.relu, absorbed=absorbed
            )
        return made

    def _without_idle_constants(self, graph: Graph) -> Graph:
        users = graph.users()
        kept = tuple(op for op in graph.ops if not isinstance(op, Constant) or users[op.name])
        return replace(graph, ops=kept)


def _same_up_to_name(op: Digital, e: _Epilogue) -> bool:
    """Whether the result has the MVM's shape and dtype (symbolic sizes may be written anew)."""
    if not isinstance(op.type, TensorType) or op.type.dtype != e.type.dtype:
        return False
    mine, its = op.type.dims, e.type.dims
    return len(mine) == len(its) and mine[e.channel_dim] == its[e.channel_dim]


def _is_number(value: Arg) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _assign(graph: Graph, kept: Mapping[str, str]) -> tuple[NodeAssignment, ...]:
    """What became of each captured node; `kept` says of some why their product stays digital."""
    removed = {r.name: r for r in graph.removed}
    by_name = {n.name: n for n in graph.captured}
    analog: dict[str, list[str]] = {}
    for op in graph.mvms:
        analog.setdefault(op.origin, []).append(op.label)
    absorbed = {name: op for op in graph.mvms for name in op.absorbed}
    digital = {op.origin: op for op in graph.digital}
    constants = {op.name for op in graph.ops if isinstance(op, Constant)}
    stays = {r.name: r.reason for r in graph.stays}

    def fate(node: Captured) -> tuple[Unit, str]:
        if node.name in removed and removed[node.name].into:
            unit, reason = fate(by_name[removed[node.name].into])
            return unit, f"{reason}; {removed[node.name].reason}"
        if node.name in analog:
            return "analog", f"product with a fixed matrix: {', '.join(analog[node.name])}"
        if node.name in absorbed:
            return "ldpu", f"fused into the LDPU of {absorbed[node.name].label}"
        if node.op == "size.getitem" and node.name in removed:
            return "free", removed[node.name].reason
        if node.op.startswith(("size.", "aten.sym_")):
            return "free", "a size, known before the run"
        if node.name in kept:
            return "digital", kept[node.name]
        if node.name in stays:
            return "digital", stays[node.name]
        if node.name in digital:
            return "digital", _why_digital(digital[node.name], node.op, constants)
        return "free", removed[node.name].reason

    return tuple(NodeAssignment(n.name, n.op, *fate(n), n.location) for n in graph.captured)


def _why_digital(op: Digital, name: str, constants: set[str]) -> str:
    base = base_name(name)
    if base.startswith("conv"):
        return (
            "a convolution whose kernel or bias is not fixed, so there is nothing to store in PCM"
        )
    if base.removesuffix("_cell") in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        return "a recurrent layer whose weights are not fixed, so there is nothing to store in PCM"
    if "batch_norm" in base and _is_fixed_norm(op):
        return "a fixed scale and shift for each channel, which an LDPU has only behind a product"
    kind = op_class(name) or op_class(op.call.op)
    assert kind is not None
    if kind == "product" and constants.intersection(op.call.refs()):
        return "has a fixed operand, but in a form of product that is not lowered to crossbars"
    return REASONS[kind]


def _is_fixed_norm(op: Digital) -> bool:
    """A batch norm in evaluation, which takes its statistics from training."""
    return len(op.call.args) > 5 and op.call.args[5] is False
