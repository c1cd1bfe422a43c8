"""Low-rank adapters of a model's linear layers: y = layer(x) + (x A') B', the layer frozen.

The matrices lie in one hidden module of the model, and hooks of the layers add what they give; so
any export sees them, and `state_dict` keeps the model's own names. The matrices travel in the
dictionary's metadata, which torch.save keeps.
Source: Hu et al., LoRA, ICLR 2022: A normal, B zero; the factor before them is 1.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn import functional

from hermesrt.errors import ModelError
from hermesrt.seeds import generator

NAME = "_hermesc_adapters"
Pair = tuple[Float[Tensor, "rank inputs"], Float[Tensor, "outputs rank"]]


class Adapters(nn.Module):
    """The hidden module.

    layers: names of the layers that have one.
    """

    def __init__(self, pairs: Mapping[str, Pair]) -> None:
        super().__init__()
        self.layers = tuple(pairs)
        for i, (inner, outer) in enumerate(pairs.values()):
            self.register_parameter(f"a_{i}", nn.Parameter(inner))
            self.register_parameter(f"b_{i}", nn.Parameter(outer))

    def forward(self, x: Any) -> Any:
        """x: a container such as nn.Sequential runs all its modules."""
        return x

    def pair(self, i: int) -> Pair:
        """The matrices of a layer."""
        return getattr(self, f"a_{i}"), getattr(self, f"b_{i}")

    def pairs(self) -> dict[str, Pair]:
        """The matrices by layer."""
        return {name: self.pair(i) for i, name in enumerate(self.layers)}

    def take(self, pairs: Mapping[str, Pair]) -> None:
        """Matrices that were learned before; layers that are not named keep theirs."""
        with torch.no_grad():
            for name, own in self.pairs().items():
                for mine, given in zip(own, pairs.get(name, own), strict=True):
                    mine.copy_(given)

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """Nothing but the metadata."""
        destination = args[0] if args else destination
        metadata = getattr(destination, "_metadata", None)
        if metadata is not None and not any(isinstance(p, DTensor) for p in self.parameters()):
            held = {
                name: pair if keep_vars else tuple(p.detach().clone() for p in pair)
                for name, pair in self.pairs().items()
            }
            metadata[prefix.removesuffix(".")] = {"version": 1, "layers": held}
        return destination

    def _load_from_state_dict(self, *args: Any) -> None:
        held = args[2].get("layers") if isinstance(args[2], Mapping) else None
        if isinstance(held, Mapping):
            self.take(held)


class _Added:
    """A layer's hook: an object and not a closure, so that copies of the model have their own."""

    def __init__(self, adapters: Adapters, place: int) -> None:
        self._adapters, self._place = adapters, place

    def __call__(self, _layer: nn.Module, args: Any, kwargs: Any, output: Tensor) -> Tensor:
        x = args[0] if args else kwargs["input"]
        inner, outer = self._adapters.pair(self._place)
        return output + functional.linear(functional.linear(x, inner), outer)


def adapters_of(model: nn.Module) -> Adapters | None:
    """The model's adapters, if it has any."""
    found = model._modules.get(NAME)
    return found if isinstance(found, Adapters) else None


def new_pairs(model: nn.Module, layers: Iterable[str], rank: int, seed: int) -> dict[str, Pair]:
    """Matrices that change nothing yet, for these layers of the model."""
    found = {}
    for name in layers:
        weight = model.get_parameter(f"{name}.weight")
        outputs, inputs = weight.shape if not _is_transposed(model, name) else weight.T.shape
        stream = generator(seed, "adapter", name)
        inner = torch.randn(rank, inputs, generator=stream) / inputs**0.5
        found[name] = (inner.to(weight), weight.new_zeros(outputs, rank))
    return found


def attach(model: nn.Module, pairs: Mapping[str, Pair]) -> None:
    """Give the model adapters, in place.

    Raises: ModelError where it has no such layer, or one of another size.
    """
    held = Adapters(pairs)
    known = dict(model.named_modules())
    for i, (name, (inner, outer)) in enumerate(pairs.items()):
        layer = known.get(name)
        if layer is None or not is_linear(layer):
            raise ModelError(f"the adapters are of a layer {name!r}, which the model does not have")
        rows, columns = inner.shape[1], outer.shape[0]
        weight = layer.get_parameter("weight")
        shape = weight.T.shape if _is_transposed(model, name) else weight.shape
        if tuple(shape) != (columns, rows) or outer.shape[1] != inner.shape[0]:
            raise ModelError(
                f"the adapter of {name} is of a layer of {rows} inputs and {columns} outputs; the "
                f"model's has {shape[1]} and {shape[0]}"
            )
        layer.register_forward_hook(_Added(held, i), with_kwargs=True)
    model.add_module(NAME, held)


def without(model: nn.Module) -> nn.Module:
    """A copy without adapters."""
    plain = copy.deepcopy(model)
    _detach(plain)
    return plain


def merge(model: nn.Module) -> None:
    """Add what the adapters give to the layers' own weights, in place; they are gone then.

    Raises: ModelError for a weight that the model uses elsewhere too.
    """
    held = adapters_of(model)
    pairs = {} if held is None else held.pairs()
    owners = [id(p) for m in model.modules() for p in m._parameters.values() if p is not None]
    for name, (inner, outer) in pairs.items():
        weight = model.get_parameter(f"{name}.weight")
        if owners.count(id(weight)) > 1:
            raise ModelError(f"the weight of {name} is shared, so its adapter cannot be merged")
        change = outer @ inner
        with torch.no_grad():
            weight.add_(change.T if _is_transposed(model, name) else change)
    _detach(model)


def is_linear(layer: nn.Module) -> bool:
    """Whether it is a linear layer of torch, or that of transformers with its weight transposed."""
    return isinstance(layer, nn.Linear) or (
        type(layer).__name__ == "Conv1D" and getattr(layer, "weight", torch.empty(0)).dim() == 2
    )


def _is_transposed(model: nn.Module, name: str) -> bool:
    return not isinstance(model.get_submodule(name), nn.Linear)


def _detach(model: nn.Module) -> None:
    model._modules.pop(NAME, None)
    for layer in model.modules():
        for number, hook in list(layer._forward_hooks.items()):
            if isinstance(hook, _Added):
                del layer._forward_hooks[number]
                layer._forward_hooks_with_kwargs.pop(number, None)
