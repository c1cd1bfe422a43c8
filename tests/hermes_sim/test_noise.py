"""Normal numbers for reads: normal, independent of each other, the same in whatever parts."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from hermes_sim.noise import MEAN, POLYNOMIAL, SHARE, ReadNoise, fill, normals, row_keys, stream
from hermesrt.reads import Keys, mix, numbered

ROWS, COLUMNS = 10_000, 256


def drawn(name: str, reads: Keys, columns: int = COLUMNS) -> Tensor:
    return normals(*row_keys(stream(0, name), reads), torch.empty(len(reads), columns)).double()


@pytest.fixture(scope="module")
def values() -> Tensor:
    """[reads, columns], of reads that are numbered one after the other."""
    return drawn("read", numbered(ROWS))


def slow(stream: int, read: int, column: int) -> float:
    """The generator in words: one number, with Python's integers."""

    def fold(word: int, shift: int) -> int:
        return word ^ (word >> shift)

    mixed = int(mix(np.array([read ^ stream], np.uint64))[0])
    low, high = mixed % 2**32, (mixed >> 32) | 1
    word = fold((low + (column + 1) * 0x9E3779B1) % 2**32, 16) * high % 2**32
    word = fold(word, 15) * 0x2C1B3C6D % 2**32
    first, second = fold(word, 16), fold(word * 0x85EBCA6B % 2**32, 13)
    total = sum(first.to_bytes(4, "little")) + sum(second.to_bytes(4, "little"))
    s = np.float32(np.float32(total * 256 + (second >> 24)) - np.float32(MEAN)) * np.float32(SHARE)
    square, factor = s * s, np.float32(POLYNOMIAL[3])
    for coefficient in POLYNOMIAL[2::-1]:
        factor = np.float32(factor * square) + np.float32(coefficient)
    return float(s * factor)


def test_numbers_equal_the_generator_in_words() -> None:
    reads = mix(numbered(40))
    fast = drawn("any", reads, 7)
    for i, read in enumerate(reads.tolist()):
        assert [slow(stream(0, "any"), read, j) for j in range(7)] == fast[i].tolist()


def test_the_polynomial_makes_the_sum_of_eight_bytes_normal() -> None:
    """The exact distribution of the sum: seven bytes in steps of 256, the last in steps of 257."""
    seven = np.array([1.0])
    for _ in range(7):
        seven = np.convolve(seven, np.full(256, 1 / 256))
    weights = np.zeros(256 * len(seven) + 257 * 255)
    for byte in range(256):
        weights[257 * byte : 257 * byte + 256 * len(seven) : 256] += seven / 256
    s = (np.arange(len(weights)) - MEAN) * SHARE
    z = sum(c * s ** (2 * i + 1) for i, c in enumerate(POLYNOMIAL))
    for power, wanted in ((2, 1), (4, 3), (6, 15), (8, 105)):
        assert (weights * z**power).sum() == pytest.approx(wanted, rel=1e-3)
    steps = np.cumsum(weights) - weights / 2
    assert np.abs(steps - stats.norm.cdf(z))[weights > 0].max() < 2e-4
    for beyond, within in ((1, 0.003), (2, 0.003), (3, 0.01), (4, 0.01), (4.5, 0.1)):
        found = weights[np.abs(z) > beyond].sum()
        assert found == pytest.approx(math.erfc(beyond / math.sqrt(2)), rel=within)


def test_read_noise_is_normal(values: Tensor) -> None:
    chance = 1 / math.sqrt(values.numel())
    assert abs(values.mean().item()) < 4 * chance
    assert values.var().item() == pytest.approx(1, abs=4 * math.sqrt(2) * chance)
    assert values.pow(3).mean().item() == pytest.approx(0, abs=4 * math.sqrt(15) * chance)
    assert values.pow(4).mean().item() == pytest.approx(3, abs=4 * math.sqrt(96) * chance)
    assert stats.kstest(values[:2000].flatten().numpy(), "norm").pvalue > 1e-3
    for beyond in (0.5, 1.0, 1.959964, 3.0, 4.0):
        wanted = math.erfc(beyond / math.sqrt(2))
        found = (values.abs() > beyond).double().mean().item()
        assert found == pytest.approx(wanted, rel=0.01, abs=4 * math.sqrt(wanted) * chance)
    assert 4.5 < values.abs().max().item() < 6.6


def test_every_column_is_normal_over_many_reads(values: Tensor) -> None:
    chance = 1 / math.sqrt(ROWS)
    assert values.mean(0).abs().max().item() < 4.5 * chance
    assert (values.var(0) - 1).abs().max().item() < 4.5 * math.sqrt(2) * chance
    assert (values.pow(4).mean(0) - 3).abs().max().item() < 6.0 * math.sqrt(96) * chance
    assert (values.mean(0) * math.sqrt(ROWS)).std().item() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("of", ["values", "squares"])
def test_columns_and_rows_are_uncorrelated(values: Tensor, of: str) -> None:
    table = values if of == "values" else values.square()
    for numbers in (table.T, table[:300]):
        count = numbers.shape[1]
        correlation = torch.corrcoef(numbers) - torch.eye(len(numbers))
        limit = 5.5 if of == "values" else 9.0  # squares have long tails
        assert correlation.abs().max().item() < limit / math.sqrt(count)
        assert correlation.std().item() == pytest.approx(1 / math.sqrt(count), rel=0.05)


def test_the_error_of_an_average_falls_with_the_root_of_its_reads(values: Tensor) -> None:
    for reads in (10, 100, 1000, ROWS):
        averages = values.view(ROWS // reads, reads, -1).mean(1) * math.sqrt(reads)
        chance = 1 / math.sqrt(2 * min(averages.numel(), 2000))
        assert averages.std().item() == pytest.approx(1.0, abs=4 * chance), reads


@pytest.mark.parametrize("distance", [1, 2, 3, 50])
def test_neighbours_are_uncorrelated(values: Tensor, distance: int) -> None:
    for a, b in (
        (values[:-distance], values[distance:]),
        (values[:, :-distance], values[:, distance:]),
        (values[:-distance, :-1], values[distance:, 1:]),
    ):
        assert abs((a * b).mean().item()) * math.sqrt(a.numel()) < 4.5


def test_streams_of_other_names_and_stages_are_uncorrelated(values: Tensor) -> None:
    names = [stream(0, "read", "layer", stage) for stage in (0, 1)] + [stream(1, "read", "layer")]
    tables = [values]
    for number in names:
        out = torch.empty(ROWS, COLUMNS)
        tables.append(ReadNoise((number,), numbered(ROWS))(0, 0, out).double())
    for i, a in enumerate(tables):
        for b in tables[:i]:
            assert abs((a * b).mean().item()) * math.sqrt(a.numel()) < 4.5


def test_numbers_follow_from_read_and_column_alone() -> None:
    reads = mix(numbered(500))
    whole = drawn("read", reads)
    order = np.random.RandomState(0).permutation(500)
    assert torch.equal(drawn("read", reads[order]), whole[order])
    assert torch.equal(drawn("read", reads, 30), whole[:, :30])
    noise = ReadNoise((0, stream(0, "read")), reads)
    assert torch.equal(noise(1, 100, torch.empty(50, COLUMNS)).double(), whole[100:150])
    assert len(whole.unique()) > 0.7 * whole.numel()


@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5000), (2, 4096)])
def test_tensors_of_any_shape_are_filled(shape: tuple[int, ...]) -> None:
    first, again, other = (fill(torch.full(shape, torch.nan), *name) for name in
                           ((0, "a"), (0, "a"), (0, "b")))  # fmt: skip
    assert torch.equal(first, again)
    assert len(first.unique()) >= 0.9 * first.numel()
    assert first.numel() == 0 or not torch.equal(first, other)


@pytest.mark.parametrize("shape", [(0,), (7,), (4096,), (3, 5000)])
def test_compiled_filling_has_the_bits_of_torch(
    shape: tuple[int, ...], without_functions: Callable[[], None]
) -> None:
    first = fill(torch.full(shape, torch.nan), 0, "a")
    without_functions()
    assert torch.equal(first, fill(torch.full(shape, torch.nan), 0, "a"))


def test_rows_have_two_keys_the_second_one_odd() -> None:
    low, high = row_keys(7, numbered(1000))
    assert len(low.unique()) == len(high.unique()) == 1000
    assert bool((high & 1).all())
    assert not torch.equal(row_keys(8, numbered(1000))[0], low)


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (2, 7)])
def test_any_number_of_values_is_filled(shape: tuple[int, int]) -> None:
    out = torch.full(shape, float("nan"))
    assert bool(ReadNoise((1,), numbered(shape[0]))(0, 0, out).isfinite().all())
