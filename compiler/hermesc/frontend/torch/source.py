"""An nn.Module as a ModelSource."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from hermesc.frontend.arguments import Arguments, is_plain, read_arguments
from hermesc.frontend.inputs import is_array, tensors
from hermesc.frontend.request import (
    ModelRequest,
    ModelSource,
    calibration_labels,
    calibration_tensors,
    plain_labels,
)
from hermesrt.errors import ModelError


def module_source(request: ModelRequest) -> ModelSource:
    """The source of an nn.Module.

    Its examples are tensors by position, or anything with tensors in it: keywords, dictionaries,
    nested tuples, objects.
    Raises: ModelError.
    """
    model, ranges = trained_or_plain(request.model)
    request = replace(request, model=model, input_ranges={**ranges, **request.input_ranges})
    given, place = request.example_inputs, request.place("example_inputs")
    arguments: Arguments | None = None
    calibration: Sequence[Tensor] | Mapping[str, Tensor] | None
    if (is_plain(given) and not request.batch_dim) or not _holds_arrays(given):
        examples = tensors(given, place)
        calibration = calibration_tensors(request)
    else:
        arguments = read_arguments(request.model, given, place, _batch_dim(request))
        examples = arguments.tensors
        calibration = _calibration(request, arguments)
    return ModelSource(
        model=request.model,
        example_inputs=examples,
        calibration=calibration,
        labels=plain_labels(request.labels, request.place("labels")),
        dynamic_shapes=request.dynamic_shapes,
        name=request.name,
        folder=request.folder,
        calibration_labels=calibration_labels(request),
        arguments=arguments,
        batch_dim=request.batch_dim,
        input_ranges=request.input_ranges,
    )


def trained_or_plain(model: Any) -> tuple[Any, Mapping[str, float]]:
    """The model to compile, and the ranges that its training has learned; a model that trains for
    the chip says both."""
    trained = getattr(model, "hermesc_trained", None)
    return (model, {}) if trained is None else trained()


def _batch_dim(request: ModelRequest) -> int:
    found = request.batch_dim or 0
    if not isinstance(found, int) or isinstance(found, bool):
        raise ModelError(f"{request.place('batch_dim')} is {found!r}; it is a whole number")
    return found


def _holds_arrays(value: Any) -> bool:
    """Whether a container is one that could hold a model's arguments."""
    if isinstance(value, Mapping):
        return any(is_array(v) or _holds_arrays(v) for v in value.values())
    if isinstance(value, tuple | list):
        return any(is_array(v) or _holds_arrays(v) or hasattr(v, "__dict__") for v in value)
    return is_array(value)


def _calibration(
    request: ModelRequest, arguments: Arguments
) -> Sequence[Tensor] | Mapping[str, Tensor] | None:
    """Real inputs by the tensors' names, or in the structure of the examples."""
    given = request.calibration
    if given is None or (isinstance(given, Mapping) and set(given) == set(arguments.names)):
        return calibration_tensors(request)
    place = request.place("calibration_inputs")
    found = read_arguments(request.model, given, place, _batch_dim(request))
    return dict(zip(found.names, found.tensors, strict=True))
