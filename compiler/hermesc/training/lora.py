"""Low-rank adapters that train in place of the weights, which stay on the chip as programmed.

Adapters run on the host, in FP32 and beside the crossbar's product; the weights' noise is the
recipe's, as ever. Sources: Hu et al., LoRA, ICLR 2022; on analog chips Li et al. (arXiv 2411.17367,
2024).
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.frontend.quiet import quiet
from hermesc.frontend.torch.adapters import (
    Pair,
    adapters_of,
    attach,
    is_linear,
    merge,
    new_pairs,
)
from hermesc.training.hardening import hardening_of
from hermesc.training.plain import plain_of
from hermesrt.artifact.schema import Artifact
from hermesrt.errors import ModelError, OptionError
from hermesrt.program import Program


def adapted(
    model: nn.Module,
    held: Artifact,
    rank: int,
    seed: int,
    args: tuple[Tensor, ...],
    kwargs: Mapping[str, Tensor],
) -> nn.Module:
    """A copy of the model with adapters of its linear layers on the chip; nothing else trains.

    Raises: ModelError where there is no such layer; OptionError for a rank that is not low.
    """
    stored = {matrix.label for matrix in held.manifest.matrices}
    layers = [n for n in _called_layers(model, args, kwargs) if {n, f"{n}.weight"} & stored]
    if not layers:
        raise ModelError(
            "lora: the model calls no nn.Linear whose weights are on the chip, so there is nothing "
            "to adapt"
        )
    low = [n for n in layers if rank < min(model.get_parameter(f"{n}.weight").shape)]
    if not low:
        raise OptionError(
            f"lora={rank}: no layer is wider than that on both sides; take a lower rank"
        )
    made = copy.deepcopy(model).requires_grad_(False)
    attach(made, new_pairs(made, low, rank, seed))
    return made


def _called_layers(
    model: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor]
) -> list[str]:
    """The linear layers that the model calls as modules; attention of torch takes some of its
    weights without."""
    probe, called = copy.deepcopy(model).eval(), set[str]()
    for name, layer in probe.named_modules():
        if name and is_linear(layer):
            layer.register_forward_hook(lambda *_, name=name: called.add(name))
    with torch.no_grad(), quiet():
        probe(*args, **kwargs)
    return [name for name, _ in model.named_modules() if name in called]


def adapters(model: Any) -> dict[str, Pair]:
    """The adapters of a hardened model: of each layer A [rank, inputs] and B [outputs, rank], whose
    product B A comes to the layer's weight."""
    held = adapters_of(model)
    return {} if held is None else held.pairs()


def merged(model: Any) -> nn.Module:
    """The user's plain model with the adapters of a hardened one added to its weights.

    On the chip such a model is another one: its weights are to be programmed.
    Raises: ModelError for a weight that the model uses elsewhere too.
    """
    plain = copy.deepcopy(plain_of(model))
    merge(plain)
    return plain.requires_grad_(True)


def programmed(model: Any) -> Program:
    """The program of a hardened model's weights without its adapters: what the chip holds, for
    `chip.switch(program_of(model))`.

    Raises: OptionError for a model without adapters.
    """
    held = hardening_of(model).source.programmed
    if held is None:
        raise OptionError("the model has no adapters, so all of it is programmed: use program_of")
    return Program.of(held)
