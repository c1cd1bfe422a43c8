"""What was made lately, so that calls that need the same share it."""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
_KEPT = 16


def once(known: dict[K, V], key: K, make: Callable[[], V]) -> V:
    """What is known for a key, or is made and known from now on; the oldest one is forgotten."""
    if key not in known:
        if len(known) >= _KEPT:
            del known[next(iter(known))]
        known[key] = make()
    return known[key]
