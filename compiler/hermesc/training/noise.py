"""Random numbers of training, and what the chip's devices make of weights.

Each draw follows from the seed, the step and the number of the layer alone, not from the process,
so that all ranks of a distributed run see the same weights, and a run that goes on repeats the bits
of one that was never stopped. Draws are operations of torch's own registry, for a generator that is
seeded cannot be traced by torch.compile.
"""

import hashlib
import math

import torch
from torch import Tensor

from hermes_sim import flicker, pcm
from hermes_sim.core import logarithm_within
from hermes_sim.noise import ReadNoise
from hermesrt.chip.spec import ChipSpec
from hermesrt.seeds import generator

_CHIPS: dict[str, ChipSpec] = {}  # operations take numbers, texts and tensors alone


def known_chip(chip: ChipSpec) -> str:
    """The name under which operations find a chip's description: a digest of it."""
    key = hashlib.blake2b(repr(chip).encode(), digest_size=16).hexdigest()
    _CHIPS[key] = chip
    return key


@torch.library.custom_op("hermesc_training::normal", mutates_args=())
def normal(like: Tensor, step: Tensor, seed: int, layer: int, use: str) -> Tensor:
    """Standard normal numbers of a tensor's shape."""
    out = torch.empty(like.shape, dtype=like.dtype, device=like.device)
    name = ("training", int(step), layer, use)
    if out.device.type == "cpu" and out.dtype == torch.float32:
        return ReadNoise(seed, *name)(0, out)
    return out.normal_(generator=_on_device(out, seed, *name))


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
    for. The age's logarithm is uniform between a second and `oldest_s`; drift compensation is the
    factor that fits the matrix best, as the chip's `drift_reference` of products.
    """
    spec = _CHIPS[chip]
    stream = generator(seed, "training", int(step), layer, "programming")
    share = (weight.float() / largest).nan_to_num_(0.0).cpu()
    target = torch.stack([share.clamp(min=0), (-share).clamp(min=0)]).mul_(g_max_siemens)
    cells = target.flatten(1)[:, None, :]  # [polarity, rows, columns] for the device statistics
    held = pcm.program(spec.pcm, cells, stream, logarithm_within(spec))
    if oldest_s > 0:
        held = _aged(spec, cells, held, oldest_s, stream)
    error = (held[0] - held[1] - (cells[0] - cells[1])).div_(g_max_siemens).view(weight.shape)
    return (error.to(weight.device) * largest).to(weight.dtype)


@programming_error.register_fake
def _(weight: Tensor, *others: object) -> Tensor:  # noqa: ARG001
    return weight.new_empty(weight.shape)


def _aged(
    chip: ChipSpec, target: Tensor, held: Tensor, oldest_s: float, stream: torch.Generator
) -> Tensor:
    """The cells at an age, multiplied with the compensation's factor."""
    drawn = float(torch.rand((), generator=stream))
    age_s = math.exp(drawn * math.log(max(oldest_s, 1.0)))
    exponent = pcm.drift_exponent(chip.pcm, target, stream)
    aged = pcm.drift(chip.pcm, held, exponent, age_s)
    young, old = held[0] - held[1], aged[0] - aged[1]
    return aged * float((young * old).sum() / old.square().sum().clamp(min=1e-30))


@torch.library.custom_op("hermesc_training::read_variance", mutates_args=())
def read_variance(weight: Tensor, largest: Tensor, chip: str, g_max_siemens: float) -> Tensor:
    """Variance of one read of each weight, in squares of the weight's unit."""
    spec = _CHIPS[chip]
    siemens = (weight.float() / largest).nan_to_num_(0.0).abs_().mul_(g_max_siemens)
    split = spec.read_statistics.read_noise == "split"
    spread = spec.fast_noise.logarithm if split else flicker.logarithm(spec.pcm, 0.0)
    deviation = pcm.read_noise(spec.pcm, siemens, siemens, spread).div_(g_max_siemens)
    return (deviation * largest).square_().to(weight.dtype)


@read_variance.register_fake
def _(weight: Tensor, *others: object) -> Tensor:  # noqa: ARG001
    return weight.new_empty(weight.shape)


def _on_device(out: Tensor, seed: int, *name: str | int) -> torch.Generator:
    state = generator(seed, *name).initial_seed()
    return torch.Generator(out.device).manual_seed(state)
