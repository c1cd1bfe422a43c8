"""Reading and writing a program: bytes of an Artifact and back, checked."""

import io
from pathlib import Path

from hermesrt.artifact.check import check
from hermesrt.artifact.schema import Artifact, Manifest
from hermesrt.errors import ArtifactError, InputError
from hermesrt.files.atomic import write_atomically
from hermesrt.files.container import Part, Write, contents, from_json, pack_into, to_json
from hermesrt.files.digest import Digest
from hermesrt.files.mapped import Mapped, map_file
from hermesrt.files.tensors import tensor_chunks, tensors_from_bytes
from hermesrt.files.typed import decode, encode

_PROGRAM, _WEIGHTS, _EXAMPLES = "program.json", "weights.safetensors", "examples.safetensors"
_INPUT, _LABELS = "input:", "labels"


def to_bytes(artifact: Artifact) -> bytes:
    """The program file; the same artifact gives the same bytes."""
    stream = io.BytesIO()
    _write(artifact, stream.write)
    return stream.getvalue()


def digest_of(artifact: Artifact) -> Digest:
    """The digest of the program file, which is not written."""
    return Digest(lambda: _write(artifact, lambda _: None).hex)


def from_bytes(data: bytes, where: str) -> Artifact:
    """The artifact of a program file.

    Raises: ArtifactError for a file that is damaged, hostile or of another version.
    """
    return _read(Mapped(memoryview(bytearray(data))), where)[0]


def save(artifact: Artifact, path: Path) -> Digest:
    """Write the program file, whole or not at all; its digest."""
    found: list[Digest] = []
    write_atomically(path, lambda stream: found.append(_write(artifact, stream.write)))
    return found[0]


def load(path: Path) -> tuple[Artifact, Digest]:
    """The program in a file, whose weights stay there until they are needed, and the file's digest.

    Raises: InputError when it cannot be read, ArtifactError when it is not a sound program.
    """
    return _read(map_file(path, "program"), str(path))


def _write(artifact: Artifact, write: Write) -> Digest:
    examples = {f"{_INPUT}{name}": value for name, value in artifact.examples.items()}
    if artifact.labels is not None:
        examples[_LABELS] = artifact.labels
    parts: dict[str, Part] = {
        _PROGRAM: to_json(encode(artifact.manifest)),
        _WEIGHTS: tensor_chunks(artifact.tensors),
        _EXAMPLES: tensor_chunks(examples),
    }
    return pack_into(write, "program", parts)


def _read(file: Mapped, where: str) -> tuple[Artifact, Digest]:
    found = contents(file, "program", (_PROGRAM, _WEIGHTS, _EXAMPLES), where)
    file.release()
    parts = found.parts
    try:
        manifest = decode(Manifest, from_json(parts[_PROGRAM], where), where, ArtifactError)
        examples = tensors_from_bytes(parts[_EXAMPLES], where)
        artifact = Artifact(
            manifest,
            tensors_from_bytes(parts[_WEIGHTS], where),
            {k.removeprefix(_INPUT): v for k, v in examples.items() if k.startswith(_INPUT)},
            examples.get(_LABELS),
        )
        check(artifact, where, file.release)
    except ArtifactError:
        raise
    except (InputError, RecursionError) as error:
        raise ArtifactError(f"{where}: refused: {error}") from None
    return artifact, found.digest
