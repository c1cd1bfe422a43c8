"""The operations of ours that stand for a loop while its graph is made functional.

Each takes what its loop carries and reads, in groups of tensors and of sizes, and the loop's lists
of calls as text, so that nothing outside sees into it.
"""

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hermesc.frontend.own_layers import NAMESPACE
from hermesrt.ops.call import Call, from_json, run


@torch.library.custom_op(f"{NAMESPACE}::while_loop", mutates_args=())
def held_while(
    carried: Sequence[Tensor], others: Sequence[Tensor], sizes: Sequence[int], text: str
) -> list[Tensor]:
    """A loop that goes on while a condition holds."""
    groups = {"carried": carried, "others": others, "sizes": sizes}
    return _run("loop.while", groups, text)


@held_while.register_fake
def _(carried: Sequence[Tensor], *_: Any) -> list[Tensor]:
    return [x.new_empty(x.shape) for x in carried]


@torch.library.custom_op(f"{NAMESPACE}::scan", mutates_args=())
def held_scan(
    carried: Sequence[Tensor],
    rows: Sequence[Tensor],
    others: Sequence[Tensor],
    sizes: Sequence[int],
    made: Sequence[int],
    kinds: str,
    text: str,
) -> list[Tensor]:
    """A step for each row. `made` are the sizes of what its steps give, stacked, one after the
    other; `kinds` says how many of them each has, and its dtype."""
    assert len(made) == sum(rank for rank, _ in json.loads(kinds))
    groups = {"carried": carried, "rows": rows, "others": others, "sizes": sizes}
    return _run("loop.scan", groups, text)


@held_scan.register_fake
def _(carried: Sequence[Tensor], rows: Sequence[Tensor], *rest: Any) -> list[Tensor]:
    made, kinds, _ = rest[-3:]
    dims, results = iter(made), [x.new_empty(x.shape) for x in carried]
    for rank, dtype in json.loads(kinds):
        sizes = [next(dims) for _ in range(rank)]
        results.append(rows[0].new_empty(sizes, dtype=getattr(torch, dtype)))
    return results


def _run(name: str, groups: dict[str, Sequence[Any]], text: str) -> list[Tensor]:
    """A loop of constants alone, which is folded."""
    args = from_json(json.loads(text))
    assert isinstance(args, tuple)
    values = {f"{group}{i}": v for group, given in groups.items() for i, v in enumerate(given)}
    found: list[Tensor] = run(Call(name, args), values)
    return found
