"""The container of our files: a zip of uncompressed parts with the checksum of each.

There is one way to write given parts, so the bytes are deterministic, and a file is accepted only
if it is byte for byte what we would write from its own parts: a flipped bit anywhere, a compressed
entry, a path, a comment or trailing data are all refused. Nothing is ever unpacked to disk.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from hermesrt.errors import ArtifactError

SCHEMA_VERSION = 4
_HEADER = "hermesc.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_DEEPEST = 64

Tensors = Mapping[str, NDArray[Any]]


def pack(kind: str, parts: Mapping[str, bytes]) -> bytes:
    """The file of that kind (`program`, `state`) with those parts."""
    stream = io.BytesIO()
    pack_into(stream, kind, parts)
    return stream.getvalue()


def pack_into(stream: IO[bytes], kind: str, parts: Mapping[str, bytes]) -> None:
    """Write the same to a file that is open, without a copy of it in memory."""
    checksums = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(parts.items())}
    header = {"kind": kind, "schema_version": SCHEMA_VERSION, "sha256": checksums}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(_HEADER, to_json(header)), *sorted(parts.items())]:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)


def unpack(data: bytes, kind: str, names: tuple[str, ...], where: str) -> dict[str, bytes]:
    """The parts of a file, checked.

    Raises: ArtifactError when it is not a file of that kind and version, whole and unchanged.
    """
    parts = _entries(data, where)
    header = from_json(parts.pop(_HEADER, b"null"), where)
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
    if tuple(sorted(parts)) != tuple(sorted(names)):
        raise ArtifactError(f"{where}: damaged: its parts are not {', '.join(names)}")
    checksums = header.get("sha256")
    for name, part in parts.items():
        found = hashlib.sha256(part).hexdigest()
        if not isinstance(checksums, dict) or checksums.get(name) != found:
            raise ArtifactError(f"{where}: damaged: the checksum of {name} is wrong; make it again")
    if pack(kind, parts) != data:
        raise ArtifactError(f"{where}: damaged: it holds more than its parts; make it again")
    return parts


def _entries(data: bytes, where: str) -> dict[str, bytes]:
    """Entry name to content; refuses all that could unpack to more than it takes in the file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > 16 or len({i.filename for i in infos}) != len(infos):
                raise ArtifactError(f"{where}: refused: too many or doubled parts")
            for info in infos:
                stored = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
                if not stored or info.file_size > len(data):
                    raise ArtifactError(f"{where}: refused: {info.filename!r} is compressed")
            return {info.filename: archive.read(info) for info in infos}
    except ArtifactError:
        raise
    except Exception as error:  # zipfile raises half a dozen kinds on damaged input
        raise ArtifactError(
            f"{where}: damaged or not a file of hermesc ({error}); make it again"
        ) from None


def to_json(value: Any) -> bytes:
    """JSON bytes, the same for the same value."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "surrogatepass")  # names of files may hold halves of pairs


def from_json(data: bytes, where: str) -> Any:
    """Parsed JSON.

    Raises: ArtifactError.
    """
    try:
        value = json.loads(data, parse_constant=_no_constant)
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


def tensors_to_bytes(tensors: Tensors) -> bytes:
    """Safetensors bytes, the same for the same tensors."""
    return save_tensors({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})


def tensors_from_bytes(data: bytes, where: str) -> dict[str, NDArray[Any]]:
    """Named arrays of safetensors bytes.

    Raises: ArtifactError.
    """
    try:
        return dict(load_tensors(data))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{where}: damaged: a part is not valid safetensors ({error})"
        ) from None
