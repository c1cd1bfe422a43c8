"""The runtime's C functions for 64-bit Arm processors, under emulation, have the bits of Python."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hermesrt import reads
from hermesrt.chip.load import load_chip
from hermesrt.device import Pulses
from hermesrt.native import build
from hermesrt.ops import unfold
from hermesrt.ops.window import Window
from hermesrt.programming import verify
from hermesrt.programming.compiled import CoreFields
from hermesrt.programming.core_programming import CoreProgramming
from hermesrt.programming.descent_pulses import chosen
from hermesrt.programming.mvm_error import errors_of
from hermesrt.programming.session import PATIENCE

from ..emulated import SETS, Emulated, Piece, window_pieces
from .programming.test_descent_pulses import core_of, same

PLAIN = SETS[-1]  # what all such processors have


def emulated(name: str, room: Path) -> Emulated:
    return Emulated(Path(build.__file__).with_name(name), PLAIN, room)


def test_the_choice_of_cells_and_the_fit_of_counts(tmp_path: Path) -> None:
    with emulated("programming.c", tmp_path) as run:
        for threshold in (0.0, 1.5, 99.0):
            cells_that_descend(run, threshold)
        for spread in (100.0, 4.0):
            cells_that_verify_finds_off(run, spread)
        for vectors, columns in ((128, 37), (2, 5), (1, 1)):
            fit(run, vectors, columns)


def cells_that_descend(run: Emulated, threshold: float) -> None:
    chip, ours, theirs = load_chip("hermes"), core_of(37, 19), core_of(37, 19)
    found = asked(run, "hermes_descent", theirs, threshold)
    same(ours, theirs, chosen(chip, ours, threshold), found)


def cells_that_verify_finds_off(run: Emulated, spread: float) -> None:
    chip, ours, theirs = load_chip("hermes"), core_of(37, 19), core_of(37, 19)
    draw = torch.Generator().manual_seed(1)
    read = torch.rand(2, 37, 19, generator=draw).mul_(spread).round_()
    margin = chip.programming_pulses.margin_counts
    numbers = chip.verify_count.count_siemens, margin, verify.FAR * margin, 0.5
    found = asked(run, "hermes_verification", theirs, *numbers, given=read)
    same(ours, theirs, verify.chosen(chip, ours, read, 0.5), found)


def asked(
    run: Emulated, name: str, core: CoreProgramming, *numbers: float, given: Tensor | None = None
) -> Pulses:
    """The pulses that a function asks for."""
    fields = CoreFields.of(load_chip("hermes"), core, PATIENCE)
    held = (core.pending, core.record, core.target.siemens)
    reach = [Piece(tensor.data_ptr(), tensor.nbytes) for tensor in held]
    reach += [] if given is None else [Piece(given.data_ptr(), given.nbytes)]

    def function(_: int, *arguments: float) -> int:
        reach.extend(
            Piece(int(p), n * fields.cells) for p, n in zip(arguments[-3:], (8, 8, 4), strict=True)
        )
        return run(name, fields, *arguments, reach=reach)

    places = () if given is None else (given.data_ptr(),)
    return fields.pulses(function, *places, *numbers)


def fit(run: Emulated, vectors: int, columns: int) -> None:
    draw = np.random.default_rng(vectors)
    wanted = draw.normal(0, 50, (vectors, columns)).astype(np.float32)
    measured = wanted * np.float32(1.05) + draw.normal(3, 1, wanted.shape).astype(np.float32)
    used, sums = (draw.random(columns) < 0.8).astype(np.float32), np.zeros((6, columns), np.float32)
    plain, aim, units = measured.copy(), wanted.copy(), (0.75, 3.0)
    plain *= np.float32(units[0])
    aim /= np.float32(units[1])
    squares = errors_of(load_chip("hermes"), plain, aim, used)
    run("hermes_fitted", measured, wanted, used, vectors, columns, 1, *units, sums)
    assert np.array_equal(measured, plain)
    assert np.array_equal(sums[4:], np.stack(squares))


def test_digests_of_samples_and_how_often_each_was_seen(tmp_path: Path) -> None:
    words = np.random.RandomState(0).randint(0, 2**32, (40, 7), np.uint32)
    words[20:] = words[:20]
    contents, seen = np.arange(40, dtype=np.uint64) // 40, np.zeros((2, 128), np.uint64)
    wanted = reads.mix(contents * reads.GOLDEN + reads.digest(words))
    with emulated("reads.c", tmp_path) as run:
        run("hermes_digest", words, 40, 7, reads._factors(7)[0], contents, 40)
        assert np.array_equal(contents, wanted)
        turns: dict[int, int] = {}
        keys = reads._read(turns, wanted.copy())
        assert run("hermes_turns", contents, 40, seen[0], seen[1], 128) == 20
        assert np.array_equal(contents, keys)
        moved = np.zeros((2, 256), np.uint64)
        run("hermes_move", seen[0], seen[1], 128, moved[0], moved[1], 256)
    there = moved[0] != 0
    assert dict(zip(*moved[:, there].tolist(), strict=True)) == turns


@pytest.mark.parametrize("channels", [1, 3])
def test_the_vectors_of_a_window(
    channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window((2, 3), (1, 2), (1, 1), (1, 0), (0, 1), (1, 1))
    x = torch.randn(3, channels, 5, 6, generator=torch.Generator().manual_seed(0))
    block = (slice(1, 3), *(slice(0, n) for n in window.outputs((5, 6))))
    wanted = unfold.unfolded(window, x[block[0]], block[1:])
    with emulated("unfold.c", tmp_path) as run:

        def copied(*places: int) -> None:
            window_at, images, _, start, end, out = places
            reach = [*window_pieces(window_at), Piece(images, x.nbytes)]
            reach += [Piece(start, end - start + 32), Piece(out, wanted.nbytes)]
            run("hermes_unfold", *places, reach=reach)

        monkeypatch.setattr(unfold, "function", lambda: copied)
        unfolding = unfold.Unfolding(window, x)
        found = unfolding(block)
    assert torch.equal(found, wanted)
