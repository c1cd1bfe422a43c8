"""Writing files so that a failed or killed command leaves nothing half-written."""

import os
import tempfile
from collections.abc import Callable
from errno import EISDIR
from pathlib import Path
from typing import IO

from hermesrt.errors import InputError

Content = bytes | Callable[[IO[bytes]], object]


def write_atomically(path: Path, data: Content) -> None:
    """Write beside `path`, fsync, rename over it. A link is followed; a device is written to.

    `data` is the file's content, or writes it to the open file that it is given.
    Raises: InputError when the place cannot be written (no such folder, no permission, full disk).
    """
    try:
        target = path.resolve()
        if target.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder; name a file")
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                _write(stream, data)
        else:
            _replace(target, data)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; choose another place with -o"
        ) from None


def _write(stream: IO[bytes], data: Content) -> None:
    if isinstance(data, bytes):
        stream.write(data)
    else:
        data(stream)


def _replace(target: Path, data: Content) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            _write(stream, data)
            stream.flush()
            os.fsync(stream.fileno())
        _default_mode(temporary)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _default_mode(path: str) -> None:
    """mkstemp makes a private file; give it the mode that an ordinary `open` would."""
    mask = os.umask(0)
    os.umask(mask)
    Path(path).chmod(0o666 & ~mask)


def check_writable(path: Path, **read: Path | None) -> None:
    """Fail before long work, not after it, when `path` cannot be written at all, or is one of the
    files that are read, such as program=Path("p.hermes").

    Raises: InputError.
    """
    folder = path.parent
    for what, other in read.items():
        if other is not None and other.exists() and path.exists() and path.samefile(other):
            raise InputError(f"cannot write {path}: it is the {what} itself; choose another place")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file with -o")
    if not folder.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {folder}; make it or choose -o")
    if not os.access(folder, os.W_OK):
        raise InputError(f"cannot write {path}: the folder {folder} is read-only; choose -o")


def read_file(path: Path, what: str) -> bytes:
    """The bytes of a file the user named.

    Raises: InputError that names `what` the file was to be.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror or error}") from None
