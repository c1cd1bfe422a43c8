"""What a user gave beside a model, checked against its graph: inputs, calibration data, labels.

In: a graph and the user's tensors. Out: tensors by input name, and notes for the report. Raises
ModelError that says what is missing or of another shape.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Input
from hermesrt.errors import ModelError


def named_inputs(graph: Graph, tensors: Sequence[Tensor], what: str) -> dict[str, Tensor]:
    """Tensors by the names of the inputs, in order; `what` is what the user calls them."""
    names = [i.name for i in graph.inputs]
    if len(names) != len(tensors):
        raise ModelError(
            f"{what} holds {len(tensors)} tensors and the model takes {len(names)}: "
            f"{', '.join(names)}"
        )
    return dict(zip(names, tensors, strict=True))


def calibration_inputs(
    graph: Graph,
    given: Sequence[Tensor] | Mapping[str, Tensor] | None,
    examples: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Calibration inputs by name; the examples where none are given."""
    if given is None:
        return dict(examples)
    if not isinstance(given, Mapping):
        given = named_inputs(graph, given, "calibration_inputs")
    sizes: dict[str, int] = {}
    for spec in graph.inputs:
        if spec.name not in given:
            raise ModelError(
                f"calibration data lacks the input {spec.name}; it has {', '.join(given) or 'none'}"
            )
        _check_shape(spec, given[spec.name], sizes)
    return {i.name: given[i.name].detach().to(_dtype(i)) for i in graph.inputs}


def labels_of_examples(labels: Tensor | None, examples: Mapping[str, Tensor]) -> Tensor | None:
    """A copy of the labels, if they are those of the example inputs."""
    rows = {t.shape[0] for t in examples.values() if t.dim()}
    return labels.clone() if labels is not None and rows == {len(labels)} else None


def input_notes(graph: Graph, examples: Mapping[str, Tensor], *, calibrated: bool) -> Iterator[str]:
    """What a user should know of the inputs: no calibration data, and batches of one size."""
    if not calibrated:
        rows = max((t.shape[0] for t in examples.values() if t.dim()), default=0)
        yield f"ranges come from the {rows} rows of example_inputs; calibrate on real data"
    for spec in graph.inputs:
        if spec.type.dims and isinstance(spec.type.dims[0], int):
            size = spec.type.dims[0]
            yield f"the model's code fixes the first size of {spec.name} to {size}, for runs too"


def _check_shape(spec: Input, value: Tensor, sizes: dict[str, int]) -> None:
    """Symbolic sizes of the same name are equal in all inputs; `sizes` are those met so far."""
    wrong = value.dim() != len(spec.type.dims) or value.numel() == 0
    for dim, size in zip(spec.type.dims, value.shape, strict=False):
        wrong |= size != (dim if isinstance(dim, int) else sizes.setdefault(dim, size))
    if wrong:
        raise ModelError(
            f"calibration input {spec.name} has the shape {tuple(value.shape)}; the model takes "
            f"{spec.type}"
        )


def _dtype(spec: Input) -> torch.dtype:
    return getattr(torch, spec.type.dtype)  # type: ignore[no-any-return]
