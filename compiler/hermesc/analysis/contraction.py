"""A product of two operands as a contraction of labelled dimensions, as in einsum.

All of torch's ways to write a product come down to this one; a label is one letter for one
dimension. Labels say which dimensions are summed, which belong to one operand, and which to both.
"""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TypeGuard

import torch
from torch import Tensor

from hermesc.analysis.broadcast import broadcast_constants
from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Digital
from hermesc.ir.types import Dim, TensorType
from hermesrt.ops.call import Arg, Ref
from hermesrt.ops.table import base_name

_FLOATS = ("float32", "float64", "float16", "bfloat16")
_LETTERS = string.ascii_letters


@dataclass(frozen=True, slots=True)
class Contraction:
    """out = sum of x * matrix over the labels that out lacks, plus bias; a label is a letter a
    dimension.

    x: the name of a result.
    x_labels: of its dimensions.
    matrix: the constant.
    weight: the name of the weight that it was made from.
    matrix_labels: of its dimensions.
    out_labels: of the result's dimensions.
    bias: the name of a result to add; None without one.
    bias_factor: what that is multiplied by.
    """

    x: str
    x_labels: str
    matrix: Tensor
    weight: str
    matrix_labels: str
    out_labels: str
    bias: str | None = None
    bias_factor: float = 1.0


class ContractionFinder:
    """Reads an operation as a contraction with one constant operand, if it is one.

    repeated: values that only repeat a constant.
    """

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._types = {op.name: op.type for op in graph.ops}
        self.repeated = broadcast_constants(graph, weights)
        self._constants = {n: (seed.weight, seed.value) for n, seed in self.repeated.items()}

    def find(self, op: Digital) -> Contraction | None:
        """The operation's contraction, without dimensions over which the matrix only repeats itself
        and summed over its idle ones; None if it has not exactly one constant operand."""
        found = self.read(op)
        return None if found is None else _without_idle_dimensions(_without_repeats(found))

    def read(self, op: Digital) -> Contraction | None:
        """The same with a label for every dimension of the operand as it is written."""
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


def _without_repeats(c: Contraction) -> Contraction:
    """One matrix where each sample, or each head, has its own copy of it."""
    for label in c.matrix_labels:
        axis = c.matrix_labels.index(label)
        first = c.matrix.narrow(axis, 0, 1)
        if label not in c.x_labels or label not in c.out_labels or c.matrix.is_meta:
            continue
        if bool((c.matrix == first).all()):
            rest = c.matrix_labels.replace(label, "")
            c = replace(c, matrix=first.squeeze(axis), matrix_labels=rest)
    return c


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
