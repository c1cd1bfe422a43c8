"""Frozen data with all its tensors on another device of torch's."""

import dataclasses
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def moved(value: T, place: torch.device) -> T:
    """The same data there: of a dataclass each field, of a tuple each part; what holds no tensor
    stays as it is."""
    found: Any = value
    if isinstance(value, Tensor):
        found = value.to(place)
    elif isinstance(value, tuple):
        found = tuple(moved(part, place) for part in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        found = dataclasses.replace(value, **{n: moved(v, place) for n, v in fields.items()})
    return found  # type: ignore[no-any-return]
