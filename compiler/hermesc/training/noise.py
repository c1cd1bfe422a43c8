"""Random numbers of training, and what the chip's devices make of weights.

Each draw follows from the seed, the step and the number of the layer alone, not from the process,
so that all ranks of a distributed run see the same weights, and a run that goes on repeats the bits
of one that was never stopped. Draws are operations of torch's own registry, for a generator that is
seeded cannot be traced by torch.compile.
"""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from hermes_sim.noise import fill
from hermesc.training.device_curves import ChipCurves, ages, draw_error, read_variances
from hermesrt.chip.spec import ChipSpec
from hermesrt.seeds import generator

_CHIPS: dict[str, ChipCurves] = {}  # operations take numbers, texts and tensors alone


def known_chip(chip: ChipSpec) -> str:
    """The name under which operations find a chip's description: a digest of it."""
    key = hashlib.blake2b(repr(chip).encode(), digest_size=16).hexdigest()
    _CHIPS.setdefault(key, ChipCurves(chip))
    return key


def prepare(chip: str, g_max_siemens: Iterable[float], oldest_s: float) -> None:
    """Make the curves that steps will need, so that no step waits for them."""
    for age_s in (0.0, *ages(oldest_s)):
        for g_max in g_max_siemens:
            _CHIPS[chip].at(age_s, g_max)


@torch.library.custom_op("hermesc_training::normal", mutates_args=())
def normal(like: Tensor, step: Tensor, seed: int, layer: int, use: str) -> Tensor:
    """Standard normal numbers of a tensor's shape."""
    return _normal(like, seed, "training", int(step), layer, use)


@normal.register_fake
def _(like: Tensor, step: Tensor, seed: int, layer: int, use: str) -> Tensor:  # noqa: ARG001
    return like.new_empty(like.shape)


@torch.library.custom_op("hermesc_training::programming_error", mutates_args=())
def programming_error(
    weight: Tensor,
    largest: Tensor,
    step: Tensor,
    seed: int,
    layer: int,
    chip: str,
    g_max_siemens: float,
    oldest_s: float,
) -> Tensor:
    """What programming, and drift up to a random age, change in each weight.

    Weights are conductances as `hermesrt.chip.conductance` says; `largest` is what g_max stands
    for. The age's logarithm is uniform between a second and `oldest_s`.
    """
    known, stream = ages(oldest_s), generator(seed, "training", int(step), layer, "age")
    age_s = known[int(torch.randint(len(known), (), generator=stream))]
    curves = _CHIPS[chip].at(age_s, g_max_siemens)
    drawn = _normal(weight, seed, "training", int(step), layer, "programming")
    return draw_error(curves, weight, largest, drawn)


@programming_error.register_fake
def _(weight: Tensor, *others: object) -> Tensor:  # noqa: ARG001
    return weight.new_empty(weight.shape)


@torch.library.custom_op("hermesc_training::read_variance", mutates_args=())
def read_variance(weight: Tensor, largest: Tensor, chip: str, g_max_siemens: float) -> Tensor:
    """Variance of one read of each weight, in squares of the weight's unit."""
    curves = _CHIPS[chip].at(0.0, g_max_siemens)
    return read_variances(curves, weight, largest)


@read_variance.register_fake
def _(weight: Tensor, *others: object) -> Tensor:  # noqa: ARG001
    return weight.new_empty(weight.shape)


def _normal(like: Tensor, seed: int, *name: str | int) -> Tensor:
    out = torch.empty(like.shape, dtype=like.dtype, device=like.device)
    if out.device.type == "cpu" and out.dtype == torch.float32:
        return fill(out, seed, *name)
    state = generator(seed, *name).initial_seed()
    return out.normal_(generator=torch.Generator(out.device).manual_seed(state))
