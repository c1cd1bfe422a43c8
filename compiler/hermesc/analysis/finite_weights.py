"""Whether a model's weights are numbers.

In: weights and the names of the trained ones. Raises ModelError that names the first that is not.
"""

from collections.abc import Collection

from hermesc.ir.graph import Weights
from hermesrt.data import all_finite as all_finite
from hermesrt.errors import ModelError


def check_finite_weights(weights: Weights, trained: Collection[str]) -> None:
    """No weight is NaN, and no trained one infinite; a mask may be."""
    for name, weight in weights.items():
        if weight.is_meta or not weight.is_floating_point() or all_finite(weight):
            continue
        if bool(weight.isnan().any()):
            raise ModelError(f"the weights of {name} hold NaN; load trained weights first")
        if name in trained and bool(weight.isinf().any()):
            raise ModelError(
                f"the weights of {name} hold NaN or infinity; load trained weights first"
            )
