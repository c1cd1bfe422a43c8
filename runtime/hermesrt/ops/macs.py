"""Multiply-adds of products: exact ones of the common kinds, and all that torch's own counter does
not know.

Transforms and decompositions of matrices have no exact count, for it depends on the library; these
are assumed: the usual leading terms of dense algorithms, a multiply-add being two of their
operations. A fast Fourier transform of n complex numbers is taken as 5 n log2(n) operations, and
half of that where one side is real. Iterative ones (eigenvalues, singular values, a matrix's
exponential) are rough, within a small factor.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, log2, prod
from typing import Any

from torch import Tensor

from hermesrt.ops.call import Arg, Call, Ref
from hermesrt.ops.table import base_name

Shape = tuple[int, ...]

# Leading terms for a matrix of m rows and n columns.
_DECOMPOSITIONS: Mapping[tuple[str, ...], Callable[[int, int], float]] = {
    ("det", "logdet", "slogdet", "lu", "lu_factor", "lu_factor_ex", "ldl_factor", "solve",
     "ldl_factor_ex", "solve_ex", "lstsq", "tensorsolve"): lambda _, n: n**3 / 3,
    ("inv", "inv_ex", "inverse", "tensorinv"): lambda _, n: n**3,
    ("cholesky", "cholesky_ex"): lambda _, n: n**3 / 6,
    ("cholesky_inverse",): lambda _, n: n**3 / 3,
    ("qr", "geqrf", "householder_product", "orgqr"): lambda m, n: max(m, n) * min(m, n) ** 2,
    ("svd",): lambda m, n: 2 * m * n * min(m, n) + 11 * min(m, n) ** 3,
    ("svdvals", "cond", "matrix_rank"): lambda m, n: 2 * m * n * min(m, n),
    ("pinv", "pinverse"): lambda m, n: 3 * m * n * min(m, n) + 11 * min(m, n) ** 3,
    ("eigh",): lambda _, n: 4.5 * n**3,
    ("eigvalsh",): lambda _, n: 2 * n**3 / 3,
    ("eig",): lambda _, n: 12.5 * n**3,
    ("eigvals",): lambda _, n: 5 * n**3,
    ("matrix_exp",): lambda _, n: 8 * n**3,
}  # fmt: skip
_BY_NAME = {name: count for names, count in _DECOMPOSITIONS.items() for name in names}
# Solutions for right-hand sides, once a matrix is decomposed: of n for each of their elements.
_SOLUTIONS = (
    "solve", "solve_ex", "lstsq", "tensorsolve", "lu_solve", "ldl_solve", "cholesky_solve",
    "solve_triangular", "triangular_solve", "ormqr",
)  # fmt: skip


def macs_of(call: Call, values: Mapping[str, Any], result: Any) -> int:
    """Multiply-adds of one product on these values, whose shapes alone count; 0 where unknown."""
    common = common_macs(call, values, result)
    if common is not None:
        return common
    name = base_name(call.op).removeprefix("linalg_")
    operands = list(_operands(call.args, values))
    shapes = [tuple(t.shape) for t in operands]
    made = sum(prod(t.shape) for t in _tensors(result))
    if not shapes:
        return 0
    if "fft" in name:
        return _transform(name, call, operands[0], result)
    if name in ("stft", "istft"):
        return _frames(call, made, shapes[0])
    if name in _BY_NAME or name in _SOLUTIONS:
        return _decomposition(name, shapes, made)
    if name == "matrix_power":
        times = abs(next((a for a in call.args[1:] if isinstance(a, int)), 1))
        return prod(shapes[0]) * shapes[0][-1] * max(0, times.bit_length() + times.bit_count() - 2)
    return _plain(name, shapes, made)


def common_macs(call: Call, values: Mapping[str, Any], result: Any) -> int | None:
    """Multiply-adds of one of the usual products, as torch's own counter has them, whose import
    takes long; None for others."""
    shapes = [tuple(t.shape) for t in _operands(call.args, values)]
    if not isinstance(result, Tensor) or len(shapes) < 2 or min(map(len, shapes)) < 1:
        return None
    match base_name(call.op):
        case "matmul" | "mm" | "bmm" | "linear":
            return result.numel() * shapes[0][-1]
        case "addmm" | "baddbmm" if len(shapes) == 3:
            return result.numel() * shapes[1][-1]
        case "conv1d" | "conv2d" | "conv3d":
            return result.numel() * prod(shapes[1][1:])
    return None


def _plain(name: str, shapes: Sequence[Shape], made: int) -> int:
    """Products that have an exact count; `made` are the elements of the result."""
    match name:
        case "bilinear":
            out, left, right = shapes[2]
            return prod(shapes[0][:-1]) * out * (left + 1) * right
        case "dot" | "vdot" | "vecdot" | "inner" | "mv" | "addmv":
            return max(made * shapes[0][-1], 1) if name == "inner" else max(map(prod, shapes))
        case "outer" | "ger" | "addr" | "kron":
            return made
        case "cross":
            return 2 * made
        case "corrcoef" | "cov":
            return made * shapes[0][-1]
        case "_grouped_mm":
            return made * shapes[0][-1]
        case "lstm" | "gru" | "rnn_tanh" | "rnn_relu" if len(shapes[0]) == 3:
            return prod(shapes[0][:2]) * sum(prod(s) for s in shapes[1:] if len(s) == 2)
        case "lstm_cell" | "gru_cell" | "rnn_tanh_cell" | "rnn_relu_cell":
            return shapes[0][0] * sum(prod(s) for s in shapes[1:] if len(s) == 2 and s[0] > s[1])
    return 0


def _decomposition(name: str, shapes: Sequence[Shape], made: int) -> int:
    square = [s for s in shapes if len(s) >= 2]
    if not square:
        return 0
    *batch, m, n = square[0] if name != "cholesky_solve" else square[-1]
    once = _BY_NAME[name](m, n) if name in _BY_NAME else 0.0
    each = n * made / (2 if "triangular" in name else 1) if name in _SOLUTIONS else 0.0
    return ceil(prod(batch) * once + each)


def _transform(name: str, call: Call, operand: Tensor, result: Any) -> int:
    """All points, times the logarithm of how many belong together."""
    parts = _tensors(result)
    if not parts or name.endswith(("shift", "freq")):
        return 0
    longer = max((tuple(operand.shape), tuple(parts[0].shape)), key=prod)
    dims = _dims(name, call, len(longer))
    together = prod(longer[d] for d in dims)
    real = not operand.is_complex() or not parts[0].is_complex()
    return ceil((1.25 if real else 2.5) * prod(longer) * log2(together)) if together > 1 else 0


def _dims(name: str, call: Call, rank: int) -> tuple[int, ...]:
    given = dict(call.kwargs).get("dim", call.args[2] if len(call.args) > 2 else None)
    if isinstance(given, int):
        return (given % rank,)
    if isinstance(given, tuple):
        return tuple(d % rank for d in given if isinstance(d, int))
    if name.endswith("2"):
        return (rank - 2, rank - 1)
    return tuple(range(rank)) if name.endswith("n") else (rank - 1,)


def _frames(call: Call, made: int, shape: Shape) -> int:
    """Frames of `n_fft` points, of which one side is real."""
    points = next((a for a in call.args[1:] if isinstance(a, int) and a > 1), 2)
    elements = max(made, prod(shape))
    return ceil(1.25 * 2 * elements * log2(points))


def _operands(arg: Arg, values: Mapping[str, Any]) -> Iterator[Tensor]:
    """The tensors that a call takes, in order, each as often as it is taken."""
    if isinstance(arg, Ref):
        yield from _tensors(values[arg.name])
    elif isinstance(arg, tuple):
        for part in arg:
            yield from _operands(part, values)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [t for v in value for t in _tensors(v)] if isinstance(value, list | tuple) else []
