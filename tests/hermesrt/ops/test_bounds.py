"""A result that would not fit in memory is refused before it is made."""

import pytest
import torch

from hermesrt.ops.bounds import MOST_BYTES, MOST_PARTS, bytes_of, is_loose, run_bounded
from hermesrt.ops.call import Call, Ref

X = Ref("x")
HUGE = [
    Call("aten.expand.default", (X, (2**40, 4))),
    Call("aten.repeat.default", (X, (2**31, 2**10))),
    Call("aten.full.default", ((2**20, 2**20), 1.0)),
    Call("aten.arange.default", (2**50,)),
    Call("aten.one_hot.default", (Ref("ids"), 2**50)),
    Call("aten.repeat_interleave.Tensor", (Ref("counts"),)),
    Call("aten.tensor_split.sections", (X, 2**31)),
    Call("aten.tril_indices.default", (2**18, 2**18)),
]
VALUES = {
    "x": torch.ones(1, 4),
    "ids": torch.zeros(3, dtype=torch.long),
    "counts": torch.tensor([2**45]),
}


@pytest.mark.parametrize("call", HUGE, ids=lambda call: call.op)
def test_a_huge_result_is_refused_before_it_is_made(call: Call) -> None:
    with pytest.raises(OverflowError):
        run_bounded(call, VALUES)


def test_more_parts_than_allowed_are_refused_without_values_too() -> None:
    wide = {"x": torch.empty(MOST_PARTS + 1, device="meta")}
    for op, args in (("unbind.int", (X,)), ("split.Tensor", (X, 1)), ("chunk.default", (X, 2**31))):
        with pytest.raises(OverflowError):
            run_bounded(Call(f"aten.{op}", args), wide, "meta")


def test_what_fits_is_run() -> None:
    result = run_bounded(Call("aten.expand.default", (X, (3, 4))), VALUES)
    assert result.shape == (3, 4)
    assert bytes_of(result) == 48 < MOST_BYTES
    assert bytes_of([result, (result, 3)]) == 96
    parts = run_bounded(Call("aten.split.Tensor", (X, 2, 1)), VALUES)
    assert len(parts) == 2
    assert run_bounded(Call("aten.one_hot.default", (Ref("ids"), -1)), VALUES).shape == (3, 1)
    assert run_bounded(Call("size.mul", (2, 3)), VALUES) == 6


def test_sizes_that_depend_on_values_are_known_as_such() -> None:
    values = {**VALUES, "mask": torch.ones(1, 4) > 0}
    loose = {
        Call("aten.index.Tensor", (X, (Ref("mask"),))): True,
        Call("aten.index.Tensor", (X, (Ref("ids"),))): False,
        Call("aten.where.default", (X,)): True,
        Call("aten.where.ScalarOther", (Ref("mask"), X, 1.0)): False,
        Call("aten.one_hot.default", (Ref("ids"),)): True,
        Call("aten.one_hot.default", (Ref("ids"), 3)): False,
        Call("aten.repeat_interleave.Tensor", (Ref("counts"),)): True,
        Call("aten.repeat_interleave.self_int", (X, 2)): False,
        Call("aten.repeat_interleave.self_Tensor", (X, Ref("counts"))): True,
        Call("aten.cos.default", (X,)): False,
    }
    assert {call: is_loose(call, values, set()) for call in loose} == loose
    assert is_loose(Call("aten.cos.default", (X,)), values, {"x"})
