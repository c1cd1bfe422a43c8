"""Training of the chip's own networks: plain, then for the chip, as its publication describes.

First in FP32. Then, as published: weights are clipped, have twice the chip's programming noise and
outputs 10 % of noise, inputs and outputs are 8-bit codes. Lengths, learning rates and the clip's
deviations are ours, and so is that batch norms take their statistics anew under the chip's own
errors at the end: the recipe's noise is larger, and moves the means behind every ReLU.
Source: Le Gallo et al., Nature Electronics 6, 680 (2023), Methods.
"""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hermesc.studies.networks.examples import Examples
from hermesc.training import (
    Clip,
    InputCode,
    OutputCode,
    OutputNoise,
    Recipe,
    WeightNoise,
    harden,
    settle_norms,
)
from hermesrt.chip.spec import ChipSpec

PUBLISHED = Recipe(
    "le gallo",
    ("Le Gallo et al., Nature Electronics 6, 680 (2023): clip, 2 x programming noise, 10 % output "
     "noise, 8-bit converters; the clip's 2.5 deviations are ours",),
    weights=WeightNoise("chip", 2.0, by_column=True),
    inputs=InputCode(),
    output_noise=OutputNoise(0.1),
    outputs=OutputCode(),
    clip=Clip(2.5),
)  # fmt: skip
_BATCH, _RATE, _TUNED_SHARE = 64, 2e-3, 0.2
_SETTLED = 1024  # examples of the statistics of norms, at most
Forward = Callable[[Tensor], Tensor]


def trained(model: nn.Module, data: Examples, epochs: int, seed: int) -> nn.Module:
    """The model after that many passes over the training data, in FP32."""
    _fit(model.train(), model, data, epochs, seed, _RATE)
    return model.eval()


def tuned(model: nn.Module, data: Examples, chip: ChipSpec, epochs: int, seed: int) -> nn.Module:
    """A plain model with weights that were trained for the chip, from those of a trained one."""
    examples = data.train[:_BATCH]
    hardened = harden(
        model.train(), examples, chip=chip, recipe=PUBLISHED, calibration=(examples,), seed=seed
    )
    _fit(hardened.train(), hardened, data, epochs, seed, _RATE * _TUNED_SHARE)
    settle_norms(hardened, {_argument(model): data.train[:_SETTLED]})
    model.load_state_dict(hardened.state_dict())
    return model.eval()


def _argument(model: nn.Module) -> str:
    """The name of a network's one input."""
    (name,) = inspect.signature(model.forward).parameters
    return name


def _fit(
    forward: Forward, model: nn.Module, data: Examples, epochs: int, seed: int, rate: float
) -> None:
    """Adam with a learning rate that rises and falls once."""
    draw = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    steps = epochs * (len(data.train) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=max(steps, 2))
    for _ in range(epochs):
        order = torch.randperm(len(data.train), generator=draw)
        for chosen in torch.split(order[: len(order) // _BATCH * _BATCH], _BATCH):
            optimizer.zero_grad()
            found = loss(forward(data.train[chosen]), data.train_targets[chosen])
            torch.autograd.backward(found)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()


def loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy in nats, the mean over images or characters."""
    return cross_entropy(scores.flatten(0, -2), targets.flatten())
