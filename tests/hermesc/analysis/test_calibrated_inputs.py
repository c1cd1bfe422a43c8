"""What inputs clip at, however they come."""

import pytest
import torch

from hermesc.analysis.calibrated_inputs import CalibratedInputs
from hermesc.ir.ops import Mvm
from hermesc.ir.types import TensorType
from hermesrt.errors import Location, ModelError

OP = Mvm("y", "x", "m", TensorType(("s0", 4), "float32"), "y", Location(), "layer")
X = torch.linspace(-2.0, 1.0, 400).reshape(100, 4)


def _seen(*parts: torch.Tensor) -> CalibratedInputs:
    found = CalibratedInputs(OP)
    for part in parts:
        found.update(part)
    return found


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("max", 2.0),
        ("percentile", float(X.abs().flatten().sort().values[200])),
        ("deviations", 0.5 * float(X.square().mean()) ** 0.5),
    ],
)
def test_the_limit_is_the_same_for_all_at_once_and_in_parts(kind, wanted):
    for parts in ((X,), X.split(7)):
        assert _seen(*parts).limit(kind, 50.0, 0.5) == pytest.approx(wanted, rel=1e-2)


def test_no_limit_is_beyond_the_largest_input():
    assert _seen(X).limit("deviations", 50.0, 100.0) == 2.0


def test_an_input_that_is_not_finite_is_refused_by_its_layer():
    with pytest.raises(ModelError, match="the input of layer is not finite"):
        _seen(torch.tensor([[1.0, torch.nan, 0.0, 0.0]]))
