"""The file of a programmed chip: its cells, and which program they belong to."""

from dataclasses import dataclass
from pathlib import Path

from hermesc.artifact.container import (
    from_json,
    pack,
    tensors_from_bytes,
    tensors_to_bytes,
    to_json,
    unpack,
)
from hermesc.codec import decode, encode
from hermesc.errors import ArtifactError
from hermesc.files import read_file, write_atomically
from hermesrt.device import DeviceState, Method

_HEADER, _CELLS = "state.json", "cells.safetensors"


@dataclass(frozen=True, slots=True)
class StateHeader:
    """What the cells belong to."""

    program_sha256: str
    chip: str
    method: Method
    seed: int


def save_state(state: DeviceState, program_sha256: str, path: Path) -> None:
    """Write the state file, whole or not at all."""
    header = StateHeader(program_sha256, state.chip, state.method, state.seed)
    parts = {_HEADER: to_json(encode(header)), _CELLS: tensors_to_bytes(state.arrays)}
    write_atomically(path, pack("state", parts))


def load_state(path: Path, program_sha256: str) -> DeviceState:
    """The cells in a file.

    Raises: ArtifactError when it is damaged or belongs to another program.
    """
    where = str(path)
    parts = unpack(read_file(path, "state"), "state", (_HEADER, _CELLS), where)
    header = decode(StateHeader, from_json(parts[_HEADER], where), where, ArtifactError)
    if header.program_sha256 != program_sha256:
        raise ArtifactError(
            f"{where}: the state belongs to another program; make one with `hermesc program`"
        )
    arrays = tensors_from_bytes(parts[_CELLS], where)
    return DeviceState(header.chip, header.method, header.seed, arrays)
