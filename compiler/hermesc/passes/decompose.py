"""Decompose: find every product with a fixed matrix, however it is written, and make it an Mvm.

In: a canonical Graph. Out: the Graph in which `linear`, `matmul`, `mm`, `bmm`, `mv`, `addmm`,
`baddbmm`, `addmv`, `inner`, `tensordot` and `einsum` with one constant operand are Mvm operations
over the last dimension, between the reshapes they need. A batch of matrices (one for each head)
becomes an Mvm for each. Method: every such operation is a contraction of labelled dimensions, as in
einsum; labels say which are summed, which belong to x alone, to the matrix alone, or to both. A
matrix that the model repeats over its batch or its heads is one matrix. A product of constants that
the model repeats over its batch, such as that of learned queries, is computed here.
Cost: linear in operations and matrices. Does not lower convolutions or recurrent layers.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from torch import Tensor

from hermesc.analysis.broadcast import BroadcastConstant
from hermesc.analysis.contraction import Contraction, ContractionFinder
from hermesc.ir.graph import Graph, Removed, Weights, is_same
from hermesc.ir.ops import Constant, Digital, Input, Mvm, Op, takes
from hermesc.ir.types import Dim, SizeType, TensorType
from hermesrt.ops.call import Arg, Call, Ref
from hermesrt.ops.table import op_class

_SAME = "depends on constants only and is the same for every row: computed at the compilation"
_REPEATS = "only repeats a fixed matrix; the product takes the matrix itself"


def decompose(graph: Graph, weights: Weights) -> tuple[Graph, dict[str, Tensor]]:
    """The graph with Mvm operations, and the weights with their matrices added."""
    finder = ContractionFinder(graph, weights)
    builder = _Builder(graph, weights)
    for op in graph.ops:
        fixed = finder.repeated.get(op.name)
        if fixed is not None and isinstance(op, Digital) and op_class(op.call.op) == "product":
            builder.repeat(op, fixed)
            continue
        found = finder.find(op) if isinstance(op, Digital) else None
        if not isinstance(op, Digital) or found is None or not builder.lower(op, found):
            builder.keep(op)
    return builder.result()


class _Builder:
    """Writes the new graph."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._graph = graph
        self._weights = dict(weights)
        self._types = {op.name: op.type for op in graph.ops}
        self._ops: list[Op] = []
        self._stays: list[Removed] = []

    def result(self) -> tuple[Graph, dict[str, Tensor]]:
        needed = set(self._graph.outputs)
        kept: list[Op] = []
        removed = list(self._graph.removed)
        for op in reversed(self._ops):
            if op.name in needed or isinstance(op, Input):
                needed.update(takes(op))
                kept.append(op)
            elif isinstance(op, Digital):
                removed.append(Removed(op.origin, _REPEATS))
        graph = replace(
            self._graph,
            ops=tuple(reversed(kept)),
            removed=tuple(removed),
            stays=(*self._graph.stays, *self._stays),
        )
        return graph, graph.live_weights(self._weights)

    def keep(self, op: Op) -> None:
        self._ops.append(op)

    def repeat(self, op: Digital, fixed: BroadcastConstant) -> None:
        """Write a product that is the same for every row as its value, and repeat that."""
        assert isinstance(op.type, TensorType)
        value, name = fixed.value, f"{op.name}.once"
        weight = self.store(fixed.weight, value)
        self.keep(Constant(name, weight, TensorType(tuple(value.shape), op.type.dtype)))
        sizes = tuple(self._size(op, i, size) for i, size in enumerate(op.type.dims))
        self.keep(replace(op, call=Call("aten.expand.default", (Ref(name), sizes))))
        self._stays.append(Removed(op.origin, _SAME))

    def _size(self, op: Digital, place: int, size: Dim) -> Arg:
        """A size of a result: a number, or that size of what has it."""
        if isinstance(size, int):
            return size
        holders = (*(i.name for i in self._graph.inputs), *takes(op))
        for holder in holders:
            kind = self._types[holder]
            if isinstance(kind, TensorType) and size in kind.dims:
                name = f"{op.name}.size{place}"
                call = Call("aten.sym_size.int", (Ref(holder), kind.dims.index(size)))
                self.keep(Digital(name, call, SizeType(), op.origin, op.location))
                return Ref(name)
        raise AssertionError(f"nothing that {op.name} takes has its size {size}")

    def lower(self, op: Digital, c: Contraction) -> bool:
        """Write the contraction as Mvms between reshapes; False if it is not a product."""
        groups = [d for d in c.matrix_labels if d in c.x_labels and d in c.out_labels]
        summed = [d for d in c.matrix_labels if d in c.x_labels and d not in c.out_labels]
        own = [d for d in c.matrix_labels if d not in c.x_labels and d in c.out_labels]
        lead = [d for d in c.x_labels if d not in c.matrix_labels and d in c.out_labels]
        sizes = dict(zip(c.matrix_labels, c.matrix.shape, strict=True))
        x_type = self._types[c.x]
        if not summed or not isinstance(x_type, TensorType) or not c.matrix.is_floating_point():
            return False
        if set(c.out_labels) - set(c.x_labels) - set(c.matrix_labels):
            return False
        x_sizes = dict(zip(c.x_labels, x_type.dims, strict=True))
        out_sizes = dict(zip(c.out_labels, self._dims(op), strict=True))
        if any(x_sizes[d] != sizes[d] for d in (*groups, *summed)):
            return False  # broadcasting inside a contraction
        if any(out_sizes[d] != sizes[d] for d in own):
            return False  # the result itself is repeated
        chain = _Chain(self, op, c.x, c.x_labels, x_type)
        chain.drop([d for d in c.x_labels if d not in (*lead, *groups, *summed)])
        chain.permute([*lead, *groups, *summed])
        chain.flatten(len(lead), len(groups))
        chain.flatten(len(lead) + (1 if groups else 0), len(summed))
        stack = self._stack(c, groups, summed, own)
        chain.product(c, stack, grouped=bool(groups))
        if groups:
            chain.unflatten(len(lead), [sizes[d] for d in groups])
        chain.unflatten_last([sizes[d] for d in own])
        chain.labels = [*lead, *groups, *own]
        chain.permute(list(c.out_labels))
        if c.bias is not None:
            chain.add(c.bias, c.bias_factor)
        chain.finish()
        return True

    def _dims(self, op: Digital) -> tuple[Dim, ...]:
        return op.type.dims if isinstance(op.type, TensorType) else ()

    def _stack(
        self, c: Contraction, groups: list[str], summed: list[str], own: list[str]
    ) -> Tensor:
        """The constant as [groups, rows, columns]; half precision is FP32 to a crossbar."""
        order = [c.matrix_labels.index(d) for d in (*groups, *summed, *own)]
        sizes = [c.matrix.shape[i] for i in order]
        cut = len(groups), len(groups) + len(summed)
        shape = prod(sizes[: cut[0]]), prod(sizes[cut[0] : cut[1]]), prod(sizes[cut[1] :])
        matrix = c.matrix.float() if c.matrix.itemsize < 4 else c.matrix
        return matrix.permute(order).contiguous().reshape(shape)  # of two dimensions it is quicker

    def store(self, name: str, value: Tensor) -> str:
        """Keep a matrix beside the graph, under its own name as long as that is free."""
        held = self._weights.get(name)
        if held is not None and not is_same(held, value):
            return self.store(f"{name}'", value)
        self._weights[name] = value
        return name


class _Chain:
    """A chain of operations from one captured node; the last one takes the node's name."""

    def __init__(
        self, builder: _Builder, op: Digital, x: str, labels: str, x_type: TensorType
    ) -> None:
        self._builder = builder
        self._op = op
        self._at = x
        self._dims = list(x_type.dims)
        self._dtype = x_type.dtype
        self.labels = list(labels)
        self._new: list[Digital | Mvm] = []

    def drop(self, labels: list[str]) -> None:
        """Sum over dimensions that neither the matrix nor the output has."""
        if labels:
            axes = tuple(self.labels.index(label) for label in labels)
            kept = [i for i in range(len(self._dims)) if i not in axes]
            self.labels = [self.labels[i] for i in kept]
            self._digital("aten.sum.dim_IntList", (axes,), [self._dims[i] for i in kept])

    def permute(self, labels: list[str]) -> None:
        order = tuple(self.labels.index(label) for label in labels)
        if order != tuple(range(len(order))):
            self._digital("aten.permute.default", (order,), [self._dims[i] for i in order])
        self.labels = labels

    def flatten(self, start: int, count: int) -> None:
        if count > 1:
            size = prod(d for d in self._dims[start : start + count] if isinstance(d, int))
            dims = [*self._dims[:start], size, *self._dims[start + count :]]
            self._digital("aten.flatten.using_ints", (start, start + count - 1), dims)

    def product(self, c: Contraction, stack: Tensor, grouped: bool) -> None:
        if not grouped:
            self._mvm(c.weight, stack[0])
            return
        x, dims, parts = self._at, list(self._dims), []
        for i, matrix in enumerate(stack):
            self._at, self._dims = x, dims
            self._digital("aten.select.int", (len(dims) - 2, i), [*dims[:-2], dims[-1]])
            self._mvm(f"{c.weight}[{i}]", matrix)
            parts.append(Ref(self._at))
        width = stack.shape[2]
        call = Call("aten.stack.default", (tuple(parts), len(dims) - 2))
        self._emit(call, [*dims[:-1], width])

    def unflatten(self, axis: int, sizes: list[int]) -> None:
        if len(sizes) > 1:
            dims = [*self._dims[:axis], *sizes, *self._dims[axis + 1 :]]
            self._digital("aten.unflatten.int", (axis, tuple(sizes)), dims)

    def unflatten_last(self, sizes: list[int]) -> None:
        if sizes:
            self.unflatten(len(self._dims) - 1, sizes)
        else:
            self._digital("aten.squeeze.dim", (-1,), self._dims[:-1])

    def add(self, bias: str, factor: float) -> None:
        kwargs: tuple[tuple[str, Arg], ...] = (("alpha", factor),) if factor != 1.0 else ()
        dims = self._op.type.dims if isinstance(self._op.type, TensorType) else self._dims
        self._emit(Call("aten.add.Tensor", (Ref(self._at), Ref(bias)), kwargs), list(dims))

    def finish(self) -> None:
        """Give the last operation the name that the model's other nodes know."""
        *before, last = self._new
        for op in (*before, replace(last, name=self._op.name)):
            self._builder.keep(op)

    def _mvm(self, weight: str, matrix: Tensor) -> None:
        stored = self._builder.store(f"mvm:{weight.removesuffix('.weight')}", matrix.contiguous())
        dims = [*self._dims[:-1], matrix.shape[1]]
        kind = TensorType(tuple(dims), self._dtype)
        label = stored.removeprefix("mvm:")
        self._new.append(
            Mvm(self._name(), self._at, stored, kind, self._op.origin, self._op.location, label)
        )
        self._step(dims)

    def _digital(self, op: str, rest: tuple[Arg, ...], dims: Sequence[Dim]) -> None:
        self._emit(Call(op, (Ref(self._at), *rest)), list(dims))

    def _emit(self, call: Call, dims: list[Dim]) -> None:
        kind = TensorType(tuple(dims), self._dtype)
        op = Digital(self._name(), call, kind, self._op.origin, self._op.location)
        self._new.append(op)
        self._step(dims)

    def _name(self) -> str:
        return f"{self._op.name}.{len(self._new)}"

    def _step(self, dims: Sequence[Dim]) -> None:
        self._at = self._new[-1].name
        self._dims = list(dims)
