"""How far every layer's outputs are off in a run, with all that reaches it from those before.

Some values of each product are kept of the chip's run and of the exact one, in the order in which
products are made, which is the same in both; so the memory does not grow with the samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hermesrt.artifact.schema import Artifact, MvmStep
from hermesrt.executor import MvmFunction
from hermesrt.metrics import RelativeError

_VALUES = 1024  # of a product that are kept
_CALLS = 64  # of a step that are looked at


@dataclass(slots=True)
class LayerOutputs:
    """Some values of each step's products.

    kept: by step, one tensor a product.
    """

    kept: dict[str, list[Tensor]] = field(default_factory=dict)

    def watched(self, mvm: MvmFunction) -> MvmFunction:
        """The same products, of which some values are kept."""

        def watching(step: MvmStep, x: Tensor) -> Tensor:
            y = mvm(step, x)
            held = self.kept.setdefault(step.name, [])
            if len(held) < _CALLS:
                held.append(_some(y.detach()))
            return y

        return watching


def _some(y: Tensor) -> Tensor:
    """The same places of each tensor of that size, spread over all of it."""
    values = y.reshape(-1)
    if len(values) > _VALUES:
        draw = torch.Generator().manual_seed(len(values))
        values = values[torch.randint(len(values), (_VALUES,), generator=draw)]
    return values.double()


def layer_errors(artifact: Artifact, chip: LayerOutputs, exact: LayerOutputs) -> dict[str, float]:
    """Relative error of each layer's outputs, all its uses together, in the order of the first; the
    slices of a weight are compared by their sum."""
    uses: dict[tuple[str, str], list[MvmStep]] = {}
    for step in artifact.mvms:
        part = artifact.matrices[step.matrix].slice
        uses.setdefault((step.input, step.name if part is None else part.of), []).append(step)
    errors: dict[str, RelativeError] = {}
    for steps in uses.values():
        label = artifact.matrices[steps[0].matrix].label
        for y, wanted in zip(_sums(chip, steps), _sums(exact, steps), strict=False):
            errors.setdefault(label, RelativeError()).add(y, wanted)
    return {label: error.value for label, error in errors.items()}


def _sums(outputs: LayerOutputs, steps: Sequence[MvmStep]) -> Iterator[Tensor]:
    """What the products of several steps add up to, one after another."""
    for products in zip(*(outputs.kept.get(step.name, ()) for step in steps), strict=True):
        yield torch.stack(products).sum(0)
