"""Which operations behind a product an LDPU does in the product's stead: an affine function of each
channel, and a ReLU.

In: a graph and its weights. Out: the same with Mvms that carry the scale, bias and batch norm that
follow them, and the ReLU, as far as nothing else needs the value between. The Mvms of one
convolution in groups are fused together. Cost: linear in operations.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import torch
from torch import Tensor

from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Constant, Digital, Mvm, Op
from hermesc.ir.types import TensorType
from hermesrt.ops.call import Arg, Call, Ref
from hermesrt.ops.table import base_name


def fuse_epilogues(
    graph: Graph, weights: Weights, *, biases: bool
) -> tuple[Graph, dict[str, Tensor]]:
    """The graph with all that LDPUs do; `biases` says whether they add biases and batch norms."""
    fuser = _Fuser(graph, weights, biases=biases)
    fused = fuser.run()
    return fused, fused.live_weights(fuser.weights)


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
    def __init__(self, graph: Graph, weights: Weights, *, biases: bool) -> None:
        self._graph = graph
        self.weights = dict(weights)
        self._biases = biases
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
        if not self._biases:
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
        if not channels or training or not self._biases:
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
