"""A model of the zoo: how it is built, its inputs, and what it must become."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

X = ((8, 16),)
X3 = ((8, 3, 16),)
HEADS = ((8, 6, 2, 8),)


class Fn(nn.Module):
    """A forward that is a function of the module and its inputs, over random parameters."""

    def __init__(self, forward: Callable[..., Any], **shapes: tuple[int, ...]) -> None:
        super().__init__()
        self._forward_function = forward
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.randn(*shape)))

    def forward(self, x: Tensor, other: Tensor | None = None) -> Any:
        inputs = (x,) if other is None else (x, other)
        return self._forward_function(self, *inputs)


class Layers(nn.Module):
    """The same over layers."""

    def __init__(self, forward: Callable[..., Any], **layers: nn.Module) -> None:
        super().__init__()
        self._forward_function = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Any:
        inputs = (x,) if other is None else (x, other)
        return self._forward_function(self, *inputs)


@dataclass(frozen=True)
class Case:
    """A model, its inputs' sizes, and how many Mvms and stored matrices it must become."""

    name: str
    build: Callable[[], nn.Module]
    shapes: tuple[Any, ...]
    mvms: int
    matrices: int | None = None
    dynamic: Any = None

    def inputs(self, batch: int | None = None, seed: int = 1) -> tuple[Tensor, ...]:
        """Example inputs, of another batch size if one is given; "ids" are whole numbers."""
        make = torch.Generator().manual_seed(seed)
        found = []
        for shape in self.shapes:
            ids = shape[0] == "ids"
            sizes = shape[1:] if ids else shape
            sizes = sizes if batch is None else (batch, *sizes[1:])
            found.append(
                torch.randint(0, 20, sizes, generator=make)
                if ids
                else torch.randn(*sizes, generator=make)
            )
        return tuple(found)


def fn(name: str, mvms: int, forward: Any, *inputs: Any, **shapes: tuple[int, ...]) -> Case:
    """A function over random parameters of those shapes."""
    return Case(name, lambda: Fn(forward, **shapes), inputs or X, mvms)


def layers(name: str, mvms: int, forward: Any, *inputs: Any, **makers: Any) -> Case:
    """A function over the layers that the makers make."""

    def build() -> nn.Module:
        return Layers(forward, **{key: make() for key, make in makers.items()})

    return Case(name, build, inputs or X, mvms)
