"""An nn.Module as a ModelSource."""

from hermesc.frontend.inputs import tensors
from hermesc.frontend.request import (
    ModelRequest,
    ModelSource,
    calibration_labels,
    calibration_tensors,
    plain_labels,
)


def module_source(request: ModelRequest) -> ModelSource:
    """The source of an nn.Module.

    Raises: ModelError.
    """
    return ModelSource(
        model=request.model,
        example_inputs=tensors(request.example_inputs, request.place("example_inputs")),
        calibration=calibration_tensors(request),
        labels=plain_labels(request.labels, request.place("labels")),
        dynamic_shapes=request.dynamic_shapes,
        name=request.name,
        folder=request.folder,
        calibration_labels=calibration_labels(request),
    )
