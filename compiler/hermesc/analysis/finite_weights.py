"""Whether a model's weights are numbers.

In: weights and the names of the trained ones. Raises ModelError that names the first that is not.
"""

from collections.abc import Collection

from torch import Tensor

from hermesc.ir.graph import Weights
from hermesrt.errors import ModelError


def check_finite_weights(weights: Weights, trained: Collection[str]) -> None:
    """No weight is NaN, and no trained one infinite; a mask may be."""
    for name, weight in weights.items():
        if not weight.is_floating_point() or all_finite(weight):
            continue
        if bool(weight.isnan().any()):
            raise ModelError(f"the weights of {name} hold NaN; load trained weights first")
        if name in trained and bool(weight.isinf().any()):
            raise ModelError(
                f"the weights of {name} hold NaN or infinity; load trained weights first"
            )


def all_finite(weight: Tensor) -> bool:
    """Whether no number is NaN or infinite, mostly in one pass and without a copy."""
    return bool(weight.sum().isfinite()) or bool(weight.isfinite().all())  # large ones may overflow
