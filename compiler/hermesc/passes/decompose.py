"""Decompose: find every product with a fixed matrix, however it is written, and make it an Mvm.

In: a canonical Graph. Out: the Graph in which `linear`, `matmul`, `mm`, `bmm`, `mv`, `addmm`,
`baddbmm`, `addmv`, `inner`, `tensordot` and `einsum` with one constant operand are Mvm operations
over the last dimension, between the reshapes they need. A batch of matrices (one for each head)
becomes an Mvm for each. Method: every such operation is a contraction of labelled dimensions, as in
einsum; labels say which are summed, which belong to x alone, to the matrix alone, or to both.
Cost: linear in operations and matrices. Does not lower convolutions or recurrent layers.
"""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TypeGuard

import torch
from torch import Tensor

from hermesc.aten import Arg, Call, Ref, base_name
from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Constant, Digital, Mvm, Op
from hermesc.ir.types import Dim, TensorType

_FLOATS = ("float32", "float64", "float16", "bfloat16")
_LETTERS = string.ascii_letters


@dataclass(frozen=True, slots=True)
class Contraction:
    """out = sum of x * matrix over the labels that `out_labels` lacks, times `factor`, plus bias.

    A label is one letter for one dimension; `bias` is a result to add, times `bias_factor`.
    """

    x: str
    x_labels: str
    matrix: Tensor
    weight: str
    matrix_labels: str
    out_labels: str
    bias: str | None = None
    bias_factor: float = 1.0


def decompose(graph: Graph, weights: Weights) -> tuple[Graph, dict[str, Tensor]]:
    """The graph with Mvm operations, and the weights with their matrices added."""
    finder = _Finder(graph, weights)
    builder = _Builder(graph, weights)
    for op in graph.ops:
        found = finder.contraction(op) if isinstance(op, Digital) else None
        if not isinstance(op, Digital) or found is None or not builder.lower(op, found):
            builder.keep(op)
    return builder.result()


class _Finder:
    """Reads an operation as a contraction with one constant operand, if it is one."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._types = {op.name: op.type for op in graph.ops}
        self._constants = {
            op.name: (op.weight, weights[op.weight]) for op in graph.ops if isinstance(op, Constant)
        }

    def contraction(self, op: Digital) -> Contraction | None:
        if not isinstance(op.type, TensorType) or op.type.dtype not in _FLOATS:
            return None
        args, kwargs = op.call.args, dict(op.call.kwargs)
        match base_name(op.call.op), args:
            case "linear", (Ref(a), Ref(b), *rest):
                lead = _LETTERS[: self._rank(a) - 1]
                out = self._rank(b) == 2
                found = self._pair(a, f"{lead}y", b, "zy" if out else "y", lead + "z" * out)
                return self._with_bias(found, rest[0] if rest else kwargs.get("bias"))
            case (("matmul" | "mm" | "bmm" | "mv" | "dot"), (Ref(a), Ref(b))):
                return self._matmul(a, b)
            case (("addmm" | "addmv" | "baddbmm"), (bias, Ref(a), Ref(b))):
                found = self._matmul(a, b)
                alpha, beta = kwargs.get("alpha", 1), kwargs.get("beta", 1)
                if found is None or not _is_number(alpha) or not _is_number(beta):
                    return None
                return self._with_bias(_scaled(found, alpha, beta, op.name), bias)
            case "inner", (Ref(a), Ref(b)):
                left, right = _LETTERS[: self._rank(a) - 1], _LETTERS[26 : 25 + self._rank(b)]
                return self._pair(a, f"{left}y", b, f"{right}y", left + right)
            case "tensordot", (Ref(a), Ref(b), tuple() as dims_a, tuple() as dims_b, *_):
                return self._tensordot(a, b, dims_a, dims_b)
            case "einsum", (str(equation), tuple() as operands, *_):
                return self._einsum(op, equation, operands)
        return None

    def _rank(self, name: str) -> int:
        value = self._types[name]
        return len(value.dims) if isinstance(value, TensorType) else 0

    def _dims(self, name: str) -> tuple[Dim, ...]:
        value = self._types[name]
        assert isinstance(value, TensorType)
        return value.dims

    def _pair(self, a: str, a_labels: str, b: str, b_labels: str, out: str) -> Contraction | None:
        """Operands in either order, exactly one of them constant."""
        if (a in self._constants) == (b in self._constants):
            return None
        if a in self._constants:
            a, a_labels, b, b_labels = b, b_labels, a, a_labels
        weight, matrix = self._constants[b]
        return Contraction(a, a_labels, matrix, weight, b_labels, out)

    def _with_bias(self, found: Contraction | None, bias: Arg) -> Contraction | None:
        if found is None or bias is None:
            return found
        return replace(found, bias=bias.name) if isinstance(bias, Ref) else None

    def _matmul(self, a: str, b: str) -> Contraction | None:
        """Batch dimensions broadcast from the right; a size of 1 met by a larger one is its own."""
        dims_a, dims_b = self._dims(a), self._dims(b)
        batch_a, batch_b = dims_a[:-2], dims_b[:-2]
        count = max(len(batch_a), len(batch_b))
        labels_a, labels_b, out = "", "", ""
        for i in range(count):
            here_a = batch_a[i - count + len(batch_a)] if i >= count - len(batch_a) else None
            here_b = batch_b[i - count + len(batch_b)] if i >= count - len(batch_b) else None
            label = _LETTERS[i]
            alone = _LETTERS[26 + i]
            mixed = here_a is not None and here_b is not None and here_a != here_b
            if mixed and here_a != 1 and here_b != 1:
                return None
            labels_a += "" if here_a is None else alone if mixed and here_a == 1 else label
            labels_b += "" if here_b is None else alone if mixed and here_b == 1 else label
            out += label
        labels_a += "y" if len(dims_a) == 1 else "xy"
        labels_b += "y" if len(dims_b) == 1 else "yz"
        out += ("x" if len(dims_a) > 1 else "") + ("z" if len(dims_b) > 1 else "")
        return self._pair(a, labels_a, b, labels_b, out)

    def _tensordot(
        self, a: str, b: str, dims_a: Sequence[Arg], dims_b: Sequence[Arg]
    ) -> Contraction | None:
        labels_a = list(_LETTERS[: self._rank(a)])
        labels_b = list(_LETTERS[26 : 26 + self._rank(b)])
        for i, j in zip(dims_a, dims_b, strict=True):
            if not isinstance(i, int) or not isinstance(j, int):
                return None
            labels_b[j] = labels_a[i]
        shared = set(labels_a) & set(labels_b)
        out = [label for label in (*labels_a, *labels_b) if label not in shared]
        return self._pair(a, "".join(labels_a), b, "".join(labels_b), "".join(out))

    def _einsum(self, op: Digital, equation: str, operands: Sequence[Arg]) -> Contraction | None:
        names = [o.name for o in operands if isinstance(o, Ref)]
        terms = _explicit(equation, [self._rank(n) for n in names])
        if terms is None or len(names) != len(operands):
            return None
        *labels, out = terms
        moving = [(n, t) for n, t in zip(names, labels, strict=True) if n not in self._constants]
        fixed = [(n, t) for n, t in zip(names, labels, strict=True) if n in self._constants]
        if len(moving) != 1 or not fixed:
            return None
        (x, x_labels), needed = moving[0], set(moving[0][1]) | set(out)
        weight, matrix = self._constants[fixed[0][0]]
        matrix_labels = fixed[0][1]
        if len(fixed) > 1 or set(matrix_labels) - needed:
            kept = "".join(dict.fromkeys(c for _, t in fixed for c in t if c in needed))
            sizes = dict(zip("".join(t for _, t in fixed), self._sizes(fixed), strict=True))
            biggest = max(self._constants[n][1].numel() for n, _ in fixed)
            if prod(sizes[c] for c in kept) > 4 * biggest:
                return None  # an outer product of the constants would not pay
            text = f"{','.join(t for _, t in fixed)}->{kept}"
            matrix = torch.einsum(text, *(self._constants[n][1] for n, _ in fixed))
            weight, matrix_labels = f"{weight}~{op.name}", kept
        return Contraction(x, x_labels, matrix, weight, matrix_labels, out)

    def _sizes(self, fixed: Sequence[tuple[str, str]]) -> Iterator[int]:
        for name, _ in fixed:
            yield from self._constants[name][1].shape


def _explicit(equation: str, ranks: Sequence[int]) -> list[str] | None:
    """Labels of each operand and of the output, `...` and an implied output written out."""
    left, arrow, out = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        return None
    free = [c for c in _LETTERS if c not in equation]
    widths = [rank - len(t.replace("...", "")) for t, rank in zip(terms, ranks, strict=True)]
    dotted = [w for t, w in zip(terms, widths, strict=True) if "..." in t]
    dots = "".join(free[: max(dotted, default=0)])
    terms = [
        t.replace("...", dots[len(dots) - w :] if w else "")
        for t, w in zip(terms, widths, strict=True)
    ]
    if not arrow:
        letters = "".join(terms)
        single = sorted(c for c in set(letters) if letters.count(c) == 1 and c not in dots)
        out = dots + "".join(single)
    out = out.replace("...", dots)
    if any(len(set(t)) != len(t) for t in (*terms, out)):
        return None  # a diagonal
    return [*terms, out]


class _Builder:
    """Writes the new graph."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._graph = graph
        self._weights = dict(weights)
        self._types = {op.name: op.type for op in graph.ops}
        self._ops: list[Op] = []

    def result(self) -> tuple[Graph, dict[str, Tensor]]:
        graph = replace(self._graph, ops=tuple(self._ops))
        used = {name for op in graph.ops if isinstance(op, Digital) for name in op.call.refs()}
        kept = tuple(
            op
            for op in graph.ops
            if not isinstance(op, Constant) or op.name in used or op.name in graph.outputs
        )
        graph = replace(graph, ops=kept)
        return graph, graph.live_weights(self._weights)

    def keep(self, op: Op) -> None:
        self._ops.append(op)

    def lower(self, op: Digital, c: Contraction) -> bool:
        """Write the contraction as Mvms between reshapes; False if it is not a product."""
        c = _without_idle_dimensions(c)
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
        if any(x_sizes[d] != sizes[d] for d in (*groups, *summed)):
            return False  # broadcasting inside a contraction
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

    def _stack(
        self, c: Contraction, groups: list[str], summed: list[str], own: list[str]
    ) -> Tensor:
        """The constant as [groups, rows, columns]."""
        order = [c.matrix_labels.index(d) for d in (*groups, *summed, *own)]
        sizes = [c.matrix.shape[i] for i in order]
        cut = len(groups), len(groups) + len(summed)
        shape = prod(sizes[: cut[0]]), prod(sizes[cut[0] : cut[1]]), prod(sizes[cut[1] :])
        return c.matrix.permute(order).reshape(shape).contiguous()

    def store(self, name: str, value: Tensor) -> str:
        """Keep a matrix beside the graph, under its own name as long as that is free."""
        held = self._weights.get(name)
        if held is not None and (held.shape != value.shape or not torch.equal(held, value)):
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


def _without_idle_dimensions(c: Contraction) -> Contraction:
    """Sum the matrix over dimensions that neither x nor the output has, such as a size of 1."""
    idle = [i for i, d in enumerate(c.matrix_labels) if d not in c.x_labels + c.out_labels]
    if not idle:
        return c
    labels = "".join(d for i, d in enumerate(c.matrix_labels) if i not in idle)
    return replace(c, matrix=c.matrix.sum(idle), matrix_labels=labels)


def _is_number(value: Arg) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scaled(found: Contraction, alpha: float, beta: float, name: str) -> Contraction:
    """The alpha and beta of `addmm`."""
    if alpha != 1:
        found = replace(found, matrix=found.matrix * alpha, weight=f"{found.weight}~{name}")
    return replace(found, bias_factor=float(beta))
