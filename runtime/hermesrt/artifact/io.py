"""Reading and writing a program: bytes of an Artifact and back, checked."""

import hashlib
from pathlib import Path

from hermesrt.artifact.check import check
from hermesrt.artifact.schema import Artifact, Manifest
from hermesrt.errors import ArtifactError, InputError
from hermesrt.files.atomic import read_file, write_atomically
from hermesrt.files.container import (
    from_json,
    pack,
    tensors_from_bytes,
    tensors_to_bytes,
    to_json,
    unpack,
)
from hermesrt.files.typed import decode, encode

_PROGRAM, _WEIGHTS, _EXAMPLES = "program.json", "weights.safetensors", "examples.safetensors"
_INPUT, _LABELS = "input:", "labels"


def to_bytes(artifact: Artifact) -> bytes:
    """The program file; the same artifact gives the same bytes."""
    examples = {f"{_INPUT}{name}": value for name, value in artifact.examples.items()}
    if artifact.labels is not None:
        examples[_LABELS] = artifact.labels
    parts = {
        _PROGRAM: to_json(encode(artifact.manifest)),
        _WEIGHTS: tensors_to_bytes(artifact.tensors),
        _EXAMPLES: tensors_to_bytes(examples),
    }
    return pack("program", parts)


def from_bytes(data: bytes, where: str) -> Artifact:
    """The artifact of a program file.

    Raises: ArtifactError for a file that is damaged, hostile or of another version.
    """
    parts = unpack(data, "program", (_PROGRAM, _WEIGHTS, _EXAMPLES), where)
    try:
        manifest = decode(Manifest, from_json(parts[_PROGRAM], where), where, ArtifactError)
        examples = tensors_from_bytes(parts[_EXAMPLES], where)
        artifact = Artifact(
            manifest,
            tensors_from_bytes(parts[_WEIGHTS], where),
            {k.removeprefix(_INPUT): v for k, v in examples.items() if k.startswith(_INPUT)},
            examples.get(_LABELS),
        )
        check(artifact, where)
    except ArtifactError:
        raise
    except (InputError, RecursionError) as error:
        raise ArtifactError(f"{where}: refused: {error}") from None
    return artifact


def save(artifact: Artifact, path: Path) -> str:
    """Write the program file, whole or not at all; its sha256."""
    data = to_bytes(artifact)
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def load(path: Path) -> tuple[Artifact, str]:
    """The program in a file, and the file's sha256.

    Raises: InputError when it cannot be read, ArtifactError when it is not a sound program.
    """
    data = read_file(path, "program")
    return from_bytes(data, str(path)), hashlib.sha256(data).hexdigest()
