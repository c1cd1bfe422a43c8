"""Weights and constants: bytes, with the views of them that the program's JSON describes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.json_text import read_json
from hermesc.frontend.pt2.schema import PAYLOADS

_BYTES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 11: 16, 12: 1, 13: 2, 28: 2,
    29: 1, 30: 1, 31: 1, 32: 1, 33: 1, 34: 4, 35: 8,
}  # fmt: skip
_MOST_DIMENSIONS = 16
_ALWAYS_FINE = 2**28  # bytes of a view that repeats its data, such as an expanded buffer


@dataclass(frozen=True, slots=True)
class Payloads:
    """Tensors of one folder of the archive: `config` is the JSON for torch, `parts` the bytes."""

    config: dict[str, Any]
    parts: dict[str, bytes]


def read_payloads(parts: Mapping[str, bytes], folder: str, config_part: str, word: str) -> Payloads:
    """What `config_part` lists, each entry within the bytes that it names.

    `word` begins the names of the bytes: `weight` or `tensor`.
    Raises: RefusedPart.
    """
    if config_part not in parts:
        raise RefusedPart(f"it lacks {config_part}")
    try:
        config = PAYLOADS(read_json(parts[config_part], config_part))
    except RefusedPart as error:
        raise error.within(config_part) from None
    used: dict[str, bytes] = {}
    dtypes: dict[str, int] = {}
    for name, entry in config["config"].items():
        path = f"{folder}/{entry['path_name']}"
        if entry["use_pickle"] or entry["tensor_meta"] is None:
            raise RefusedPart(f"{path} holds objects that only an unsafe load would read")
        if not entry["path_name"].startswith(f"{word}_") or path not in parts:
            raise RefusedPart(f"the bytes of {name}, {path[:80]}, are not there")
        meta = entry["tensor_meta"]
        if dtypes.setdefault(path, meta["dtype"]) != meta["dtype"]:
            raise RefusedPart(f"{path} is read as two dtypes")
        _check_view(name, meta, len(parts[path]))
        used[path] = parts[path]
    return Payloads(config, used)


def _check_view(name: str, meta: Mapping[str, Any], held: int) -> None:
    sizes = _numbers(name, meta["sizes"])
    strides = _numbers(name, meta["strides"])
    (offset,) = _numbers(name, [meta["storage_offset"]])
    if len(sizes) != len(strides) or len(sizes) > _MOST_DIMENSIONS:
        raise RefusedPart(f"{name} has {len(sizes)} sizes and {len(strides)} strides")
    width = _BYTES[meta["dtype"]]
    count = math.prod(sizes)
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if held % width or (count and (last + 1) * width > held):
        raise RefusedPart(
            f"{name} of shape {sizes} needs bytes up to {(last + 1) * width}; the archive holds "
            f"{held} for it"
        )
    if count * width > max(_ALWAYS_FINE, 16 * held):
        raise RefusedPart(f"{name} repeats {held} bytes to {count * width}")


def _numbers(name: str, values: list[Any]) -> list[int]:
    numbers = [value.get("as_int", -1) for value in values]
    if any(number < 0 for number in numbers):
        raise RefusedPart(f"{name} has a size, a stride or an offset that is no number")
    return numbers
