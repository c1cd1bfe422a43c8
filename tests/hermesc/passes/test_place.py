"""Every block finds a core, or the message says what would help."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesc.errors import CapacityError
from hermesc.ir.stages import Quantized
from hermesc.ir.verify import verify_placed
from hermesc.passes.place import place
from hermesc.passes.tile import tile
from hermesc.placing.options import PlaceOptions
from hermesc.target.fabric import link_graph


@pytest.fixture(scope="session")
def placed_of(mvm_graph):
    """Matrices of the given shapes, placed."""

    def make(chip, *shapes):
        partitioned, weights = mvm_graph(*(torch.empty(*s, device="meta") for s in shapes))
        tiled = tile(partitioned, weights, {}, chip, PlaceOptions())
        g_max = tuple((1e-5,) * len(m.row_ranges) for m in tiled.matrices)
        return place(Quantized(tiled, (), g_max, (), 1, ()), chip, PlaceOptions())

    return make


def test_golden(stages, golden):
    lines = [
        f"{p.matrix} stage {p.stage} -> core {p.core} rows {p.rows} columns {p.columns}"
        for p in stages["place"].placements
    ]
    golden("place.txt", "\n".join(lines) + "\n")


SHAPES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=8)


@given(SHAPES, st.integers(1, 6), st.integers(1, 6))
def test_any_list_of_matrices_is_placed_soundly_or_refused(
    chip_with, placed_of, shapes, grid_rows, grid_columns
):
    chip = chip_with(
        grid_rows=grid_rows, grid_columns=grid_columns, crossbar_rows=16, crossbar_columns=16
    )
    cells = sum(rows * columns for rows, columns in shapes)
    try:
        placed = placed_of(chip, *shapes)
    except CapacityError as error:
        assert f"the chip `hermes` has {chip.cores}" in str(error)
        assert shapes
        return
    assert cells <= chip.cores * 256
    verify_placed(placed, chip)
    links = link_graph(chip)
    stages = {(p.matrix, p.block.columns, p.stage): p.core for p in placed.placements}
    for (matrix, columns, stage), core in stages.items():
        before = stages.get((matrix, columns, stage - 1))
        assert (before is None) == (stage == 0)
        assert before is None or links.has_edge(before, core)


@given(st.lists(st.tuples(st.integers(1, 16), st.integers(1, 16)), min_size=1, max_size=8))
def test_one_tile_for_each_core_is_always_enough(chip_with, placed_of, shapes):
    chip = chip_with(grid_rows=1, grid_columns=len(shapes), crossbar_rows=16, crossbar_columns=16)
    verify_placed(placed_of(chip, *shapes), chip)


def test_small_matrices_share_a_core(chip, placed_of):
    placed = placed_of(chip, *[(16, 16)] * 20)
    assert {p.core for p in placed.placements} == {0}


def test_matrices_that_fill_a_core_exactly_share_it(chip, placed_of):
    placed = placed_of(chip, *[(128, 128)] * 4)
    assert {p.core for p in placed.placements} == {0}


def test_a_whole_chip_of_full_tiles_fits(chip, placed_of):
    placed = placed_of(chip, *[(256, 256)] * 64)
    assert sorted(p.core for p in placed.placements) == list(range(64))


def test_cascade_lies_on_neighbouring_cores(chip, placed_of):
    placed = placed_of(chip, (2048, 256))
    cores = [p.core for p in sorted(placed.placements, key=lambda p: p.stage)]
    links = link_graph(chip)
    assert len(cores) == 8
    assert all(links.has_edge(a, b) for a, b in pairwise(cores))


def test_too_big_a_model_is_refused_with_its_layers_and_what_to_do(chip, placed_of):
    with pytest.raises(CapacityError) as caught:
        placed_of(chip, (256, 256 * 65), (8, 8))
    text = str(caught.value)
    assert "needs 66 cores and the chip `hermes` has 64" in text
    assert "layer0: 256x16640, 65 tiles" in text
    assert "layer1: 8x8, 1 tiles" in text
    assert "--set partition.digital=layer0" in text
    assert "--chip FILE.toml" in text
    assert caught.value.exit_code == 3


def test_a_cascade_longer_than_the_chip_is_refused(chip_with, placed_of):
    chip = chip_with(grid_rows=1, grid_columns=2)
    with pytest.raises(CapacityError, match="needs 3 cores and the chip `hermes` has 2"):
        placed_of(chip, (600, 10))


def test_more_than_eight_layers_are_summed_up(chip_with, placed_of):
    chip = chip_with(grid_rows=1, grid_columns=1)
    with pytest.raises(CapacityError, match="2 smaller layers: 2 tiles"):
        placed_of(chip, *[(256, 256)] * 10)


def test_a_larger_grid_takes_what_the_chip_did_not(chip_with, placed_of):
    chip = chip_with(grid_rows=9, grid_columns=9)
    verify_placed(placed_of(chip, (256, 256 * 66)), chip)
