"""The second loss of the adversarial recipe: what the worst weights nearby do to the outputs.

Source: Buechel, Faber and Muir (ICLR 2022): weights w* within a share of each weight's size are
found by projected gradient ascent on the divergence between the outputs at w and at w*; that
divergence, times a factor, is added to the loss. Its gradient is taken at w with w* - w held.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from hermesc.training.hardening import hardening_of, state_of
from hermesc.training.plain import stored_names


def second_loss(model: Any, inputs: Mapping[str, Tensor], outputs: Tensor, *, classes: bool) -> Any:
    """What to add to the loss of a hardened model's outputs; zero where its recipe has no
    adversary."""
    recipe = hardening_of(model).recipe
    attack = recipe.adversarial
    if attack is None:
        return outputs.new_zeros(())
    weights = {name: model.get_parameter(name) for name in stored_names(model)}
    reach = {name: attack.size * w.detach().abs() for name, w in weights.items()}
    step = state_of(model).step.clone()
    away = {name: torch.zeros_like(w) for name, w in reach.items()}
    for name, limit in reach.items():  # a small random start: at w itself the gradient is zero
        away[name] = limit * 1e-2 * torch.randn_like(limit)
    for _ in range(attack.steps):
        moved = {n: (weights[n].detach() + away[n]).requires_grad_() for n in weights}
        found = _divergence(model, moved, inputs, outputs.detach(), step, classes=classes)
        slopes = torch.autograd.grad(found, list(moved.values()))
        for (name, limit), slope in zip(reach.items(), slopes, strict=True):
            new = away[name] + slope.sign() * limit / attack.steps
            away[name] = torch.maximum(torch.minimum(new, limit), -limit)
    worst = {n: weights[n] + away[n] for n in weights}
    return attack.weight * _divergence(model, worst, inputs, outputs, step, classes=classes)


def _divergence(
    model: Any,
    weights: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
    outputs: Tensor,
    step: Tensor,
    *,
    classes: bool,
) -> Tensor:
    with torch.no_grad():
        state_of(model).step.copy_(step - 1)  # the same noise as the outputs'
    found = functional_call(model, dict(weights), (), dict(inputs))
    if not classes:
        return functional.mse_loss(found, outputs)
    wanted, logits = outputs.log_softmax(-1), found.log_softmax(-1)
    return functional.kl_div(
        logits.flatten(0, -2), wanted.flatten(0, -2), reduction="batchmean", log_target=True
    )
