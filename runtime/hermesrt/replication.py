"""Which copy of a matrix serves which vector: by the vector's place in its sample.

So a vector meets the same devices however the samples are cut in blocks.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.artifact.schema import Artifact, MvmStep, Step
from hermesrt.shapes import Shape, in_smallest_batch, run_shapes

Serve = Callable[[Float[Tensor, "vectors rows"], int], Tensor]


def sample_shapes(artifact: Artifact, sizes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shape of each MVM step's input for one sample of inputs of these sizes.

    The batch in them counts as one, unless the model fixes it or its rows belong together.
    """

    def walk(shapes: Mapping[str, Shape], device: str) -> dict[str, Shape]:
        found: dict[str, Shape] = {}

        def observe(step: Step, values: Mapping[str, Any], _: Any) -> None:
            if isinstance(step, MvmStep):
                found[step.name] = tuple(values[step.input].shape)

        run_shapes(artifact, shapes, device, observe)
        return found

    return in_smallest_batch(artifact, sizes, walk)[1]


def places(shape: Shape, sample: Shape) -> Tensor:
    """The place in its sample of each vector of an input, in the input's order.

    `sample` is the input's shape for one sample. Where a dimension holds batch and tokens, the
    batch comes first, as `view` and `reshape` of a batch leave it.
    """
    place = torch.zeros((), dtype=torch.int64)
    for size, own in zip(shape[:-1], sample[:-1], strict=True):
        place = place.unsqueeze(-1) * own + torch.arange(size) % max(own, 1)
    return place.flatten()


def dispatch(
    vectors: Float[Tensor, "vectors rows"], turns: Tensor, copies: int, columns: int, serve: Serve
) -> Tensor:
    """Each copy's vectors through `serve(vectors, copy)`, in the order before; `turns` are the
    vectors' copies."""
    result = vectors.new_empty(vectors.shape[0], columns)
    for copy in range(copies):
        mine = (turns == copy).nonzero().squeeze(1)
        if len(mine):
            result[mine] = serve(vectors[mine], copy).to(result.dtype)
    return result
