"""Which read of which sample: numbers that noise is drawn by.

A sample is known by its content and by how often the chip has seen that content before. So its
noise depends neither on how samples are split into calls and blocks nor on the order of different
samples, two equal samples have different noise, and so has a sample that is given again. (Noise by
place in the batch would change with the order; noise by content alone would be the same for equal
samples, and an average over calls would not fall.)
"""

import ctypes
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.data import array_of
from hermesrt.native import build

Keys = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: places of a sample apart
_WORDS = 2**14  # of samples at once, so that all of them stay in the processor's cache


class ReadCounter:
    """The keys of samples. How often each was seen is kept: in 32 to 128 bytes a sample by the C
    functions, in about as many without them."""

    def __init__(self) -> None:
        self._seen: _Table | dict[int, int] = {}
        self.forget()

    def forget(self) -> None:
        """As if no sample had been seen."""
        c = functions()
        self._seen = {} if c is None else _Table(c)

    def __getstate__(self) -> tuple[Keys, Keys]:
        """What was seen and how often, for copies and files; addresses stay here."""
        if isinstance(self._seen, _Table):
            return self._seen.held()
        pairs = np.array(list(self._seen.items()), np.uint64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def __setstate__(self, state: tuple[Keys, Keys]) -> None:
        """With the C functions of this machine, or without."""
        self.forget()
        if isinstance(self._seen, _Table):
            self._seen.add(*state)
        else:
            self._seen.update(zip(*(part.tolist() for part in state), strict=True))

    def keys(self, inputs: Mapping[str, Tensor], batched: tuple[str, ...], samples: int) -> Keys:
        """One key a sample; inputs that are not in `batched` are the same for all of them."""
        contents, place = _zeros(samples)
        for name, tensor in inputs.items():
            apart = name in batched and tensor.dim() > 0
            add_digests(tensor, samples if apart else 1, contents, place)
        if isinstance(self._seen, dict):
            return _read(self._seen, contents)
        self._seen.read(samples, place)
        return contents


def _zeros(count: int) -> tuple[Keys, int]:
    """Keys of 0, and where in memory; asking numpy where takes longer than all else with one."""
    if count == 1:
        one: Any = ctypes.c_uint64()
        return np.frombuffer(one, np.uint64), ctypes.addressof(one)
    many = np.zeros(count, np.uint64)
    return many, many.ctypes.data


@cache
def functions() -> ctypes.CDLL | None:
    """Those of `native/reads.c`; None without."""
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    arguments = {
        "hermes_digest": (pointer, number, number, pointer, pointer, number),
        "hermes_turns": (pointer, number, pointer, pointer, number),
        "hermes_move": (pointer, pointer, number, pointer, pointer, number),
    }
    source = Path(build.__file__).with_name("reads.c")
    return build.functions(source, arguments, {"hermes_turns": number})


class _Table:
    """How often contents were seen: a hash table of `hermes_turns`, half full at most."""

    def __init__(self, c: ctypes.CDLL) -> None:
        self._c, self._taken = c, 0
        self._make(2**10)

    def read(self, count: int, place: int) -> None:
        """Replace so many contents that lie there by the keys of their next reads."""
        self._grow(count)
        self._taken += self._c.hermes_turns(place, count, *self._places)

    def held(self) -> tuple[Keys, Keys]:
        """Contents that were seen, and how often."""
        there = self._held[0] != 0
        return self._held[0, there], self._held[1, there]

    def add(self, contents: Keys, turns: Keys) -> None:
        """Contents that were seen so often, into an empty table."""
        self._grow(len(contents))
        both = np.stack([contents, turns])
        start, size = both.ctypes.data, both.nbytes // 2
        self._c.hermes_move(start, start + size, len(contents), *self._places)
        self._taken = len(contents)

    def _grow(self, more: int) -> None:
        wanted = 2 * (self._taken + more)
        if wanted > self._size:
            old, places = self._held, self._places
            self._make(1 << (2 * wanted - 1).bit_length())
            self._c.hermes_move(*places, *self._places)
            del old

    def _make(self, size: int) -> None:
        self._size, self._held = size, np.zeros((2, size), np.uint64)
        seen = self._held.ctypes.data
        self._places = (seen, seen + self._held.nbytes // 2, size)


def _read(seen: dict[int, int], contents: Keys) -> Keys:
    """The keys of the next reads of contents."""
    turns = np.zeros(len(contents), np.uint64)
    for i, content in enumerate(contents.tolist()):
        turn = seen.get(content, 0)
        seen[content] = turn + 1
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


def add_digests(tensor: Tensor, rows: int, contents: Keys, place: int) -> None:
    """Mix the digests of so many equal parts of a tensor into the contents of samples, which lie
    there in memory; that of a single part into all of them."""
    c = functions()
    if not tensor.is_cpu:
        tensor = tensor.cpu()
    if tensor.itemsize % 4 or not tensor.is_contiguous() or tensor.is_complex():
        data = np.ascontiguousarray(array_of(tensor)).view(np.uint8).reshape(rows, -1)
        tensor = torch.from_numpy(np.pad(data, ((0, 0), (0, -data.shape[1] % 4))))
    width = tensor.nbytes // 4 // rows
    if c is None:
        words = tensor.detach().numpy().view(np.uint32).reshape(rows, width)
        contents[:] = mix(contents * GOLDEN + digest(words))
        return
    factors = _factors(width)[1]
    c.hermes_digest(tensor.data_ptr(), rows, width, factors, place, len(contents))


def digest(words: NDArray[np.uint32]) -> Keys:
    """64 bits of each row: two products with fixed random odd numbers, modulo 2^32. Samples that
    collide (one in 10^12 pairs) are taken for equal ones."""
    rows, width = words.shape
    factors, found = _factors(width)[0], np.empty((2, rows), np.uint32)
    step = max(1, _WORDS // max(1, width))
    for start in range(0, rows, step):
        part = words[start : start + step]
        mixed = part ^ (part >> np.uint32(16))  # numbers whose low bits are all zero are many
        for half in (0, 1):
            products = mixed * factors[half]
            found[half, start : start + step] = products.sum(1, dtype=np.uint32)
    high, low = found.astype(np.uint64)
    keys: Keys = high << np.uint64(32) | low
    return keys


@cache
def _factors(words: int) -> tuple[NDArray[np.uint32], int]:
    """For digests, and where in memory."""
    draw = np.random.RandomState(0)
    factors = [draw.randint(0, 2**32, words, np.uint32) | np.uint32(1) for _ in range(2)]
    both = np.stack(factors)
    return both, both.ctypes.data


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
    if shape[1:] == own[1:] and shape[0] == len(samples) * own[0]:  # sample after sample
        places = np.arange(count // len(samples), dtype=np.uint64) * GOLDEN
        return (samples[:, None] + places).reshape(-1)
    owner, place = np.zeros((), np.int64), np.zeros((), np.int64)
    for size, part in zip(shape, own, strict=True):
        index, part = np.arange(size), max(part, 1)
        owner = owner[..., None] * (size // part) + index // part
        place = place[..., None] * part + index % part
    return samples[owner.ravel() % len(samples)] + place.ravel().astype(np.uint64) * GOLDEN


def parts_of(keys: Keys, parts: Keys) -> Keys:
    """Keys of numbered parts of what has keys: of a recurrence's time steps, of an image's
    positions."""
    return mix(keys) + parts * GOLDEN


def varying_steps(artifact: Artifact, batched: tuple[str, ...]) -> frozenset[str]:
    """The steps whose values follow from the samples; those of others are read once for all."""
    names = set(batched)
    for step in artifact.manifest.steps:
        if not names.isdisjoint(step.takes):
            names.add(step.name)
    return frozenset(names)
