"""Partition: say of every node of the model where it runs, and fuse what an LDPU can do.

In: a decomposed Graph. Out: Partitioned: Mvm operations carry the per-channel affine (bias, scale,
batch norm) and the ReLU that follow them, as far as nothing else needs the value between; every
captured node is assigned to analog, LDPU, digital or free, with the reason. A layer can be kept
digital by its label. Cost: linear in operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from hermesc.ir.graph import Captured, Graph, Weights
from hermesc.ir.ops import Constant, Digital, Mvm, Op
from hermesc.ir.stages import Partitioned
from hermesc.ir.types import TensorType
from hermesrt.artifact.schema import NodeAssignment, Unit
from hermesrt.errors import OptionError
from hermesrt.ops.call import Arg, Call, Ref
from hermesrt.ops.table import REASONS, base_name, op_class


@dataclass(frozen=True, slots=True)
class PartitionOptions:
    """bias: who adds biases and batch norms, `ldpu` (inside the chip, before its output code) or
    `host` (in FP32 after it, as in the published kernel experiments). digital: labels of layers
    that stay off the chip."""

    bias: Literal["ldpu", "host"] = "ldpu"
    digital: tuple[str, ...] = ()


def partition(
    graph: Graph, weights: Weights, options: PartitionOptions
) -> tuple[Partitioned, dict[str, Tensor]]:
    """Every node of the model with its place.

    Raises: OptionError when `options.digital` names no layer.
    """
    kept = [op.origin for op in graph.mvms if op.label in options.digital]
    graph = _keep_digital(graph, weights, options.digital)
    fuser = _Fuser(graph, weights, options)
    fused = fuser.run()
    return Partitioned(fused, _assign(fused, kept)), fused.live_weights(fuser.weights)


def _keep_digital(graph: Graph, weights: Weights, labels: Sequence[str]) -> Graph:
    known = {op.label for op in graph.mvms}
    for label in labels:
        if label not in known:
            raise OptionError(
                f"--set partition.digital={label}: there is no such layer; the model has "
                f"{', '.join(sorted(known)) or 'no fixed matrix'}"
            )
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Mvm) and op.label in labels:
            matrix = TensorType(tuple(weights[op.matrix].shape), op.type.dtype)
            constant = Constant(f"{op.name}.matrix", op.matrix, matrix)
            call = Call("aten.matmul.default", (Ref(op.input), Ref(constant.name)))
            ops += [constant, Digital(op.name, call, op.type, op.origin, op.location)]
        else:
            ops.append(op)
    return replace(graph, ops=tuple(ops))


@dataclass(slots=True)
class _Epilogue:
    """What has been fused into one Mvm so far: y = scale * (x @ matrix) + bias."""

    mvm: Mvm
    scale: Tensor
    bias: Tensor
    done: bool = False


class _Fuser:
    def __init__(self, graph: Graph, weights: Weights, options: PartitionOptions) -> None:
        self._graph = graph
        self.weights = dict(weights)
        self._options = options
        self._constants = {
            op.name: weights[op.weight] for op in graph.ops if isinstance(op, Constant)
        }

    def run(self) -> Graph:
        users = self._graph.users()
        by_name = {op.name: op for op in self._graph.ops}
        fused: dict[str, Mvm] = {}  # by the name of the last operation it stands for
        gone: set[str] = set()
        for mvm in self._graph.mvms:
            width = self.weights[mvm.matrix].shape[1]
            dtype = self.weights[mvm.matrix].dtype
            epilogue = _Epilogue(
                mvm, torch.ones(width, dtype=dtype), torch.zeros(width, dtype=dtype)
            )
            at = mvm.name
            while len(users[at]) == 1 and not epilogue.done:
                user = by_name.get(users[at][0])
                if not isinstance(user, Digital) or not self._absorb(epilogue, user, at):
                    break
                gone.add(at)
                at = user.name
            gone.add(at)
            fused[at] = self._finished(epilogue, at)
        ops = [fused.get(op.name, op) for op in self._graph.ops if op.name not in gone - set(fused)]
        return self._without_idle_constants(replace(self._graph, ops=tuple(ops)))

    def _absorb(self, e: _Epilogue, op: Digital, at: str) -> bool:
        """Fuse one following operation, if the LDPU can do it."""
        if op.type != e.mvm.type and not _same_up_to_name(op, e.mvm):
            return False
        scale, bias = e.scale, e.bias
        match base_name(op.call.op), op.call.args:
            case "relu", _:
                e.done = True
                e.mvm = replace(e.mvm, relu=True)
            case "neg", _:
                scale, bias = -scale, -bias
            case (("mul" | "multiply"), (a, b)):
                factor = self._channel(b if a == Ref(at) else a, e.mvm)
                if factor is None:
                    return False
                scale, bias = scale * factor, bias * factor
            case (("div" | "divide" | "true_divide"), (Ref(name), b)) if name == at:
                factor = self._channel(b, e.mvm)
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
                normal = self._batch_norm(arguments, e.mvm)
                if normal is None:
                    return False
                scale, bias = scale * normal[0], bias * normal[0] + normal[1]
            case _:
                return False
        if not bool(torch.isfinite(scale).all() and torch.isfinite(bias).all()):
            return False
        e.scale, e.bias = scale, bias
        e.mvm = replace(e.mvm, absorbed=(*e.mvm.absorbed, op.origin))
        return True

    def _shifted(
        self, e: _Epilogue, op: Digital, a: Arg, b: Arg, at: str
    ) -> tuple[Tensor, Tensor] | None:
        """Scale and bias after `value + constant`, `value - constant` or `constant - value`."""
        if self._options.bias == "host":
            return None
        alpha = dict(op.call.kwargs).get("alpha", 1)
        first = a == Ref(at)
        shift = self._channel(b if first else a, e.mvm)
        if shift is None or not isinstance(alpha, int | float):
            return None
        sign = 1 if base_name(op.call.op) == "add" else -1
        if first:
            return e.scale, e.bias + sign * alpha * shift
        return sign * alpha * e.scale, sign * alpha * e.bias + shift

    def _channel(self, arg: Arg, mvm: Mvm) -> Tensor | None:
        """A number, or a constant with one value for each output channel."""
        matrix = self.weights[mvm.matrix]
        if isinstance(arg, int | float) and not isinstance(arg, bool):
            return torch.full((matrix.shape[1],), float(arg), dtype=matrix.dtype)
        value = self._constants.get(arg.name) if isinstance(arg, Ref) else None
        if value is None or value.is_complex() or value.dim() > len(mvm.type.dims):
            return None
        per_channel = value.dim() > 0 and value.shape[-1] == value.numel() == matrix.shape[1]
        if value.numel() == 1 or per_channel:
            return value.reshape(-1).to(matrix.dtype).expand(matrix.shape[1])
        return None

    def _batch_norm(self, arguments: Sequence[Arg], mvm: Mvm) -> tuple[Tensor, Tensor] | None:
        """Scale and bias of a batch norm in evaluation over the last of two dimensions."""
        weight, bias, mean, variance, training, _, epsilon, *_rest = arguments
        width = self.weights[mvm.matrix].shape[1]
        if len(mvm.type.dims) != 2 or training or self._options.bias == "host":
            return None
        known = [self._channel(a, mvm) for a in (mean, variance)]
        if known[0] is None or known[1] is None:
            return None
        assert isinstance(epsilon, int | float)
        scale = torch.rsqrt(known[1] + epsilon)
        if weight is not None:
            factor = self._channel(weight, mvm)
            if factor is None:
                return None
            scale = scale * factor
        shift = torch.zeros(width, dtype=scale.dtype) if bias is None else self._channel(bias, mvm)
        return None if shift is None else (scale, shift - known[0] * scale)

    def _finished(self, e: _Epilogue, name: str) -> Mvm:
        scale = bias = None
        if bool((e.scale != 1).any()):
            scale = f"{e.mvm.label}.ldpu_scale:{name}"
            self.weights[scale] = e.scale
        if bool((e.bias != 0).any()):
            bias = f"{e.mvm.label}.ldpu_bias:{name}"
            self.weights[bias] = e.bias
        return replace(e.mvm, name=name, scale=scale, bias=bias)

    def _without_idle_constants(self, graph: Graph) -> Graph:
        users = graph.users()
        kept = tuple(op for op in graph.ops if not isinstance(op, Constant) or users[op.name])
        return replace(graph, ops=kept)


def _same_up_to_name(op: Digital, mvm: Mvm) -> bool:
    """Whether the result has the MVM's shape and dtype (symbolic sizes may be written anew)."""
    if not isinstance(op.type, TensorType) or op.type.dtype != mvm.type.dtype:
        return False
    mine, its = op.type.dims, mvm.type.dims
    return len(mine) == len(its) and mine[-1:] == its[-1:]


def _assign(graph: Graph, kept: Sequence[str]) -> tuple[NodeAssignment, ...]:
    """What became of each captured node; `kept` are those whose product stays digital on demand."""
    removed = {r.name: r for r in graph.removed}
    analog: dict[str, list[str]] = {}
    for op in graph.mvms:
        analog.setdefault(op.origin, []).append(op.label)
    absorbed = {name: op for op in graph.mvms for name in op.absorbed}
    digital = {op.origin: op for op in graph.digital}
    constants = {op.name for op in graph.ops if isinstance(op, Constant)}

    def fate(node: Captured) -> tuple[Unit, str]:
        if node.name in analog:
            return "analog", f"product with a fixed matrix: {', '.join(analog[node.name])}"
        if node.name in absorbed:
            return "ldpu", f"fused into the LDPU of {absorbed[node.name].label}"
        if node.op.startswith(("size.", "aten.sym_")):
            return "free", "a size, known before the run"
        if node.name in kept:
            return "digital", "kept digital by partition.digital"
        if node.name in digital:
            return "digital", _why_digital(digital[node.name], node.op, constants)
        return "free", removed[node.name].reason

    return tuple(NodeAssignment(n.name, n.op, *fate(n), n.location) for n in graph.captured)


def _why_digital(op: Digital, name: str, constants: set[str]) -> str:
    base = base_name(name)
    if base.startswith("conv"):
        return "a convolution; it is not lowered to crossbar products (im2col) yet"
    if base.removesuffix("_cell") in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        return "a recurrent layer as one operation; its products are not lowered to crossbars yet"
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
