"""Statistics of batch norms: what they must be on the chip, not what they were under noise.

While it trains, a batch norm takes mean and deviation of each batch, and keeps their running means.
A recipe's noise is larger than the chip's, and what comes behind it has another mean: a ReLU or an
exponential of a noisy value is larger than that of the value. So the kept statistics are not those
of the chip, and all samples there are shifted alike; where samples hardly differ, as means of many
tokens, that decides every answer. `settle_norms` takes them anew under the chip's own errors, of
which each batch has other ones. `freeze_norms` leaves them as the model learned them before.
Joshi et al., Nat. Commun. 11, 2473 (2020), take statistics anew on each chip, after programming.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.training.build import harden
from hermesc.training.hardening import hardening_of
from hermesc.training.recipes import CHIP


def freeze_norms(model: nn.Module) -> None:
    """Set all batch norms to evaluation, before the model is hardened; their weights and biases
    train on."""
    for norm in _norms(model):
        norm.eval()


def settle_norms(model: Any, inputs: Mapping[str, Tensor], batch: int = 32) -> None:
    """Give the batch norms of a hardened model the statistics that these inputs, by the names of
    its arguments, have on chips: the mean over batches, each on another one. Norms that were frozen
    stay, and so do all where the recipe has nothing of the chip, or adapters alone train."""
    shared, norms = hardening_of(model), _norms(model)
    source = shared.source
    if not norms or shared.recipe.idle or source.programmed is not None:
        return
    plain, _ = model.hermesc_trained()
    plain.eval().training = True  # nothing else is as in training, such as dropout
    for norm in _norms(plain):
        norm.train().momentum = 1.0  # a batch leaves its own statistics
    noisy = harden(
        plain, {name: t[:4] for name, t in inputs.items()}, chip=shared.chip, recipe=CHIP,
        calibration=source.calibration, seed=shared.device.seed, options=shared.options,
        dynamic_shapes=source.dynamic_shapes,
    )  # fmt: skip
    found = [_means(noisy, part) for part in _batches(inputs, batch)]
    with torch.no_grad():
        for (norm, name), *means in zip(norms.items(), *found, strict=True):
            if name in shared.frozen:
                continue
            norm.running_mean.copy_(torch.stack([mean for mean, _ in means]).mean(0))
            norm.running_var.copy_(torch.stack([var for _, var in means]).mean(0))


def _batches(inputs: Mapping[str, Tensor], batch: int) -> Iterator[dict[str, Tensor]]:
    count = len(next(iter(inputs.values())))
    for rows in torch.split(torch.arange(max(count // batch, 1) * batch), batch):
        yield {name: t[rows[rows < count]] for name, t in inputs.items()}


def _means(model: Any, inputs: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance that a batch leaves in each norm."""
    with torch.no_grad():
        model(**inputs)
    return [(n.running_mean.clone(), n.running_var.clone()) for n in _norms(model)]


def _norms(model: nn.Module) -> dict[Any, str]:
    """Batch norms that keep statistics, and their names."""
    kind = nn.modules.batchnorm._BatchNorm
    found = {m: name for name, m in model.named_modules() if isinstance(m, kind)}
    return {m: name for m, name in found.items() if m.running_mean is not None}
