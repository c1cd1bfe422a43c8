"""Normal numbers for reads by counters: each follows from its stream, its read and its column.

So it does not matter how reads are split into calls, in which order they come, and how many threads
there are. A stream (seed, step, copy, row block) and a read give two 32-bit keys; they and the
column's number are hashed to 64 bits, whose eight bytes are added up, and an odd polynomial bends
the sum to a normal distribution: within 1 % of its tails up to 4 sigma, 10 % at 4.5, and 6.5 sigma
at most. All operations are on 32-bit integers and FP32 numbers, one after the other, so that the
compiled kernel (`layer.c`) has the same bits.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int32
from numpy.typing import NDArray
from torch import Tensor

from hermes_sim.kernel.load import kernel
from hermes_sim.kernel.pcm import filled
from hermesrt.reads import Keys, mix, numbered

# z = s (C0 + C1 s^2 + C2 s^4 + C3 s^6), s the sum over its deviation: least squares on the exact
# distribution of the sum of eight bytes, its variance then set to one.
POLYNOMIAL = (0.98091213, 0.0061149545, 3.4930709e-05, 1.3984690e-05)
MEAN = 261247.5  # of 256 times seven bytes and 257 times the last one
SHARE = 1 / 53535.68399908607  # one over its deviation

_ROW = 2**12  # numbers of one key, where they have no rows of their own

_COLUMN, _FIRST, _SECOND = 0x9E3779B1, 0x2C1B3C6D, 0x85EBCA6B


@dataclass(frozen=True, slots=True)
class ReadNoise:
    """The noise of some reads of a layer.

    streams: 64-bit number of each row block.
    reads: number of each vector's read, [vectors].
    """

    streams: tuple[int, ...]
    reads: Keys

    def __call__(self, stage: int, first: int, out: Float[Tensor, "vectors columns"]) -> Tensor:
        """Fill with the normal numbers of the vectors from `first` on."""
        reads, found = self.reads[first : first + out.shape[0]], kernel()
        if found is not None and out.is_cpu and out.is_contiguous():
            return found.normals(self.streams[stage], reads, out)
        low, high = row_keys(self.streams[stage], reads)
        return normals(low.to(out.device), high.to(out.device), out)


def fill(out: Tensor, seed: int, *name: str | int) -> Tensor:
    """Fill a contiguous FP32 tensor with the normal numbers of that name."""
    number = stream(seed, *name)
    if filled(number, out):
        return out
    flat, rows = out.view(-1), out.numel() // _ROW
    noise = ReadNoise((number,), numbered(rows + 1))
    noise(0, 0, flat[: rows * _ROW].view(rows, _ROW))
    noise(0, rows, flat[rows * _ROW :].view(1, -1))
    return out


def stream(seed: int, *name: str | int) -> int:
    """The 64-bit number of the stream of that name."""
    text = "/".join(map(str, (seed, *name)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def row_keys(stream: int, reads: Keys) -> tuple[Int32[Tensor, " rows"], Int32[Tensor, " rows"]]:
    """Two 32-bit keys of each read in a stream, the second one odd."""
    mixed = mix(reads ^ np.uint64(stream))
    low = mixed.astype(np.uint32)
    high = (mixed >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    return _tensor(low), _tensor(high)


def normals(
    low: Int32[Tensor, " rows"], high: Int32[Tensor, " rows"], out: Float[Tensor, "rows columns"]
) -> Float[Tensor, "rows columns"]:
    """Fill with the numbers of these rows and of columns 0, 1, ..."""
    column = np.arange(1, out.shape[1] + 1, dtype=np.uint32) * np.uint32(_COLUMN)
    first = low[:, None] + _tensor(column).to(out.device)
    spare = torch.empty_like(first)
    _fold(first, 16, spare).mul_(high[:, None])
    _fold(first, 15, spare).mul_(_signed(_FIRST))
    second = first * _signed(_SECOND)
    _fold(first, 16, spare)
    _fold(second, 13, spare)
    total = _add_pairs(first, spare)
    last = second >> 24
    total.add_(_add_pairs(second, spare))
    torch.bitwise_right_shift(total, 16, out=spare)  # each half is a sum of four bytes
    total.bitwise_and_(0xFFFF).add_(spare).mul_(256).add_(last.bitwise_and_(0xFF))
    return _bend(out.copy_(total).sub_(MEAN).mul_(SHARE), out.new_empty(out.shape))


def _fold(words: Tensor, shift: int, spare: Tensor) -> Tensor:
    """words ^= words >> shift, of words without sign."""
    torch.bitwise_right_shift(words, shift, out=spare)
    return words.bitwise_xor_(spare.bitwise_and_((1 << (32 - shift)) - 1))


def _add_pairs(words: Tensor, spare: Tensor) -> Tensor:
    """Replace words by the two sums of every other of their bytes, 16 bits each."""
    torch.bitwise_right_shift(words, 8, out=spare)
    return words.bitwise_and_(0x00FF00FF).add_(spare.bitwise_and_(0x00FF00FF))


def _bend(s: Tensor, square: Tensor) -> Tensor:
    torch.mul(s, s, out=square)
    factor = square * POLYNOMIAL[3]
    for coefficient in (POLYNOMIAL[2], POLYNOMIAL[1]):
        factor.add_(coefficient).mul_(square)
    return s.mul_(factor.add_(POLYNOMIAL[0]))


def _signed(word: int) -> int:
    """The same 32 bits as a number with sign."""
    return word - (1 << 32) if word >> 31 else word


def _tensor(words: NDArray[np.uint32]) -> Int32[Tensor, " words"]:
    return torch.from_numpy(words.view(np.int32))
