"""The files of a programmed chip, and of one whose programming was interrupted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermesc.artifact.container import (
    from_json,
    pack,
    tensors_from_bytes,
    tensors_to_bytes,
    to_json,
    unpack,
)
from hermesc.artifact.schema import Artifact
from hermesc.codec import decode, encode
from hermesc.errors import ArtifactError
from hermesc.files import read_file, write_atomically
from hermesrt.device import Device, DeviceState, Method
from hermesrt.programming.drive import Iteration, ProgrammingOptions, Progress
from hermesrt.programming.hand import Hand
from hermesrt.programming.targets import targets

_HEADER, _CELLS, _HANDS = "state.json", "cells.safetensors", "hands.safetensors"
_HAND = ("device", "ampere", "slope", "pending", "tuned", "open")


@dataclass(frozen=True, slots=True)
class StateHeader:
    """What the cells belong to, and how they were programmed."""

    program_sha256: str
    chip: str
    method: Method
    seed: int
    iterations: tuple[Iteration, ...]


@dataclass(frozen=True, slots=True)
class CheckpointHeader:
    """The same, with what programming needs to go on: the number of the last pulse or read."""

    program_sha256: str
    chip: str
    method: Method
    seed: int
    iterations: tuple[Iteration, ...]
    options: ProgrammingOptions
    chip_tables: Any
    index: int


def save_state(
    state: DeviceState, iterations: tuple[Iteration, ...], program_sha256: str, path: Path
) -> None:
    """Write the state file, whole or not at all."""
    header = StateHeader(program_sha256, state.chip, state.method, state.seed, iterations)
    parts = {_HEADER: to_json(encode(header)), _CELLS: tensors_to_bytes(state.arrays)}
    write_atomically(path, pack("state", parts))


def load_state(path: Path, program_sha256: str) -> tuple[DeviceState, tuple[Iteration, ...]]:
    """The cells in a file, and the curve of their programming.

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
    return DeviceState(header.chip, header.method, header.seed, arrays), header.iterations


def save_checkpoint(
    device: Device,
    progress: Progress,
    options: ProgrammingOptions,
    program_sha256: str,
    chip_tables: Any,
    path: Path,
) -> None:
    """Write all that `load_checkpoint` needs to go on, whole or not at all."""
    state = device.state()
    header = CheckpointHeader(
        program_sha256, state.chip, progress.method, state.seed, tuple(progress.iterations),
        options, chip_tables, progress.index,
    )  # fmt: skip
    hands: dict[str, NDArray[Any]] = {}
    for hand in progress.hands:
        for name in _HAND:
            value: Tensor = getattr(hand, name)
            stored = value.to(torch.uint8) if value.dtype == torch.bool else value
            hands[f"{hand.target.core}.{name}"] = stored.numpy()
    parts = {
        _HEADER: to_json(encode(header)),
        _CELLS: tensors_to_bytes(state.arrays),
        _HANDS: tensors_to_bytes(hands),
    }
    write_atomically(path, pack("checkpoint", parts))


def load_checkpoint(
    device: Device,
    artifact: Artifact,
    progress: Progress,
    options: ProgrammingOptions,
    program_sha256: str,
    chip_tables: Any,
    path: Path,
) -> bool:
    """Bring device and progress to where a checkpoint was written.

    False, and nothing is changed, when it is of another program, chip, method, seed or options.
    Raises: ArtifactError when it is damaged.
    """
    where = str(path)
    parts = unpack(read_file(path, "checkpoint"), "checkpoint", (_HEADER, _CELLS, _HANDS), where)
    header = decode(CheckpointHeader, from_json(parts[_HEADER], where), where, ArtifactError)
    wanted = (program_sha256, progress.method, device.seed, options, chip_tables)
    held = (header.program_sha256, header.method, header.seed, header.options, header.chip_tables)
    if wanted != held:
        return False
    hands = list(_hands(artifact, tensors_from_bytes(parts[_HANDS], where), where))
    cells = tensors_from_bytes(parts[_CELLS], where)
    try:
        device.restore(DeviceState(header.chip, header.method, header.seed, cells))
    except ArtifactError:
        raise ArtifactError(
            f"{where}: a damaged checkpoint of an interrupted `hermesc program`; delete the file "
            "and start again"
        ) from None
    progress.hands = hands
    progress.iterations = list(header.iterations)
    progress.index = header.index
    return True


def _hands(artifact: Artifact, arrays: Mapping[str, NDArray[Any]], where: str) -> Any:
    dtypes = (np.int8, np.float32, np.float32, np.float32, np.uint8, np.uint8)
    for target in targets(artifact):
        values = []
        for name, dtype in zip(_HAND, dtypes, strict=True):
            array = arrays.get(f"{target.core}.{name}")
            shape = tuple(target.used.shape)
            if array is None or array.dtype != dtype or array.shape != shape or not _sane(array):
                raise ArtifactError(f"{where}: damaged: {target.core}.{name}; delete the file")
            tensor = torch.from_numpy(array.copy())
            values.append(tensor.bool() if dtype == np.uint8 else tensor)
        yield Hand(target, *values)


def _sane(array: NDArray[Any]) -> bool:
    """Finite numbers, and devices that a cell has."""
    if array.dtype == np.int8:
        return bool(((array >= 0) & (array <= 3)).all())
    return bool(np.isfinite(array).all())
