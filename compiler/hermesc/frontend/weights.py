"""Files of trained weights: a state dictionary by torch.save, or safetensors; read as data.

Ranges that training has learned are in the dictionary's metadata, or in the file's.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.frontend.describe import describe
from hermesc.frontend.request import ModelSource
from hermesrt.errors import InputError, ModelError
from hermesrt.files.atomic import read_file

_METADATA, _RANGES = "_hermesc", "input_ranges"


def with_weights(source: ModelSource, path: Path) -> ModelSource:
    """The model with the weights, and the learned ranges, of a file.

    Raises: ModelError for a model that takes none, or others; InputError for an unreadable file.
    """
    if not isinstance(source.model, nn.Module):
        raise ModelError(f"{path}: only an nn.Module takes weights; this model holds its own")
    weights, ranges = read_weights(path)
    try:
        source.model.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise ModelError(f"{path}: not the weights of this model: {describe(error)}") from None
    return replace(source, input_ranges={**source.input_ranges, **ranges})


def read_weights(path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, float]]:
    """The weights and the learned ranges; nothing in the file is run.

    Raises: InputError.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    read_file(path, "file of weights")
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # of any kind, for the file may hold anything
        raise InputError(
            f"{path}: not a state dictionary that torch.load reads with weights_only=True "
            f"({describe(error)}); write one with torch.save(model.state_dict(), path)"
        ) from None
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise InputError(f"{path}: holds no state dictionary; save model.state_dict()")
    metadata = getattr(found, "_metadata", {})
    return found, _ranges(metadata.get(_METADATA, {}).get(_RANGES, {}), path)


def _read_safetensors(path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, float]]:
    from safetensors import SafetensorError, safe_open

    read_file(path, "file of weights")
    try:
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            text = (file.metadata() or {}).get(_RANGES, "{}")
            return weights, _ranges(json.loads(text), path)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a readable file of weights: {error}") from None


def _ranges(found: Any, path: Path) -> dict[str, float]:
    good = isinstance(found, Mapping) and all(
        isinstance(k, str) and isinstance(v, int | float) for k, v in found.items()
    )
    if not good:
        raise InputError(f"{path}: its learned ranges are no numbers by layer; train again")
    return {k: float(v) for k, v in found.items()}
