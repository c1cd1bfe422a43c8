"""The files of a programmed chip, and of one whose programming was interrupted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.device import Device, DeviceState, Method
from hermesrt.errors import ArtifactError, OptionError
from hermesrt.files.atomic import write_atomically
from hermesrt.files.container import Part, from_json, pack_into, to_json, unpack
from hermesrt.files.mapped import map_file
from hermesrt.files.tensors import tensor_chunks, tensors_from_bytes
from hermesrt.files.typed import decode, encode
from hermesrt.programming.core_programming import FIELDS, CoreProgramming
from hermesrt.programming.loop import Iteration, ProgrammingOptions, ProgrammingProgress
from hermesrt.programming.targets import targets

_HEADER, _CELLS, _HANDS = "state.json", "cells.safetensors", "cores.safetensors"


@dataclass(frozen=True, slots=True)
class StateHeader:
    """What the cells belong to, and how they were programmed.

    program_sha256: of the program's file.
    chip: its name.
    method: how the weights were written.
    seed: of everything random about the device.
    iterations: how programming went.
    """

    program_sha256: str
    chip: str
    method: Method
    seed: int
    iterations: tuple[Iteration, ...]


@dataclass(frozen=True, slots=True)
class ProgrammingJob:
    """One programming of one chip: only the same job goes on from a checkpoint.

    program_sha256: of the program's file.
    method: how the weights are written.
    seed: of everything random about the device.
    device: what tells it from others of its seed.
    options: the methods' settings.
    chip_tables: the chip's description, as in its file.
    """

    program_sha256: str
    method: Method
    seed: int
    device: str
    options: ProgrammingOptions
    chip_tables: Any


@dataclass(frozen=True, slots=True)
class CheckpointHeader:
    """How far a job came.

    job: which.
    iterations: done so far.
    indices: the number of the last pulse or read of each core.
    """

    job: ProgrammingJob
    iterations: tuple[Iteration, ...]
    indices: tuple[int, ...]


def save_state(
    state: DeviceState, iterations: tuple[Iteration, ...], program_sha256: str, path: Path
) -> None:
    """Write the state file, whole or not at all."""
    header = StateHeader(program_sha256, state.chip, state.method, state.seed, iterations)
    parts: dict[str, Part] = {_HEADER: to_json(encode(header)), _CELLS: tensor_chunks(state.arrays)}
    write_atomically(path, lambda stream: pack_into(stream.write, "state", parts))


def load_state(path: Path, program_sha256: str) -> tuple[DeviceState, tuple[Iteration, ...]]:
    """The cells in a file, and the curve of their programming.

    Raises: ArtifactError when it is damaged or belongs to another program.
    """
    where = str(path)
    parts = unpack(map_file(path, "state"), "state", (_HEADER, _CELLS), where)
    header = decode(StateHeader, from_json(parts[_HEADER], where), where, ArtifactError)
    if header.program_sha256 != program_sha256:
        raise ArtifactError(
            f"{where}: the state belongs to another program; make one with `hermesc program`"
        )
    arrays = tensors_from_bytes(parts[_CELLS], where)
    return DeviceState(header.chip, header.method, header.seed, arrays), header.iterations


def save_checkpoint(
    device: Device, progress: ProgrammingProgress, job: ProgrammingJob, path: Path
) -> None:
    """Write all that `load_checkpoint` needs to go on, whole or not at all."""
    state = device.state()
    indices = tuple(core.index for core in progress.cores)
    header = CheckpointHeader(job, tuple(progress.iterations), indices)
    cores: dict[str, NDArray[Any]] = {}
    for core in progress.cores:
        for name in FIELDS:
            value: Tensor = getattr(core, name)
            stored = value.to(torch.uint8) if value.dtype == torch.bool else value
            cores[f"{core.target.core}.{name}"] = stored.numpy()
    parts: dict[str, Part] = {
        _HEADER: to_json(encode(header)),
        _CELLS: tensor_chunks(state.arrays),
        _HANDS: tensor_chunks(cores),
    }
    write_atomically(path, lambda stream: pack_into(stream.write, "checkpoint", parts))


def load_checkpoint(
    device: Device,
    artifact: Artifact,
    progress: ProgrammingProgress,
    job: ProgrammingJob,
    path: Path,
) -> None:
    """Bring device and progress to where a checkpoint was written.

    Raises: OptionError when it is of another job; ArtifactError when it is damaged.
    """
    where = str(path)
    parts = unpack(map_file(path, "checkpoint"), "checkpoint", (_HEADER, _CELLS, _HANDS), where)
    header = decode(CheckpointHeader, from_json(parts[_HEADER], where), where, ArtifactError)
    if header.job != job:
        raise OptionError(
            f"{where} is what a stopped `hermesc program --method {header.job.method} --seed "
            f"{header.job.seed}` left, of another program or with other settings: repeat that "
            "command to finish it, or delete the file"
        )
    cells = tensors_from_bytes(parts[_CELLS], where)
    cores = tensors_from_bytes(parts[_HANDS], where)
    try:
        made = [i.phase for i in header.iterations]
        sound = 0 < len(made) <= len(progress.phases) and made == [*progress.phases[: len(made)]]
        sound = sound and all(len(i.mvm_errors) == len(artifact.cores) for i in header.iterations)
        sound = (
            sound
            and len(header.indices) == len(artifact.cores)
            and min(header.indices, default=0) >= 0
        )
        if not sound:
            raise ArtifactError("iterations")
        progress.cores = list(_hands(artifact, cores))
        for core, index in zip(progress.cores, header.indices, strict=True):
            core.index = index
        device.restore(DeviceState(artifact.chip.name, job.method, job.seed, cells))
    except ArtifactError as error:
        raise ArtifactError(
            f"{where}: a damaged checkpoint of a stopped `hermesc program` ({error}); delete the "
            "file and start again"
        ) from None
    progress.iterations = list(header.iterations)


def _hands(artifact: Artifact, arrays: Mapping[str, NDArray[Any]]) -> Iterator[CoreProgramming]:
    dtypes = (np.int8, np.float32, np.float32, np.float32, np.uint8, np.uint8, np.int8)
    most = artifact.chip.programming_pulses.pulse_high_ampere
    limits = {"device": (0, 3), "ampere": (0, most * (1 + 1e-6)), "tuned": (0, 1), "open": (0, 1)}
    limits["saturated"] = (0, 4)
    for target in targets(artifact):
        values: dict[str, Tensor] = {}
        for name, dtype in zip(FIELDS, dtypes, strict=True):
            array = arrays.get(f"{target.core}.{name}")
            low, high = limits.get(name, (-1e9, 1e9))
            fits = array is not None and array.dtype == dtype
            fits = fits and array is not None and array.shape == tuple(target.used.shape)
            if array is None or not fits or not ((array >= low) & (array <= high)).all():
                raise ArtifactError(f"{target.core}.{name}")
            values[name] = torch.from_numpy(array.copy())
        yield CoreProgramming.of(target, values)
