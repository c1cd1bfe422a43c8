"""The container of our files: a zip of uncompressed parts with the checksum of each.

There is one way to write given parts, so the bytes are deterministic, and a file is accepted only
if it is byte for byte what we would write from its own parts: a flipped bit anywhere, a compressed
entry, a path, a comment or trailing data are all refused. Nothing is ever unpacked to disk. Parts
are written from where they lie, in one pass of checksums and one of writing, and read as views of
the mapped file in one pass; the sha256 of the whole file is another pass, for those who ask. Spaces
behind the header let the largest part begin at a multiple of 64 bytes, so that its arrays are
aligned; files that were written without them are read too.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from hermesrt.errors import ArtifactError
from hermesrt.files.digest import Digest, sha256_of
from hermesrt.files.mapped import Mapped, ViewStream
from hermesrt.files.zip_layout import Entry, directory, local_header, starts

SCHEMA_VERSION = 4
_HEADER = "hermesc.json"
_LARGEST_HEADER = 2**20  # bytes
_DEEPEST = 64
_ALIGNED = 64  # bytes
_BLOCK = 2**18  # bytes: goes through all checksums while it is in the processor's cache
_KEPT = 64  # blocks read before their memory is given back

Write = Callable[[bytes | memoryview], object]
Part = bytes | memoryview | Sequence[bytes | NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Contents:
    """A file that was read.

    parts: by name; views of the file where it is mapped.
    digest: of the whole file.
    """

    parts: dict[str, bytes | memoryview]
    digest: Digest


def pack(kind: str, parts: Mapping[str, Part]) -> bytes:
    """The file of that kind (`program`, `state`) with those parts."""
    stream = io.BytesIO()
    pack_into(stream.write, kind, parts)
    return stream.getvalue()


def pack_into(write: Write, kind: str, parts: Mapping[str, Part]) -> Digest:
    """Write the same bit by bit; the file's digest, for as long as the parts do not change."""
    ordered = sorted(parts.items())
    checked = [_checked(name, part) for name, part in ordered]
    header = _header_bytes(kind, [e for e, _ in checked], [s for _, s in checked])
    entries = [_checked(_HEADER, header)[0], *(entry for entry, _ in checked)]
    pieces: list[bytes | memoryview | NDArray[Any]] = []
    for entry, part in zip(entries, [header, *(part for _, part in ordered)], strict=True):
        pieces += (local_header(entry), *_chunks(part))
    pieces.append(directory(entries))
    for block in _blocks(pieces):
        write(block)
    return Digest(lambda: sha256_of(_blocks(pieces)))


def _checked(name: str, part: Part) -> tuple[Entry, str]:
    """A part as an entry, and its sha256."""
    digest, crc, size = hashlib.sha256(), 0, 0
    for block in _blocks(_chunks(part)):
        digest.update(block)
        crc, size = crc32(block, crc), size + len(block)
    return Entry(name, size, crc), digest.hexdigest()


def _chunks(part: Part) -> Sequence[bytes | memoryview | NDArray[Any]]:
    return [part] if isinstance(part, bytes | memoryview) else part


def _blocks(chunks: Sequence[bytes | memoryview | NDArray[Any]]) -> Iterator[memoryview]:
    for chunk in chunks:
        view = _bytes_of(chunk) if isinstance(chunk, np.ndarray) else memoryview(chunk)
        for start in range(0, len(view), _BLOCK):
            yield view[start : start + _BLOCK]


def _bytes_of(array: NDArray[Any]) -> memoryview:
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    return little.reshape(-1).view(np.uint8).data


def _header_bytes(kind: str, entries: Sequence[Entry], sums: Sequence[str]) -> bytes:
    """The header of those parts, with as many spaces as align the largest."""
    named = {entry.name: found for entry, found in zip(entries, sums, strict=True)}
    text = to_json({"kind": kind, "schema_version": SCHEMA_VERSION, "sha256": named})
    places = starts([Entry(_HEADER, len(text), 0), *entries])[1:]
    sizes = [(entry.size, place) for entry, place in zip(entries, places, strict=True)]
    return text + b" " * (-max(sizes, default=(0, 0))[1] % _ALIGNED)


def unpack(
    data: bytes | Mapped, kind: str, names: tuple[str, ...], where: str
) -> dict[str, bytes | memoryview]:
    """The parts of a file, checked.

    Raises: ArtifactError when it is not a file of that kind and version, whole and unchanged.
    """
    return contents(data, kind, names, where).parts


def contents(data: bytes | Mapped, kind: str, names: tuple[str, ...], where: str) -> Contents:
    """The same with the digest of the file.

    Raises: ArtifactError.
    """
    file = data if isinstance(data, Mapped) else Mapped(memoryview(data))
    text, entries = _entries(file.view, where)
    claimed = _claimed(text, kind, where)
    found = [entry.name for entry in entries if entry.name != _HEADER]
    if sorted(found) != sorted(names):
        raise ArtifactError(f"{where}: damaged: its parts are not {', '.join(names)}")
    more = ArtifactError(f"{where}: damaged: it holds more than its parts; make it again")
    if [entry.name for entry in entries] != [_HEADER, *sorted(names)]:
        raise more
    if not _laid_out(file.view, entries):
        raise more
    sums = []
    for entry, start in zip(entries, starts(entries), strict=True):
        crc, digest = _read(file, slice(start, start + entry.size))
        if crc != entry.crc or (entry.name != _HEADER and digest != claimed.get(entry.name)):
            raise ArtifactError(
                f"{where}: damaged: the checksum of {entry.name} is wrong; make it again"
            )
        sums.append(digest)
    written = _header_bytes(kind, entries[1:], sums[1:])
    if text not in (written, written.rstrip(b" ")):
        raise more
    source = data if isinstance(data, bytes) else data.view
    spans = zip(entries[1:], starts(entries)[1:], strict=True)
    whole = Digest(lambda: sha256_of(_released(file, file.view)))
    return Contents({e.name: source[s : s + e.size] for e, s in spans}, whole)


def _entries(view: memoryview, where: str) -> tuple[bytes, list[Entry]]:
    """The header's bytes, and what the zip lists; refuses all that could unpack to more than it
    takes in the file."""
    try:
        with zipfile.ZipFile(io.BufferedReader(ViewStream(view))) as archive:  # type: ignore[type-var]
            infos = archive.infolist()
            if len(infos) > 16 or len({i.filename for i in infos}) != len(infos):
                raise ArtifactError(f"{where}: refused: too many or doubled parts")
            for info in infos:
                stored = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
                if not stored or info.file_size > len(view):
                    raise ArtifactError(f"{where}: refused: {info.filename!r} is compressed")
            header = next((i for i in infos if i.filename == _HEADER), None)
            if header is not None and header.file_size > _LARGEST_HEADER:
                raise ArtifactError(f"{where}: refused: its header is too large")
            text = b"null" if header is None else archive.read(header)
            return text, [Entry(i.filename, i.file_size, i.CRC) for i in infos]
    except ArtifactError:
        raise
    except Exception as error:  # zipfile raises half a dozen kinds on damaged input
        raise ArtifactError(
            f"{where}: damaged or not a file of hermesc ({error}); make it again"
        ) from None


def _claimed(text: bytes, kind: str, where: str) -> Mapping[str, Any]:
    """The checksums that a header gives, if it is one of ours.

    Raises: ArtifactError.
    """
    header = from_json(text, where)
    if not isinstance(header, dict) or "schema_version" not in header:
        raise ArtifactError(f"{where}: not a file of hermesc; compile your model to make one")
    version = header["schema_version"]
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{where}: schema version {version!r}; this hermesc reads version {SCHEMA_VERSION}: "
            "compile the model again with this hermesc"
        )
    if header.get("kind") != kind:
        raise ArtifactError(f"{where}: a {header.get('kind')!r} file where a {kind!r} is needed")
    found = header.get("sha256")
    return found if isinstance(found, dict) else {}


def _laid_out(view: memoryview, entries: Sequence[Entry]) -> bool:
    """Whether all around the entries' bytes is as we write it."""
    end = 0
    for entry, start in zip(entries, starts(entries), strict=True):
        if view[end:start] != local_header(entry):
            return False
        end = start + entry.size
    return view[end:] == directory(entries)


def _read(file: Mapped, span: slice) -> tuple[int, str]:
    """The CRC-32 and the sha256 of some bytes."""
    crc, digest = 0, hashlib.sha256()
    for block in _released(file, file.view[span]):
        digest.update(block)
        crc = crc32(block, crc)
    return crc, digest.hexdigest()


def _released(file: Mapped, view: memoryview) -> Iterator[memoryview]:
    """Bytes of a file in blocks, whose memory is given back behind them."""
    for i, block in enumerate(_blocks([view])):
        yield block
        if i % _KEPT == _KEPT - 1:
            file.release()


def to_json(value: Any) -> bytes:
    """JSON bytes, the same for the same value."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "surrogatepass")  # names of files may hold halves of pairs


def from_json(data: bytes | memoryview, where: str) -> Any:
    """Parsed JSON.

    Raises: ArtifactError.
    """
    try:
        value = json.loads(bytes(data), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{where}: damaged: a part is not valid JSON ({error})") from None
    if _depth(value) > _DEEPEST:
        raise ArtifactError(f"{where}: refused: its JSON is nested too deep")
    return value


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _depth(value: Any) -> int:
    depth, layer = 0, [value]
    while layer and depth <= _DEEPEST:
        layer = [
            child
            for item in layer
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        depth += 1
    return depth
