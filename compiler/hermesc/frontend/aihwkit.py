"""State dictionaries of models that aihwkit and aihwkit-lightning made, as those of plain models.

In: a state dictionary; neither package. Out: weights under the names that torch's own layers have,
and where the inputs of each layer clip. What a layer LAYER has there:

aihwkit (IBM, up to 1.2, simulator/tiles/base.py, periphery.py and array.py): for a tile TILE, which
is LAYER.analog_module or, where the matrix was split, LAYER.analog_module.array.I.J with I along
the inputs and J along the outputs,
    TILE.analog_tile_state    a dictionary; `analog_tile_weights` [outputs, inputs], one more column
                              where the bias is analog, which the model's own sizes tell
    TILE.tile.weight          the same of tiles in torch
    TILE.mapping_scales, TILE.out_scaling_alpha   [1] or [outputs], which multiply the result
    TILE.bias or LAYER.analog_module.bias         digital bias, [outputs]
    TILE.input_range          [1]
aihwkit-lightning (2.1, nn/modules/linear.py and base.py): LAYER.weight and LAYER.bias as torch's,
    LAYER.input_range         [parts of the inputs]
    LAYER.learnable_weight_clip   [parts, outputs], where the weights clip
A layer's range here is the largest of its tiles', for a program has one. Quantised peripheries of
aihwkit have no counterpart and are refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.errors import InputError

_STATE, _WEIGHTS = "analog_tile_state", "analog_tile_weights"
_TILE = re.compile(r"^(?P<layer>(?:.*\.)?)analog_module(?:\.array\.(?P<i>\d+)\.(?P<j>\d+))?$")
_BOOKKEEPING = (
    "analog_ctx", "shared_weights", "input_range_update_idx", "input_range", "mapping_scales",
    "out_scaling_alpha", "x_min", "x_max", "learnable_weight_clip", "bias", _STATE, "tile.weight",
    "image_sizes", "tile.bias",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AihwkitWeights:
    """What such a model knows.

    weights: by the names of torch's own layers; a convolution's are [outputs, inputs].
    ranges: where inputs clip, by layer.
    """

    weights: Mapping[str, Tensor]
    ranges: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Tile:
    """One tile.

    place: along the inputs and along the outputs.
    weight: with its scales.
    bias: of its outputs, if it has one.
    limit: where its inputs clip; None where it has no range.
    """

    place: tuple[int, int]
    weight: Float[Tensor, "outputs inputs"]
    bias: Float[Tensor, " outputs"] | None
    limit: float | None


def is_aihwkit(state: Mapping[Any, Any]) -> bool:
    """Whether a state dictionary has analog tiles or learned input ranges."""
    return any(
        isinstance(key, str)
        and (
            key.endswith((f".{_STATE}", ".input_range", ".learnable_weight_clip"))
            or ".analog_module." in f".{key}"
            or key.startswith("analog_tile_state_")
            or ".analog_tile_state_" in key
        )
        for key in state
    )


def from_state(state: Mapping[str, Any]) -> AihwkitWeights:
    """The plain weights and the ranges.

    Raises: InputError for a layout that is not known, and for parts that do not fit each other.
    """
    tiles = _tiles_by_layer(state)
    weights: dict[str, Tensor] = {}
    ranges: dict[str, float] = {}
    for layer, parts in tiles.items():
        weight, bias = _joined(layer, parts)
        shared = state.get(f"{layer}analog_module.bias")
        weights[f"{layer}weight"] = weight
        if bias is None and isinstance(shared, Tensor):
            bias = shared
        if bias is not None:
            weights[f"{layer}bias"] = bias
        limits = [tile.limit for tile in parts if tile.limit is not None]
        if limits:
            ranges[layer.removesuffix(".")] = max(limits)
    for key, value in state.items():
        _take_plain(key, value, state, weights, ranges)
    return AihwkitWeights(weights, ranges)


def _tiles_by_layer(state: Mapping[str, Any]) -> dict[str, list[_Tile]]:
    found: dict[str, list[_Tile]] = {}
    for key in state:
        if "analog_tile_state_" in key or ("quantizer" in key and "analog_module" in key):
            raise InputError(
                f"{key}: a layout of aihwkit that has no counterpart here (before 0.6, or with a "
                "quantised periphery); convert the model with its `to_digital` first"
            )
        for end in (f".{_STATE}", ".tile.weight"):
            match = _TILE.match(key.removesuffix(end)) if key.endswith(end) else None
            if match is None:
                continue
            layer = match["layer"]
            place = int(match["i"] or 0), int(match["j"] or 0)
            if all(tile.place != place for tile in found.get(layer, [])):
                found.setdefault(layer, []).append(_tile(state, key.removesuffix(end), place))
    return found


def _tile(state: Mapping[str, Any], name: str, place: tuple[int, int]) -> _Tile:
    held = state.get(f"{name}.{_STATE}", {})
    held = held if isinstance(held, Mapping) else {}
    raw = held.get(_WEIGHTS, state.get(f"{name}.tile.weight"))
    if raw is None:
        raise InputError(f"{name}: the tile has no weights; save model.state_dict() of aihwkit")
    weight = _numbers(raw, name)
    if weight.dim() != 2:
        raise InputError(
            f"{name}: the tile's weights have the shape {tuple(weight.shape)}; they must "
            "be a matrix"
        )
    scale = _scale(state, name, held, len(weight))
    limit = _tensor(state, f"{name}.input_range")
    return _Tile(
        place,
        weight * scale[:, None],
        _tensor(state, f"{name}.bias"),
        None if limit is None else float(limit.abs().max()),
    )


def _scale(
    state: Mapping[str, Any], name: str, held: Mapping[str, Any], outputs: int
) -> Float[Tensor, " outputs"]:
    """What multiplies each output: the scales of mapping times those that were learned."""
    total = torch.ones(outputs)
    for key in ("mapping_scales", "out_scaling_alpha"):
        value = state.get(f"{name}.{key}", held.get(key))
        if value is None:
            continue
        factor = _numbers(value, f"{name}.{key}").reshape(-1)
        if len(factor) not in (1, outputs):
            raise InputError(
                f"{name}.{key}: {len(factor)} scales for {outputs} outputs; there must be one for "
                "each, or one for all"
            )
        total = total * factor
    return total


def _numbers(value: Any, name: str) -> Tensor:
    """A tensor or an array in FP32."""
    if not isinstance(value, Tensor | np.ndarray) or (
        isinstance(value, np.ndarray) and value.dtype.kind not in "fiu"
    ):
        raise InputError(f"{name}: a {type(value).__name__} where numbers should be")
    return torch.as_tensor(value).detach().float().cpu()


def _tensor(state: Mapping[str, Any], key: str) -> Tensor | None:
    value = state.get(key)
    return value.detach().float().cpu() if isinstance(value, Tensor) else None


def _joined(layer: str, tiles: list[_Tile]) -> tuple[Tensor, Tensor | None]:
    """The whole matrix and bias of a layer's tiles."""
    columns = sorted({tile.place[0] for tile in tiles})
    by_place = {tile.place: tile for tile in tiles}
    rows = sorted({tile.place[1] for tile in tiles})
    if len(tiles) != len(columns) * len(rows):
        raise InputError(
            f"{layer}analog_module: its tiles make no whole matrix, of {len(rows)}x{len(columns)} "
            f"there are {len(tiles)}; save model.state_dict() of the whole model"
        )
    try:
        weight = torch.cat(
            [torch.cat([by_place[i, j].weight for j in rows], 0) for i in columns], 1
        )
    except RuntimeError:
        raise InputError(
            f"{layer}analog_module: tiles beside each other differ in size; save "
            "model.state_dict() of the whole model"
        ) from None
    biases = [by_place[i, j].bias for i in columns for j in rows if by_place[i, j].bias is not None]
    if not biases:
        return weight, None
    found = torch.cat([b for b in biases if b is not None])
    return weight, found.reshape(-1, len(weight)).sum(0)


def _take_plain(
    key: str,
    value: Any,
    state: Mapping[str, Any],
    weights: dict[str, Tensor],
    ranges: dict[str, float],
) -> None:
    """A tensor that is not part of an aihwkit tile."""
    if "analog_module" in key.split(".") or not isinstance(value, Tensor):
        return
    layer, _, last = key.rpartition(".")
    lightning = f"{layer}.input_range" in state or f"{layer}.learnable_weight_clip" in state
    if last == "input_range":
        ranges[layer] = float(value.detach().abs().max())
    elif not (lightning and last in _BOOKKEEPING) or last == "bias":
        clip = state.get(f"{layer}.learnable_weight_clip") if last == "weight" else None
        weights[key] = value if clip is None else _clipped(layer, value, clip)


def _clipped(layer: str, weight: Tensor, clip: Tensor) -> Tensor:
    """Weights clipped at a limit for each output and part of the inputs, as the layer clips them in
    every forward pass."""
    flat, limits = weight.detach().reshape(len(weight), -1), clip.detach().abs()
    parts, inputs = len(limits), flat.shape[1]
    if limits.shape != (parts, len(flat)) or parts > inputs:
        raise InputError(
            f"{layer}.learnable_weight_clip: the shape {tuple(clip.shape)} does not fit a layer of "
            f"{len(flat)} outputs and {inputs} inputs; it has a row for each part of the "
            "inputs, and a column for each output"
        )
    base, more = divmod(inputs, parts)
    sizes = torch.tensor([base + (i < more) for i in range(parts)])
    wide = limits.T.repeat_interleave(sizes, 1)
    return flat.clamp(-wide, wide).reshape(weight.shape)


def fitted(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in the shapes that a model has: those of convolutions are matrices in a tile, and
    an analog bias is their last column."""
    made = dict(found)
    for name, value in found.items():
        like = wanted.get(name)
        if like is None or like.dim() < 2 or value.shape == like.shape:
            continue
        bias = f"{name.removesuffix('weight')}bias"
        columns = like[0].numel()
        alone = bias in wanted and bias not in found
        if alone and value.shape == (len(like), columns + 1):
            made[bias], value = value[:, -1], value[:, :-1]
        made[name] = value.reshape(like.shape) if value.numel() == like.numel() else value
    return made
