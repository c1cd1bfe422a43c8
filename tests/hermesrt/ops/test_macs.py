"""Multiply-adds of products that torch's counter does not know."""

from math import log2
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hermesrt.ops.absent import absence_of
from hermesrt.ops.call import Arg, Call, Ref, run
from hermesrt.ops.macs import common_macs, macs_of
from hermesrt.ops.table import ROWS

X, Y = Ref("x"), Ref("y")


def count(name: str, *args: Arg, **values: Tensor) -> int:
    call = Call(f"aten.{name}", args)
    return macs_of(call, values, run(call, values))


def regular(n: int) -> Tensor:
    return torch.rand(n, n, generator=torch.Generator().manual_seed(0)) + n * torch.eye(n)


def test_a_transform_of_complex_numbers_takes_half_of_5_n_log_n() -> None:
    x = torch.ones(3, 64, dtype=torch.complex64)
    assert count("fft_fft.default", X, x=x) == 3 * 64 * 2.5 * log2(64)


def test_a_transform_of_real_numbers_takes_half_as_many() -> None:
    assert count("fft_rfft.default", X, x=torch.ones(3, 64)) == 3 * 64 * 1.25 * log2(64)


def test_a_transform_of_two_dimensions_is_one_along_each() -> None:
    x = torch.ones(2, 16, 32, dtype=torch.complex64)
    both = count("fft_fft2.default", X, x=x)
    along = [count("fft_fft.default", X, None, d, x=x) for d in (1, 2)]
    assert both == sum(along)
    assert both == count("fft_fftn.default", X, None, (1, 2), x=x)


def test_a_solution_takes_a_decomposition_and_two_triangles() -> None:
    found = count("linalg_solve.default", X, Y, x=regular(12), y=torch.ones(12, 5))
    assert found == 12**3 / 3 + 12 * 12 * 5


def test_a_batch_of_matrices_takes_as_many_times_as_many() -> None:
    x = regular(6)
    many = x.expand(4, 6, 6)
    assert count("linalg_inv.default", X, x=many) == 4 * count("linalg_inv.default", X, x=x)


def test_a_bilinear_form_takes_its_weights_once_a_row() -> None:
    args = (X, Y, Ref("w"), None)
    found = count(
        "bilinear.default", *args, x=torch.ones(3, 5), y=torch.ones(3, 7), w=torch.ones(2, 5, 7)
    )
    assert found == 3 * 2 * (5 + 1) * 7


@pytest.mark.parametrize(
    ("name", "wanted"), [("dot.default", 9), ("outer.default", 81), ("kron.default", 81)]
)
def test_products_of_vectors(name: str, wanted: int) -> None:
    assert count(name, X, Y, x=torch.ones(9), y=torch.ones(9)) == wanted


def test_a_power_takes_squarings_and_products() -> None:
    assert count("matrix_power.default", X, 8, x=regular(4)) == 3 * 4**3
    assert count("matrix_power.default", X, 7, x=regular(4)) == 4 * 4**3


ALONE: dict[str, tuple[Arg, ...]] = {
    "cholesky": (Ref("spd"),), "linalg_cholesky": (Ref("spd"),), "cholesky_inverse": (Ref("spd"),),
    "linalg_eigh": (Ref("spd"),), "linalg_eigvalsh": (Ref("spd"),),
    "cholesky_solve": (X, Ref("spd")), "linalg_solve": (X, Ref("spd")),
    "triangular_solve": (X, Ref("spd")),
    "bilinear": (X, X, Ref("cube"), None), "cross": (Ref("three"), Ref("three")),
    "linalg_cross": (Ref("three"), Ref("three")), "linalg_vecdot": (X, X),
    "linalg_tensorinv": (X, 1), "matrix_power": (X, 3), "linalg_matrix_power": (X, 3),
    "kron": (X, X),
}  # fmt: skip
# Products of other kinds, which need a keyword, or only rearrange.
OTHERS = {"im2col", "col2im", "lu_unpack", "linalg_solve_triangular"}


def decompositions() -> list[str]:
    """Products in the table of one square matrix, or of those above."""
    found = []
    for name, row in ROWS.items():
        packet = getattr(torch.ops.aten, name)
        if row.price != "mac" or "default" not in packet.overloads() or name in OTHERS:
            continue
        needed = [a for a in packet.default._schema.arguments if not a.has_default_value()]
        if name in ALONE or [str(a.type) for a in needed] == ["Tensor"]:
            found.append(name)
    return found


@pytest.mark.parametrize("name", decompositions())
def test_no_product_is_free(name: str) -> None:
    square = regular(6)
    values: dict[str, Any] = {
        "x": square, "spd": square @ square.T, "cube": torch.ones(2, 6, 6), "three": square[:, :3],
    }  # fmt: skip
    call = Call(f"aten.{name}.default", ALONE.get(name, (X,)))
    assert absence_of(getattr(torch.ops.aten, name).default) is None
    with FlopCounterMode(display=False) as counter:
        result = run(call, values)
    assert counter.get_total_flops() // 2 or macs_of(call, values, result) > 0


COMMON: dict[str, tuple[tuple[int, ...], ...]] = {
    "mm.default": ((3, 4), (4, 5)),
    "bmm.default": ((2, 3, 4), (2, 4, 5)),
    "matmul.default": ((2, 1, 3, 4), (5, 4, 6)),
    "linear.default": ((2, 3, 4), (5, 4), (5,)),
    "addmm.default": ((5,), (3, 4), (4, 5)),
    "baddbmm.default": ((2, 3, 5), (2, 3, 4), (2, 4, 5)),
    "conv1d.default": ((2, 4, 9), (6, 4, 3), (6,)),
    "conv2d.default": ((2, 4, 9, 8), (6, 4, 3, 2)),
    "conv3d.default": ((1, 2, 5, 5, 5), (3, 2, 2, 2, 2)),
}


@pytest.mark.parametrize("name", COMMON)
def test_common_products_are_counted_as_torch_counts_them(name: str) -> None:
    values = {f"v{i}": torch.ones(shape) for i, shape in enumerate(COMMON[name])}
    call = Call(f"aten.{name}", tuple(map(Ref, values)))
    with FlopCounterMode(display=False) as counter:
        result = run(call, values)
    assert common_macs(call, values, result) == counter.get_total_flops() // 2 > 0
