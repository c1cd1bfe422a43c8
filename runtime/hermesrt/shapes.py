"""Run a model without values: for counts and shapes alone.

On torch's meta device tensors have shapes and no data; where an operation has no shape function
there, the model runs on zeros.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from hermesrt.artifact.schema import Artifact, ConstantStep, HostStep, Step
from hermesrt.errors import ArtifactError, InputError
from hermesrt.executor import StepObserver, execute, shape_mvm
from hermesrt.ops.bounds import MOST_BYTES, bytes_of
from hermesrt.ops.table import row_of

T = TypeVar("T")
Shape = tuple[int, ...]


def without_values(walk: Callable[[str], T]) -> T:
    """What `walk(device)` finds on the meta device, or else on the CPU; a walk that fails is begun
    anew."""
    try:
        return walk("meta")
    except NotImplementedError:  # an operation without shape function
        return walk("cpu")


def in_smallest_batch(
    artifact: Artifact,
    sizes: Mapping[str, Shape],
    walk: Callable[[Mapping[str, Shape], str], T],
) -> tuple[int, T]:
    """The rows of the smallest batch, and what `walk(shapes, device)` finds there: one row, unless
    the model fixes its batch.

    Where one row does not run, because the rows belong together, it is the batch in `sizes`.
    Raises: InputError when the program does not run on inputs of these sizes.
    """
    batched = batched_inputs(artifact)
    firsts = [i.dims[0] for i in artifact.manifest.inputs if i.name in batched]
    fixed = [d for d in firsts if isinstance(d, int)]
    batch = max((sizes[name][0] for name in batched), default=1)
    least = fixed[0] if fixed else 1

    def of(samples: int) -> T:
        shapes = _batch_sizes(artifact, sizes, samples)
        return without_values(lambda device: walk(shapes, device))

    try:
        return least, of(least)
    except InputError as error:
        if fixed:
            raise
        if batch == 1:
            raise InputError(f"{error}; where rows belong together, give several at once") from None
    return batch, of(batch)


def batched_inputs(artifact: Artifact) -> tuple[str, ...]:
    """The inputs whose first size is the batch: all, or where that is free in some, these alone (an
    attention mask of fixed sizes is the same for all samples)."""
    sized = [i for i in artifact.manifest.inputs if i.dims]
    free = [i.name for i in sized if not isinstance(i.dims[0], int)]
    return tuple(free or (i.name for i in sized))


def _batch_sizes(artifact: Artifact, sizes: Mapping[str, Shape], samples: int) -> dict[str, Shape]:
    batched = batched_inputs(artifact)
    return {
        spec.name: (samples, *sizes[spec.name][1:]) if spec.name in batched else sizes[spec.name]
        for spec in artifact.manifest.inputs
    }


def run_shapes(
    artifact: Artifact, shapes: Mapping[str, Shape], device: str, observe: StepObserver
) -> tuple[Tensor, ...]:
    """The program's outputs on inputs of these shapes; `observe` sees its steps.

    Raises: InputError when the program does not run on them; NotImplementedError on the meta
    device.
    """
    dtypes = {i.name: getattr(torch, i.dtype) for i in artifact.manifest.inputs}
    inputs = {n: torch.zeros(s, dtype=dtypes[n], device=device) for n, s in shapes.items()}
    sizes: dict[str, int] = {}

    def watch(step: Step, values: Mapping[str, Any], result: Any) -> None:
        row = row_of(step.op) if isinstance(step, HostStep) else None
        if not isinstance(step, ConstantStep):
            sizes[step.name] = 0 if row is not None and row.is_view else bytes_of(result)
        _check_live(artifact, sum(sizes.get(name, 0) for name in values))
        observe(step, values, result)

    return execute(artifact, inputs, shape_mvm(artifact), device, watch, bounded=True)


def check_run(artifact: Artifact, shapes: Mapping[str, Shape]) -> None:
    """A run on inputs of these shapes, which include the batch, fits in memory, and where rows are
    run apart each output has the rows of the inputs.

    Raises: InputError when it does not fit, or does not run on them at all; ArtifactError when
    outputs have other rows.
    """
    outputs = without_values(lambda device: run_shapes(artifact, shapes, device, lambda *_: None))
    rows = {shape[0] for shape in shapes.values() if shape}
    for name, output in zip(artifact.manifest.outputs, outputs, strict=True):
        if artifact.manifest.rows_independent and output.shape[:1] not in [(n,) for n in rows]:
            raise ArtifactError(
                f"{artifact.manifest.name}: refused: output {name} has the shape "
                f"{tuple(output.shape)} and not the rows of the inputs; compile the model again"
            )


def _check_live(artifact: Artifact, needed: int) -> None:
    if needed > MOST_BYTES:
        raise InputError(
            f"{artifact.manifest.name}: its results take {needed / 2**30:.3g} GiB at one time on "
            f"these inputs, of {MOST_BYTES / 2**30:g} GiB that a run may take; give fewer samples "
            "or smaller ones"
        )


def shape_of(value: Any) -> Shape | None:
    """The shape of a tensor, or of the first of several."""
    if isinstance(value, list | tuple):
        return next((shape for v in value if (shape := shape_of(v)) is not None), None)
    return tuple(value.shape) if isinstance(value, Tensor) else None
