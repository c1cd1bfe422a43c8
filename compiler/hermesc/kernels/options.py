"""Checks of what a user may choose, and packages that only some choices need."""

import importlib
import math
from typing import Any

from hermesrt.errors import OptionError
from hermesrt.extras import require


def check_positive(value: float, what: str) -> None:
    """Raises: OptionError when `value` is not a number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise OptionError(f"{what} is {value}; it must be above 0")


def check_sizes(inputs: int, features: int) -> None:
    """Raises: OptionError unless both are whole numbers of 1 or more."""
    for name, value in (("inputs", inputs), ("features", features)):
        if not isinstance(value, int) or value < 1:
            raise OptionError(
                f"{name} is {value!r}; a feature map needs a whole number of 1 or more"
            )


def check_seed(seed: int) -> int:
    """Raises: OptionError unless it is a whole number that torch takes as one."""
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise OptionError(f"seed is {seed!r}; it must be a whole number from 0 to 2^63 - 1")
    return seed


def import_optional(module: str, purpose: str) -> Any:
    """scipy and scikit-learn are needed by a few samplers and heads alone.

    Raises: InputError when it is not installed.
    """
    require(module.partition(".")[0], purpose)
    return importlib.import_module(module)
