"""Clipping of weights after each step of an optimizer, whichever loop calls it.

Source: Joshi et al. 2020, Methods: after every update of a layer its weights are clipped at a
number of their standard deviations. torch tells every optimizer's step through a hook of its own;
only parameters of hardened models with a clip are touched.
"""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim.optimizer import register_optimizer_step_post_hook

_CLIPPED: "weakref.WeakKeyDictionary[nn.Module, tuple[tuple[str, ...], float]]" = (
    weakref.WeakKeyDictionary()
)
_HOOKS: list[Any] = []


def clip_after_steps(model: nn.Module, names: Iterable[str], deviations: float) -> None:
    """From now on, clip these parameters of the model after each step of its optimizer."""
    _CLIPPED[model] = (tuple(names), deviations)
    if not _HOOKS:
        _HOOKS.append(register_optimizer_step_post_hook(_after_step))


def clip_weights(model: nn.Module) -> None:
    """Clip a hardened model's weights now, as its recipe says; nothing where it does not."""
    for clipped, (names, deviations) in list(_CLIPPED.items()):
        if clipped is model:
            for name in names:
                clip(model.get_parameter(name), deviations)


def clip(weight: Tensor, deviations: float) -> None:
    """Clip at deviations of all its elements, in place; a sharded tensor's are those of all."""
    with torch.no_grad():
        values = weight.full_tensor() if isinstance(weight, DTensor) else weight
        limit = deviations * float(values.std(correction=0))
        local = weight.to_local() if isinstance(weight, DTensor) else weight
        local.clamp_(-limit, limit)


def _after_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    if not _CLIPPED:
        return
    stepped = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for model, (names, deviations) in list(_CLIPPED.items()):
        for name in names:
            weight = model.get_parameter(name)
            if id(weight) in stepped:
                clip(weight, deviations)
