"""The parts of a zip archive as bytes, read once, so that nobody else reads it differently.

Two readers of one zip file can see two files in it: by entries of one name, by names that differ in
capitals only, by a second folder, by a local header that says otherwise. Such an archive is
refused. What is unpacked is bounded before it is read.
"""

import re
import zipfile
from pathlib import Path
from typing import IO

_PART = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*|\.data/\w+|\.\w+", re.ASCII)
_MOST_PARTS = 100_000
_MOST_COMPRESSED = 256 * 2**20  # bytes, unpacked, of all compressed parts together
_ENCRYPTED = 0x1


class RefusedPart(ValueError):
    """Something in a `.pt2` file is not as torch.export.save writes it: what, and where."""

    def __init__(self, why: str, place: tuple[str, ...] = ()) -> None:
        self.why = why
        self.place = place
        shown = [name[:40] if name.isascii() and name.isprintable() else "?" for name in place]
        shown = [*shown[:2], "...", *shown[-5:]] if len(shown) > 8 else shown
        super().__init__(f"{'.'.join(shown)}: {why}" if shown else why)

    def within(self, name: str) -> "RefusedPart":
        """The same error, seen from what holds the value under that name."""
        return RefusedPart(self.why, (name, *self.place))


def read_parts(file: Path | IO[bytes]) -> dict[str, bytes]:
    """Every part of the archive, by its name without the folder that all names begin with.

    Raises: RefusedPart; zipfile.BadZipFile or another ValueError for a damaged archive.
    """
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        _check_names([entry.filename for entry in entries])
        _check_sizes(entries, archive.start_dir)
        return {entry.filename.partition("/")[2]: _read(archive, entry) for entry in entries}


def _check_names(names: list[str]) -> None:
    if len(names) > _MOST_PARTS:
        raise RefusedPart(f"it holds {len(names)} parts; the limit is {_MOST_PARTS}")
    for name in names:
        if not _PART.fullmatch(name.partition("/")[2]):
            raise RefusedPart(f"a part is called {name[:60]!r}, which no .pt2 file holds")
    folders = {name.partition("/")[0] for name in names}
    if len(folders) > 1:
        raise RefusedPart(f"its parts lie in {len(folders)} folders; a .pt2 file has one")
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise RefusedPart(f"it holds {name} twice (capitals do not tell parts apart)")
        seen.add(name.casefold())


def _check_sizes(entries: list[zipfile.ZipInfo], room: int) -> None:
    """`room` is how many bytes the archive has for its parts."""
    compressed = 0
    if sum(entry.compress_size for entry in entries) > room:
        raise RefusedPart(f"its parts declare more bytes than the {room} that it has for them")
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED:
            raise RefusedPart(f"{entry.filename} is encrypted")
        if entry.compress_type == zipfile.ZIP_STORED:
            if entry.compress_size != entry.file_size:
                raise RefusedPart(f"{entry.filename} is stored, yet its two sizes differ")
        elif entry.compress_type == zipfile.ZIP_DEFLATED:
            compressed += entry.file_size
        else:
            raise RefusedPart(
                f"{entry.filename} is compressed by the method {entry.compress_type}; "
                "parts are stored or deflated"
            )
    if compressed > _MOST_COMPRESSED:
        raise RefusedPart(
            f"its compressed parts hold {compressed} bytes; the limit is {_MOST_COMPRESSED} "
            "(torch.export.save compresses nothing)"
        )


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The bytes, no more of them than the archive's directory says."""
    with archive.open(entry) as stream:
        data = stream.read(entry.file_size)
        rest = stream.read(1)
    if len(data) != entry.file_size or rest:
        raise RefusedPart(
            f"{entry.filename} holds other than the {entry.file_size} bytes that it declares"
        )
    return data
