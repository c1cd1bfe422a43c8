"""Random features that are drawn anew while a model trains, as Performers do.

Every so many steps all modules with a method `redraw(seed)` (those of `hermesc.kernels`, or the
user's), or with the `redraw_projection_matrix()` of public Performers, take other draws, so that
what follows them learns for any features and not for those of one seed. The draws follow from the
seed, the step and the module's name. A program holds one draw: the schedule is to end, by
`fix_features`, some steps before.
Source: Choromanski et al. 2021, section 4.2.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from hermesc.training.hardening import state_of
from hermesrt.errors import ModelError
from hermesrt.seeds import generator

_METHODS = ("redraw", "redraw_projection_matrix")


class MidRedrawWarning(UserWarning):
    """A program was made of a model whose features are still drawn anew."""


def redrawn(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The outermost modules that can take other draws, with their names."""
    found: tuple[str, ...] = ()
    for name, module in model.named_modules():
        inner = any(name.startswith(f"{outer}.") for outer in found)
        if name and not inner and any(callable(getattr(module, m, None)) for m in _METHODS):
            found += (name,)
            yield name, module


def check_redraw(model: nn.Module, every: int) -> None:
    """Raises: ModelError where the model has nothing to draw anew."""
    if every and next(redrawn(model), None) is None:
        raise ModelError(
            f"redraw_every={every}: no module of the model has a method `redraw(seed)`; those of "
            "hermesc.kernels do"
        )


@torch.compiler.disable  # type: ignore[untyped-decorator]
def redraw_at(model: Any, seed: int) -> None:
    """Take other draws where the step that begins asks for them."""
    own = state_of(model)
    step = int(own.step)
    if step == 0 or step % own.redraw_every or step > own.redraw_until:
        return
    for name, module in redrawn(model):
        drawn = generator(seed, "redraw", name, step).initial_seed() % 2**31
        seeded: Any = getattr(module, "redraw", None)
        if callable(seeded):
            seeded(drawn)
            continue
        unseeded: Any = getattr(module, "redraw_projection_matrix")  # noqa: B009 a Module has Any
        with torch.random.fork_rng():
            torch.manual_seed(drawn)
            unseeded()


def fix_features(model: Any) -> None:
    """Keep a hardened model's features as they are from now on."""
    state_of(model).redraw_every = 0


def warn_of_redraw(model: Any) -> None:
    """Warn where a hardened model's features are still drawn anew."""
    own = state_of(model)
    if not own.redraw_every:
        return
    last = min(int(own.step) - 1, own.redraw_until) // own.redraw_every * own.redraw_every
    trained = max(int(own.step) - max(last, 0), 0)
    warnings.warn(
        f"the model's random features are drawn anew every {own.redraw_every} steps, and the rest "
        f"has trained on these for {trained}: call hermesc.training.fix_features(model) and train "
        "some steps more before you compile it",
        MidRedrawWarning,
        stacklevel=3,
    )
