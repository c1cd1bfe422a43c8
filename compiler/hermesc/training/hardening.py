"""What copies of a hardened model share, and where a hardened model holds its own.

A hardened model is an instance of a subclass of the user's class, so what is ours in it has names
that no model uses; other files ask here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hermesc.frontend.request import ModelSource
from hermesc.pipeline import Options
from hermesc.training.plan import Plan
from hermesc.training.recipes import Recipe
from hermesc.training.state import TrainingState
from hermesc.training.weight_noise import TrainingDevice
from hermesrt.chip.spec import ChipSpec


@dataclass(frozen=True, slots=True, eq=False)
class Hardening:
    """What all copies of a hardened model share.

    recipe: how it trains.
    chip: for which one.
    options: of the compiler's passes.
    source: examples and calibration data; its model is the plain one, with its first weights.
    plan: the products on the chip.
    args: examples by position.
    kwargs: examples by keyword.
    device: what layers need of the chip.
    notes: what a user should know.
    frozen: modules that stay in evaluation while the model trains.
    """

    recipe: Recipe
    chip: ChipSpec
    options: Options
    source: ModelSource
    plan: Plan
    args: tuple[Tensor, ...]
    kwargs: Mapping[str, Tensor]
    device: TrainingDevice
    notes: tuple[str, ...]
    frozen: tuple[str, ...] = ()


def hardening_of(model: Any) -> Hardening:
    """What a hardened model shares with its copies."""
    found: Hardening = model._hardening
    return found


def state_of(model: Any) -> TrainingState:
    """The step and the learned ranges of a hardened model."""
    found: TrainingState = model._hermesc
    return found
