"""Data that many jobs share, sent to each worker once: programs and inputs, by the hash of each.

A job names what it needs; where it runs, `held` gives the bytes.
"""

import hashlib
from collections.abc import Iterable, Mapping

_HELD: dict[str, bytes] = {}  # of this process


def digest(data: bytes) -> str:
    """The name of some data: its SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def hold(blobs: Mapping[str, bytes]) -> None:
    """Keep data for the jobs of this process."""
    _HELD.update(blobs)


def held(name: str) -> bytes:
    """The data of that name."""
    return _HELD[name]


def release(names: Iterable[str]) -> None:
    """Let go of data that no further job of this process needs."""
    for name in names:
        _HELD.pop(name, None)
