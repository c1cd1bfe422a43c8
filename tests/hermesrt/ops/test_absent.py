"""Every operation of torch is one that a program may hold, or has one reason why not."""

import runpy
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from hermesrt.ops.absent import BY_NAME, REASONS, Absence, absence_of
from hermesrt.ops.call import resolve

TOOL = runpy.run_path(str(Path(__file__).parents[3] / "tools/operations.py"))
OVERLOADS: dict[str, Any] = dict(TOOL["overloads"]())


def test_all_of_torch_is_seen() -> None:
    assert len(OVERLOADS) > 2500


def test_every_operation_is_allowed_or_has_a_reason() -> None:
    unknown = [n for n, o in OVERLOADS.items() if resolve(n) is None and absence_of(o) is None]
    assert unknown == []


def test_what_is_allowed_writes_nowhere_and_takes_no_number_out_of_a_tensor() -> None:
    allowed = [o for n, o in OVERLOADS.items() if resolve(n) is not None]
    assert not [o for o in allowed if absence_of(o) in ("writes", "value", "uninitialised")]


def test_an_overload_that_writes_to_an_argument_is_never_resolved() -> None:
    writing = [
        n for n, o in OVERLOADS.items()
        if o._schema.is_mutable or any(a.is_out for a in o._schema.arguments)
    ]  # fmt: skip
    assert len(writing) > 1000
    assert [n for n in writing if resolve(n) is not None] == []


def test_only_out_as_a_word_names_an_overload_that_writes() -> None:
    """`dtype_layout` holds the three letters too."""
    assert resolve("aten.to.dtype_layout") is not None
    assert resolve("aten.add.out") is None
    assert resolve("aten.sum.IntList_out") is None
    assert resolve("aten.div.out_mode") is None


def test_every_reason_has_a_text_and_an_operation() -> None:
    assert set(REASONS) == set(get_args(Absence))
    assert set(REASONS) <= set(TOOL["by_reason"]())


def test_no_name_pattern_is_idle() -> None:
    absent = {o._opname for n, o in OVERLOADS.items() if resolve(n) is None}
    assert [p.pattern for _, p in BY_NAME if not any(map(p.fullmatch, absent))] == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("randn.default", "random"),
        ("nonzero.default", "sized"),
        ("item.default", "value"),
        ("as_strided.default", "memory"),
        ("empty_like.default", "uninitialised"),
        ("quantize_per_tensor.default", "quantized"),
        ("gelu_backward.default", "backward"),
        ("relu_.default", "writes"),
        ("_sparse_mm.default", "sparse"),
    ],
)
def test_reasons_are_those_that_a_reader_would_give(name: str, reason: str) -> None:
    base, overload = name.split(".")
    assert absence_of(getattr(getattr(torch.ops.aten, base), overload)) == reason
