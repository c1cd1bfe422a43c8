"""What a user asked to compile, and what every kind of model becomes. A leaf: it knows no kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from hermesc.frontend.arguments import Arguments
from hermesc.frontend.inputs import Labels, as_tensor, tensors
from hermesrt.artifact.schema import Artifact
from hermesrt.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that can be captured, with inputs for capture and calibration.

    model: what torch.export captures, or has captured.
    example_inputs: tensors by position, batch first.
    calibration: real inputs by position or by name; None where there are none.
    labels: labels of the examples [rows]; places in `classes` where there are any.
    dynamic_shapes: further symbolic sizes, as in torch.export.
    name: of the program.
    folder: where its source file lies, so that locations read the same on every machine.
    classes: what the columns of the first output stand for, where the model tells.
    notes: sentences for the program's report.
    calibration_labels: labels of the calibration data [rows].
    arguments: what a torch model is called with, where that is more than tensors by position.
    batch_dim: the batch's dimension, where the user says so.
    input_ranges: where inputs clip, by `Graph.slots`, where training has learned it.
    programmed: what the chip holds already, and keeps; None for a chip that will be programmed.
    """

    model: nn.Module | ExportedProgram
    example_inputs: Sequence[Tensor]
    calibration: Sequence[Tensor] | Mapping[str, Tensor] | None = None
    labels: Tensor | None = None
    dynamic_shapes: Any = None
    name: str = "model"
    folder: Path | None = None
    classes: tuple[Labels, ...] = ()
    notes: tuple[str, ...] = ()
    calibration_labels: Tensor | None = None
    arguments: Arguments | None = None
    batch_dim: int | None = None
    input_ranges: Mapping[str, float] = field(default_factory=dict)
    programmed: Artifact | None = None


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a user gave, unchecked; `where` begins every message, such as "model.py: "."""

    model: Any
    example_inputs: Any = None
    calibration: Any = None
    labels: Any = None
    dynamic_shapes: Any = None
    name: str = "model"
    folder: Path | None = None
    where: str = ""
    calibration_labels: Any = None
    batch_dim: int | None = None
    input_ranges: Mapping[str, float] = field(default_factory=dict)

    def place(self, what: str) -> str:
        """The name of one of these things in messages."""
        return f"{self.where}`{what}`"


def calibration_tensors(request: ModelRequest) -> Sequence[Tensor] | Mapping[str, Tensor] | None:
    """The calibration inputs, by position or by name.

    Raises: ModelError.
    """
    given, place = request.calibration, request.place("calibration_inputs")
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {name: as_tensor(value, f"{place[:-1]}[{name!r}]`") for name, value in given.items()}
    return tensors(given, place)


def plain_labels(labels: Any, place: str) -> Tensor | None:
    """The labels of a model that has no classes of its own.

    Raises: ModelError.
    """
    if labels is None:
        return None
    try:
        found = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        raise ModelError(
            f"{place} is a {type(labels).__name__}; set it to one number a sample"
        ) from None
    if found.dim() == 0 or found.shape[1:].numel() != 1:
        raise ModelError(f"{place} has the shape {tuple(found.shape)}; give one number a sample")
    return found.reshape(-1)


def calibration_labels(request: ModelRequest) -> Tensor | None:
    """The labels of the calibration data of a model that has no classes of its own."""
    return plain_labels(request.calibration_labels, request.place("calibration_labels"))
