"""Checkpoints of a training run: whole or not at all, with a checksum, read as data and never run.

A checkpoint says what it belongs to, part by part, so that one of another model, recipe, data or
settings is refused with the part that differs.
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from hermesrt.errors import ArtifactError
from hermesrt.files.atomic import read_file, write_atomically

_MAGIC = b"hermesc training 1\n"


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is of; each part is a digest or a text.

    model: names, shapes and first values of its weights.
    recipe: the recipe.
    data: the samples.
    settings: of the loop.
    """

    model: str
    recipe: str
    data: str
    settings: str


def save_checkpoint(path: Path, job: Job, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all."""
    stream = io.BytesIO()
    torch.save({"job": asdict(job), "state": dict(state)}, stream)
    payload = stream.getvalue()
    digest = hashlib.sha256(payload).hexdigest().encode()
    write_atomically(path, _MAGIC + digest + b"\n" + payload)


def load_checkpoint(path: Path, job: Job) -> dict[str, Any]:
    """What a checkpoint of the same run holds.

    Raises: ArtifactError for a damaged file, and for one of another run.
    """
    data = read_file(path, "checkpoint")
    head, digest, payload = data[: len(_MAGIC)], data[len(_MAGIC) :][:64], data[len(_MAGIC) + 65 :]
    if head != _MAGIC or hashlib.sha256(payload).hexdigest().encode() != digest:
        raise ArtifactError(f"{path}: not a whole checkpoint; remove it to start anew")
    try:
        held = torch.load(io.BytesIO(payload), weights_only=True)
        found, state = held["job"], held["state"]
    except Exception as error:
        raise ArtifactError(f"{path}: not a readable checkpoint; remove it") from error
    differing = [part for part, value in asdict(job).items() if found.get(part) != value]
    if differing:
        raise ArtifactError(
            f"{path}: the checkpoint is of a run with another {' and '.join(differing)}; finish "
            "that run, remove the file to start anew, or choose another -o"
        )
    return dict(state)
