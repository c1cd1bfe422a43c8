"""Run a model without values: for counts and shapes alone.

On torch's meta device tensors have shapes and no data; where an operation has no shape function
there, the model runs on zeros.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.executor import StepObserver, execute, shape_mvm

T = TypeVar("T")
Shape = tuple[int, ...]


def without_values(walk: Callable[[str], T]) -> T:
    """What `walk(device)` finds on the meta device, or else on the CPU; a walk that fails is begun
    anew."""
    try:
        return walk("meta")
    except NotImplementedError:  # an operation without shape function
        return walk("cpu")


def samples_at_once(artifact: Artifact) -> int:
    """Rows of the smallest batch: one, unless the model fixes its batch."""
    fixed = [i.dims[0] for i in artifact.manifest.inputs if i.dims and isinstance(i.dims[0], int)]
    return fixed[0] if fixed else 1


def sample_sizes(artifact: Artifact, sizes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The inputs' shapes for the smallest batch; the batch in `sizes` is ignored."""
    samples = samples_at_once(artifact)
    return {
        spec.name: (samples, *sizes[spec.name][1:]) if spec.dims else ()
        for spec in artifact.manifest.inputs
    }


def run_shapes(
    artifact: Artifact, shapes: Mapping[str, Shape], device: str, observe: StepObserver
) -> None:
    """The program's steps on inputs of these shapes, for `observe` to see.

    Raises: InputError when the program does not run on them; NotImplementedError on the meta
    device.
    """
    dtypes = {i.name: getattr(torch, i.dtype) for i in artifact.manifest.inputs}
    inputs = {n: torch.zeros(s, dtype=dtypes[n], device=device) for n, s in shapes.items()}
    execute(artifact, inputs, shape_mvm(artifact), device, observe)


def shape_of(value: Any) -> Shape | None:
    """The shape of a tensor, or of the first of several."""
    if isinstance(value, list | tuple):
        return next((shape for v in value if (shape := shape_of(v)) is not None), None)
    return tuple(value.shape) if isinstance(value, Tensor) else None
