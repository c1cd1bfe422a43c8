"""Print how many of torch's ATen operations a program may hold, and why it may not hold the rest.

python tools/operations.py          counts
python tools/operations.py REASON   the operations with that reason
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch

from hermesrt.ops.absent import REASONS, absence_of
from hermesrt.ops.call import resolve


def overloads() -> Iterator[tuple[str, Any]]:
    """Every overload of torch.ops.aten, by name."""
    for name in sorted(torch._C._dispatch_get_all_op_names()):
        if not name.startswith("aten::"):
            continue
        base, _, overload = name.removeprefix("aten::").partition(".")
        packet = getattr(torch.ops.aten, base, None)
        if packet is not None and (overload or "default") in packet.overloads():
            yield f"aten.{base}.{overload or 'default'}", getattr(packet, overload or "default")


def by_reason() -> dict[str, list[str]]:
    """Names of all overloads: those a program may hold, and the others by reason."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, overload in overloads():
        allowed = resolve(name) is not None
        found["allowed" if allowed else absence_of(overload) or "unknown"].append(name)
    return dict(found)


def main(arguments: list[str]) -> None:
    """Print the counts, or the names that have one reason."""
    found = by_reason()
    if arguments:
        print("\n".join(found.get(arguments[0], ())))
        return
    texts = {"allowed": "a program may hold it", **REASONS}
    for reason in ("allowed", *REASONS, "unknown"):
        if reason in found:
            print(f"{len(found[reason]):5d}  {reason:14s} {texts.get(reason, 'NO REASON')}")
    print(f"{sum(map(len, found.values())):5d}  in torch {torch.__version__}")


if __name__ == "__main__":
    main(sys.argv[1:])
