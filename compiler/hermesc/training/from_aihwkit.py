"""Models that aihwkit or aihwkit-lightning trained, as plain ones with their learned ranges."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from hermesc.frontend.aihwkit import fitted, from_state, is_aihwkit
from hermesc.frontend.describe import describe
from hermesc.frontend.weights import read_weights
from hermesrt.errors import InputError, ModelError


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A plain model with the weights of an analog one.

    model: it; `harden` trains it on, `compile` takes it.
    input_ranges: where inputs of layers clip, as learned; for `compile(..., input_ranges=...)`.
    """

    model: nn.Module
    input_ranges: Mapping[str, float]


def from_aihwkit(model: nn.Module, state: Mapping[str, Any] | str | Path) -> Converted:
    """A copy of a plain model with what an analog one has learned.

    model: of the same structure and names, with torch's own layers (`nn.Linear` where the other has
        `AnalogLinear`).
    state: the `state_dict()` of the analog model, or a file of it by torch.save; neither aihwkit
        nor aihwkit-lightning is needed.
    Raises: InputError for a layout that is not known; ModelError where the weights are those of
        another model.
    """
    if isinstance(state, Mapping):
        if not is_aihwkit(state):
            raise InputError(
                "the state dictionary has neither analog tiles nor learned input ranges; load it "
                "with model.load_state_dict"
            )
        found = from_state(state)
        weights, ranges = found.weights, found.ranges
    else:
        held = read_weights(Path(state))
        weights, ranges = held.weights, held.ranges
    made = copy.deepcopy(model)
    try:
        made.load_state_dict(fitted(weights, made.state_dict()))
    except (RuntimeError, TypeError) as error:
        raise ModelError(f"the weights are not those of this model: {describe(error)}") from None
    return Converted(made, dict(ranges))
