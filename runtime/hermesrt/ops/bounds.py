"""Running an operation within bounds: how much memory its results take is known before they exist.

Sizes come from torch's meta device, where tensors have no data. An operation whose sizes depend on
values, or that has no shape function there, is bounded by its arguments instead.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import torch
from torch import Tensor

from hermesrt.ops.call import Arg, Call, Ref, resolve, run
from hermesrt.ops.table import base_name, row_of

MOST_BYTES = 2**33  # of the results that are there at one time
MOST_PARTS = 2**16  # results of one operation


def run_bounded(call: Call, values: Mapping[str, Any], device: "torch.device | str" = "cpu") -> Any:
    """Run one call whose results fit in `MOST_BYTES`.

    Raises: OverflowError for one that would take more, before it runs.
    """
    _check_parts(call, values)
    if torch.device(device).type != "meta" and not call.op.startswith("size."):
        check_bytes(_foreseen(call, values))
    result = run(call, values, device)
    check_bytes(bytes_of(result))
    return result


def is_loose(call: Call, values: Mapping[str, Any], loose: Set[str]) -> bool:
    """Whether the result's size depends on values, so that no run of shapes knows it: of this
    operation's own, or where it takes a result of such a size."""
    if loose and not loose.isdisjoint(call.refs()):
        return True
    row = row_of(call.op)
    if row is None or not row.by_values:
        return False
    match base_name(call.op):
        case "where":
            return len(call.args) < 3
        case "index":
            held = [t for ref in call.refs()[1:] for t in tensors_in(values[ref])]
            return any(t.dtype in (torch.bool, torch.uint8) for t in held)
        case "one_hot":
            return call.args[1:] in ((), (-1,)) and not call.kwargs
        case "repeat_interleave":
            return len(call.refs()) > 1 or call.op.endswith(".Tensor")
        case _:
            return len(call.refs()) > 1


def bytes_of(value: Any) -> int:
    """Memory of a result; a view's counts as if it were its own, as far as it has elements."""
    return sum(t.numel() * t.element_size() for t in tensors_in(value))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of a result."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)


def check_bytes(needed: int) -> None:
    """Raises: OverflowError for more than the results of a program may take at one time."""
    if needed > MOST_BYTES:
        raise OverflowError(
            f"a result of {needed / 2**30:.3g} GiB; a program's results may take "
            f"{MOST_BYTES / 2**30:g} GiB at one time"
        )


def _foreseen(call: Call, values: Mapping[str, Any]) -> int:
    """Bytes of the result, from the meta device or from the arguments."""
    row = row_of(call.op)
    if row is None or not row.by_values:
        try:
            return bytes_of(run(call, {r: _blank(values[r]) for r in call.refs()}, "meta"))
        except NotImplementedError:
            pass
    return _from_arguments(call, values)


def _blank(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to("meta")
    return [_blank(v) for v in value] if isinstance(value, list | tuple) else value


def _from_arguments(call: Call, values: Mapping[str, Any]) -> int:
    """No more than all elements, once for the largest whole number that is given."""
    held = [t for ref in call.refs() for t in tensors_in(values[ref])]
    largest = max([1, *(abs(n) for n in _integers((call.args, *(v for _, v in call.kwargs))))])
    if base_name(call.op) in ("repeat_interleave", "one_hot"):
        counts = [t for t in held if t.device.type == "cpu" and not t.is_floating_point()]
        largest = max([largest, *(int(t.sum() + t.max() + 1) for t in counts if t.numel())])
    return 8 * largest * max(1, sum(t.numel() for t in held))


def _integers(arg: Arg) -> Iterator[int]:
    if isinstance(arg, tuple):
        for part in arg:
            yield from _integers(part)
    elif isinstance(arg, int):
        yield arg


def _check_parts(call: Call, values: Mapping[str, Any]) -> None:
    function: Any = resolve(call.op)
    schema = getattr(function, "_schema", None)
    if schema is None or all("List" not in str(r.real_type) for r in schema.returns):
        return
    if _parts(call, values) > MOST_PARTS:
        raise OverflowError(f"more than {MOST_PARTS} results of one operation")


def _parts(call: Call, values: Mapping[str, Any]) -> int:
    """As many as are asked for, and never more than the operand's longest dimension otherwise."""
    asked = [n for n in _numbers(call.args[1:2], values) if n > 0]
    longest = max((s for r in call.refs() for s in _sizes(values[r])), default=1)
    match base_name(call.op):
        case "tensor_split":
            return max(asked, default=1)
        case "split":
            return -(-longest // min(asked)) if asked else longest
        case "chunk":
            return min([longest, *asked])
        case "unbind":
            return longest
        case _:
            return 1


def _numbers(args: tuple[Arg, ...], values: Mapping[str, Any]) -> Iterable[int]:
    for arg in args:
        value = values[arg.name] if isinstance(arg, Ref) else arg
        if isinstance(value, int):
            yield value


def _sizes(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, Tensor) else ()
