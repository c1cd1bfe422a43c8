"""What to compile, whatever it came as: each kind of model becomes the same Source."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from hermesc.errors import ModelError
from hermesc.frontend.inputs import Labels, tensors


@dataclass(frozen=True, slots=True)
class Source:
    """A model with inputs for capture and calibration.

    `labels` are those of the examples, `calibration_labels` those of the calibration data.
    `folder` is where its source file lies, so that locations read the same on every machine.
    `classes` are what the columns of the first output stand for, where the model tells; then
    `labels` are places in them. `notes` go into the program's report.
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


@dataclass(frozen=True, slots=True)
class Given:
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

    def place(self, what: str) -> str:
        """The name of one of these things in messages."""
        return f"{self.where}`{what}`"


def make_source(given: Given) -> Source:
    """The Source of an nn.Module, a fitted scikit-learn estimator, an ONNX model or an exported
    program.

    Raises: ModelError, UnsupportedOpError.
    """
    if is_estimator(given.model):
        from hermesc.frontend.estimators.source import estimator_source

        return estimator_source(given)
    if is_onnx(given.model):
        from hermesc.frontend.onnx.source import onnx_source

        return onnx_source(given)
    if isinstance(given.model, ExportedProgram):
        from hermesc.frontend.pt2.source import exported_source

        return exported_source(given)
    if isinstance(given.model, type):
        raise ModelError(
            f"{given.place('model')} is a class; make it: model = {given.model.__name__}()"
        )
    if not isinstance(given.model, nn.Module):
        raise ModelError(
            f"{given.place('model')} is a {type(given.model).__name__}, not an nn.Module, a fitted "
            "scikit-learn estimator, an onnx.ModelProto or a torch.export.ExportedProgram"
        )
    return Source(
        model=given.model,
        example_inputs=tensors(given.example_inputs, given.place("example_inputs")),
        calibration=calibration_tensors(given),
        labels=plain_labels(given.labels, given.place("labels")),
        dynamic_shapes=given.dynamic_shapes,
        name=given.name,
        folder=given.folder,
        calibration_labels=calibration_labels(given),
    )


def is_estimator(model: Any) -> bool:
    """Whether it is an object of scikit-learn's; one that exists has imported it."""
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    return base is not None and isinstance(model, base)


def is_onnx(model: Any) -> bool:
    """Whether it is an onnx.ModelProto."""
    proto = getattr(sys.modules.get("onnx"), "ModelProto", None)
    return proto is not None and isinstance(model, proto)


def is_model(model: Any) -> bool:
    """Whether it is one of the kinds of model that `make_source` takes."""
    return isinstance(model, nn.Module | ExportedProgram) or is_estimator(model) or is_onnx(model)


def calibration_tensors(given: Given) -> Sequence[Tensor] | Mapping[str, Tensor] | None:
    """The calibration inputs, by position or by name."""
    if given.calibration is None or isinstance(given.calibration, Mapping):
        return given.calibration
    return tensors(given.calibration, given.place("calibration_inputs"))


def plain_labels(labels: Any, place: str) -> Tensor | None:
    """The labels of a model that has no classes of its own.

    Raises: ModelError.
    """
    if labels is None:
        return None
    try:
        return torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        raise ModelError(
            f"{place} is a {type(labels).__name__}; set it to one number a sample"
        ) from None


def calibration_labels(given: Given) -> Tensor | None:
    """The labels of the calibration data of a model that has no classes of its own."""
    return plain_labels(given.calibration_labels, given.place("calibration_labels"))
