"""The sha256 of a file, taken when it is first asked for.

Each part of a file has a checksum of its own, which is all that writing and reading look at; the
sha256 of the whole, which names a program, is one more pass over its weights.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import cached_property, partial


class Digest:
    """A sha256 that is worked out once, if ever."""

    def __init__(self, work: Callable[[], str]) -> None:
        self._work = work

    def __repr__(self) -> str:
        return f"<Digest {self.hex}>"

    def __reduce__(self) -> tuple[type["Digest"], tuple[Callable[[], str]]]:
        """For copies and files: worked out, for what it is worked out from stays behind."""
        return Digest, (partial(str, self.hex),)

    @cached_property
    def hex(self) -> str:
        """As a text of 64 characters."""
        return self._work()


def sha256_of(blocks: Iterable[bytes | memoryview]) -> str:
    """The sha256 of bytes that come in blocks."""
    found = hashlib.sha256()
    for block in blocks:
        found.update(block)
    return found.hexdigest()
