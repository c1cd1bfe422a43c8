"""Files of trained weights: a state dictionary by torch.save, or safetensors; read as data.

Ranges and low-rank adapters that training has learned are in the dictionary's metadata; ranges may
be in a file's own. Dictionaries of aihwkit's models are those of plain ones here.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.frontend.aihwkit import fitted, from_state, is_aihwkit
from hermesc.frontend.describe import describe
from hermesc.frontend.inert_file import read_inert
from hermesc.frontend.request import ModelSource
from hermesc.frontend.torch.adapters import NAME, Pair, attach
from hermesrt.errors import InputError, ModelError
from hermesrt.files.atomic import read_file

_METADATA, _RANGES = "_hermesc", "input_ranges"


@dataclass(frozen=True, slots=True)
class TrainedWeights:
    """What a file of weights holds.

    weights: by the model's names.
    ranges: where inputs of layers clip, as learned, by `Graph.slots`.
    adapters: two matrices a layer.
    """

    weights: Mapping[str, Tensor]
    ranges: Mapping[str, float]
    adapters: Mapping[str, Pair] = field(default_factory=dict)


def with_weights(source: ModelSource, path: Path) -> ModelSource:
    """The model with the weights, the learned ranges and the adapters of a file.

    Raises: ModelError for a model that takes none, or others; InputError for an unreadable file.
    """
    if not isinstance(source.model, nn.Module):
        raise ModelError(f"{path}: only an nn.Module takes weights; this model holds its own")
    found = read_weights(path)
    own = source.model.state_dict()
    for name, value in found.weights.items():
        if value.is_complex() and name in own and not own[name].is_complex():
            raise ModelError(f"{path}: {name} is {value.dtype}, and the model's are real numbers")
    try:
        source.model.load_state_dict(fitted(found.weights, own))
    except (RuntimeError, TypeError) as error:
        raise ModelError(
            f"{path}: not the weights of this model: {describe(error)}; save model.state_dict() of "
            "the same model"
        ) from None
    if found.adapters:
        attach(source.model, found.adapters)
    return replace(source, input_ranges={**source.input_ranges, **found.ranges})


def read_weights(path: Path) -> TrainedWeights:
    """The weights, the learned ranges and the adapters; nothing in the file is run.

    Raises: InputError.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    found = _read_torch(path)
    if isinstance(found, Mapping) and is_aihwkit(found):
        converted = from_state(found)
        return TrainedWeights(converted.weights, _ranges(converted.ranges, path))
    if not isinstance(found, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()
    ):
        raise InputError(
            f"{path}: holds no state dictionary, which has tensors by name; save model.state_dict()"
        )
    ranges = _ranges(_told(found, _METADATA, _RANGES), path)
    return TrainedWeights(found, ranges, _adapters(_told(found, NAME, "layers"), path))


def _read_torch(path: Path) -> Any:
    """What torch.save wrote; objects of absent packages are inert in dictionaries of aihwkit."""
    read_file(path, "file of weights")
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # of any kind, for the file may hold anything
        with contextlib.suppress(Exception):
            found = read_inert(path)
            if isinstance(found, Mapping) and is_aihwkit(found):
                return found
        raise InputError(
            f"{path}: not a state dictionary that torch.load reads with weights_only=True "
            f"({type(error).__name__}); write one with torch.save(model.state_dict(), path)"
        ) from None


def _told(weights: Any, module: str, what: str) -> Any:
    """What a hidden module noted in the dictionary's metadata."""
    metadata = getattr(weights, "_metadata", None)
    held = metadata.get(module) if isinstance(metadata, Mapping) else None
    return held.get(what, {}) if isinstance(held, Mapping) else {}


def _read_safetensors(path: Path) -> TrainedWeights:
    from safetensors import SafetensorError, safe_open

    read_file(path, "file of weights")
    try:
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            text = (file.metadata() or {}).get(_RANGES, "{}")
            return TrainedWeights(weights, _ranges(json.loads(text), path))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a readable file of weights: {error}") from None


def _ranges(found: Any, path: Path) -> dict[str, float]:
    good = isinstance(found, Mapping) and all(
        isinstance(k, str) and isinstance(v, int | float) for k, v in found.items()
    )
    if not good:
        raise InputError(f"{path}: its learned ranges are no numbers by layer; train again")
    return {k: float(v) for k, v in found.items()}


def _adapters(found: Any, path: Path) -> dict[str, Pair]:
    good = isinstance(found, Mapping) and all(
        isinstance(name, str)
        and isinstance(pair, tuple)
        and len(pair) == 2
        and all(isinstance(p, Tensor) and p.dim() == 2 and p.is_floating_point() for p in pair)
        for name, pair in found.items()
    )
    if not good:
        raise InputError(f"{path}: its adapters are not two matrices for each layer; train again")
    return dict(found)
