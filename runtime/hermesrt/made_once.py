"""What was made lately, so that calls that need the same share it."""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
_KEPT = 16


def once(known: dict[K, V], key: K, make: Callable[[], V]) -> V:
    """What is known for a key, or is made and known from now on; the oldest one is forgotten. Two
    threads may make the same twice, and then have the first."""
    try:
        return known[key]
    except KeyError:
        pass
    made = known.setdefault(key, make())
    for oldest in list(known)[:-_KEPT]:
        known.pop(oldest, None)
    return made
