"""The bytes of a zip around its parts: stored entries of a fixed date, in a given order.

It is what `zipfile` writes for such entries, but known before anything is written: so a file is
written from front to back, and one that is read is compared with it without being written again.
Entries beyond 2 GiB have the longer fields of zip64.
"""

import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

_EPOCH = 1 << 5 | 1  # 1 January 1980, as DOS writes it
_UNIX, _MODE = 3, 0o644 << 16
_PLAIN, _LONG = 20, 45  # the version of the format that it takes to read an entry
_FULL = 0xFFFFFFFF  # the number is in the extra field


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored part of a zip.

    name: in ASCII.
    size: in bytes.
    crc: its CRC-32.
    """

    name: str
    size: int
    crc: int


def local_header(entry: Entry) -> bytes:
    """What stands before an entry's bytes."""
    name, size, extra = entry.name.encode("ascii"), entry.size, b""
    if _is_long(size):
        size, extra = _FULL, struct.pack("<HHQQ", 1, 16, entry.size, entry.size)
    version = _LONG if extra else _PLAIN
    numbers = (version, 0, 0, 0, 0, _EPOCH, entry.crc, size, size, len(name), len(extra))
    return struct.pack("<4s2B4HL2L2H", b"PK\3\4", *numbers) + name + extra


def starts(entries: Sequence[Entry]) -> tuple[int, ...]:
    """Where the bytes of each entry begin."""
    found, end = [], 0
    for entry in entries:
        found.append(end + len(local_header(entry)))
        end = found[-1] + entry.size
    return tuple(found)


def directory(entries: Sequence[Entry]) -> bytes:
    """What stands behind the last entry's bytes."""
    places = [s - len(local_header(e)) for e, s in zip(entries, starts(entries), strict=True)]
    listed = b"".join(map(_listed, entries, places))
    offset = starts(entries)[-1] + entries[-1].size
    count, size, end = len(entries), len(listed), b""
    if _is_long(offset):
        numbers = (44, _LONG, _LONG, 0, 0, count, count, size, offset)
        end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", *numbers)
        end += struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)
        offset = min(offset, _FULL)
    return listed + end + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, offset, 0)


def _listed(entry: Entry, offset: int) -> bytes:
    """An entry's line of the directory."""
    name, size, long = entry.name.encode("ascii"), entry.size, []
    if _is_long(size):
        long, size = [size, size], _FULL
    if _is_long(offset):
        long, offset = [*long, offset], _FULL
    extra = struct.pack(f"<HH{len(long)}Q", 1, 8 * len(long), *long) if long else b""
    version = _LONG if long else _PLAIN
    numbers = (version, _UNIX, version, 0, 0, 0, 0, _EPOCH, entry.crc, size, size)
    rest = (len(name), len(extra), 0, 0, 0, _MODE, offset)
    return struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *numbers, *rest) + name + extra


def _is_long(size: int) -> bool:
    return size > zipfile.ZIP64_LIMIT  # type: ignore[attr-defined]
