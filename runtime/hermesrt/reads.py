"""Which read of which sample: numbers that noise is drawn by.

A sample is known by its content and by how often the chip has seen that content before. So its
noise depends neither on how samples are split into calls and blocks nor on the order of different
samples, two equal samples have different noise, and so has a sample that is given again. (Noise by
place in the batch would change with the order; noise by content alone would be the same for equal
samples, and an average over calls would not fall.)
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.data import array_of

Keys = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: places of a sample apart
_WORDS = 2**14  # of samples at once, so that all of them stay in the processor's cache


class ReadCounter:
    """The keys of samples; how often each was seen is kept, in about 100 bytes a sample."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def forget(self) -> None:
        """As if no sample had been seen."""
        self._seen.clear()

    def keys(self, inputs: Mapping[str, Tensor], batched: tuple[str, ...], samples: int) -> Keys:
        """One key a sample; inputs that are not in `batched` are the same for all of them."""
        contents = np.zeros(samples, np.uint64)
        for name, tensor in inputs.items():
            apart = name in batched and tensor.dim() > 0
            contents = mix(contents * GOLDEN + digest(array_of(tensor), samples if apart else 1))
        seen, turns = self._seen, np.zeros(samples, np.uint64)
        for i, content in enumerate(contents.tolist()):
            turn = seen.get(content, 0)
            seen[content] = turn + 1
            if turn:
                turns[i] = turn
        return mix(contents + turns * GOLDEN)


def mix(keys: Keys) -> Keys:
    """Every bit depends on all bits. Source: MurmurHash3's 64-bit finaliser (Appleby)."""
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return keys ^ (keys >> np.uint64(33))


def numbered(count: int) -> Keys:
    """The reads of vectors that are told apart by their place alone."""
    return np.arange(count, dtype=np.uint64)


def digest(array: NDArray[Any], rows: int) -> Keys:
    """64 bits of the content of each of so many equal parts: two products with fixed random odd
    numbers, modulo 2^32. Samples that collide (one in 10^12 pairs) are taken for equal ones."""
    data = np.ascontiguousarray(array).view(np.uint8).reshape(rows, -1)
    if data.shape[1] % 4:
        data = np.pad(data, ((0, 0), (0, -data.shape[1] % 4)))
    words = data.view(np.uint32)
    factors, found = _factors(words.shape[1]), np.empty((2, rows), np.uint32)
    step = max(1, _WORDS // max(1, words.shape[1]))
    for start in range(0, rows, step):
        part = words[start : start + step]
        mixed = part ^ (part >> np.uint32(16))  # numbers whose low bits are all zero are many
        for half in (0, 1):
            np.add.reduce(mixed * factors[half], 1, np.uint32, found[half, start : start + step])
    return found[0].astype(np.uint64) << np.uint64(32) | found[1]


@cache
def _factors(words: int) -> NDArray[np.uint32]:
    draw = np.random.RandomState(0)
    return np.stack([draw.randint(0, 2**32, words, np.uint32) | np.uint32(1) for _ in range(2)])


def vector_keys(samples: Keys, shape: tuple[int, ...], own: tuple[int, ...]) -> Keys:
    """A key for each vector of an input of that shape without its last dimension; `own` is the
    same of one sample. A vector is known by its sample and its place there.

    Where a dimension holds batch and tokens, the batch comes first, as in `replication.places`.
    """
    count = math.prod(shape)
    if len(samples) == count:
        return samples
    if len(samples) == 1:
        return samples + np.arange(count, dtype=np.uint64) * GOLDEN
    owner, place = np.zeros((), np.int64), np.zeros((), np.int64)
    for size, part in zip(shape, own, strict=True):
        index, part = np.arange(size), max(part, 1)
        owner = owner[..., None] * (size // part) + index // part
        place = place[..., None] * part + index % part
    return samples[owner.ravel() % len(samples)] + place.ravel().astype(np.uint64) * GOLDEN


def varying_steps(artifact: Artifact, batched: tuple[str, ...]) -> frozenset[str]:
    """The steps whose values follow from the samples; those of others are read once for all."""
    names = set(batched)
    for step in artifact.manifest.steps:
        if not names.isdisjoint(step.takes):
            names.add(step.name)
    return frozenset(names)
