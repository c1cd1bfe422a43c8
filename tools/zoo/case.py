"""One model of another package, small and with random weights, and the inputs it is tried on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim

LENGTHS = 1  # the dimension of a text's length


@dataclass(frozen=True, slots=True)
class Case:
    """A model and two sets of inputs of different sizes.

    model: an nn.Module, or an onnx.ModelProto.
    inputs: what it is compiled on: a tensor, a tuple by position, or a mapping by keyword.
    others: of another batch, and another length or image size where the model takes one.
    shapes: sizes that stay symbolic besides the batch, as in torch.export.
    """

    model: Any
    inputs: Any
    others: Any
    shapes: Any = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: the package, the model's name there, and how it is made."""

    package: str
    name: str
    make: Callable[[], Case]


def image(model: Any, size: int = 64, other: int | None = None, channels: int = 3) -> Case:
    """A model of square images; `other` is another size that it takes."""
    pair = [torch.randn(n, channels, s, s) for n, s in ((2, size), (3, other or size))]
    shapes = ({2: Dim.AUTO, 3: Dim.AUTO},) if other else None
    return Case(model, (pair[0],), (pair[1],), shapes)


def text(
    model: Any, words: int = 97, mask: str = "", lengths: tuple[int, int] = (10, 14), **more: Any
) -> Case:
    """A model of `input_ids`; `mask` is the name of one that hides the end of some rows."""
    made = [_text(n, length, words, mask) for n, length in zip((2, 3), lengths, strict=True)]
    same = lengths[0] == lengths[1]
    shapes = None if same else {name: {LENGTHS: Dim.AUTO} for name in made[0]}
    return Case(model, made[0] | more, made[1] | more, shapes)


def _text(rows: int, length: int, words: int, mask: str) -> dict[str, Tensor]:
    found = {"input_ids": torch.randint(3, words, (rows, length))}
    if mask:
        found[mask] = (
            torch.arange(length) < torch.tensor([[length], *[[length - 3]] * (rows - 1)])
        ).long()
    return found
