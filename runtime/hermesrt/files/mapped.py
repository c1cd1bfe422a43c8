"""The bytes of a file without a copy of them: mapped into memory where the system can."""

import io
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hermesrt.errors import InputError


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Mapped:
    """The bytes of a file.

    view: all of them; what is written to it stays in this process.
    release: gives back the memory that reading them took, as long as nothing was written to them;
        they are read again when they are next looked at.
    """

    view: memoryview
    release: Callable[[], None] = _nothing


def map_file(path: Path, what: str) -> Mapped:
    """The bytes of a file the user named. Files of ours are replaced, never changed in place, so
    they stay as they are while they are mapped.

    Raises: InputError that names `what` the file was to be.
    """
    try:
        with path.open("rb") as stream:
            try:
                pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
            except (OSError, ValueError):  # a pipe, a device or an empty file
                return Mapped(memoryview(bytearray(stream.read())))
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror or error}") from None
    forget = getattr(mmap, "MADV_DONTNEED", None)  # Windows has none
    release = _nothing if forget is None else lambda: pages.madvise(forget)
    return Mapped(memoryview(pages), release)


class ViewStream(io.RawIOBase):
    """A view as a file that is open for reading."""

    def __init__(self, view: memoryview) -> None:
        self._view, self._at = view, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; the new one.

        Raises: OSError for one before the beginning.
        """
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        if start + offset < 0:
            raise OSError("before the beginning")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Fill a buffer as far as there is something left; how far that is."""
        part = self._view[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)
