"""Every block finds a core, or the message says what would help."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermesc.ir.stages import Quantized, Remapped
from hermesc.ir.text import stage_text
from hermesc.ir.verify import verify_placed, verify_routed
from hermesc.passes.place import place
from hermesc.passes.route import route
from hermesc.placement.options import PlaceOptions
from hermesrt.chip.fabric import link_graph
from hermesrt.errors import CapacityError


@pytest.fixture(scope="session")
def placed_of(mvm_graph, tiled_of):
    """Matrices of the given shapes, placed."""

    def make(chip, *shapes, vectors=1, **options):
        partitioned, weights = mvm_graph(*(torch.empty(*s, device="meta") for s in shapes))
        aim = PlaceOptions(**options)
        tiled = tiled_of(partitioned, weights, chip, aim, vectors)
        g_max = tuple((1e-5,) * len(m.row_ranges) for m in tiled.matrices)
        return place(Quantized(tiled, (), g_max, (), 1, ()), chip, aim, {})

    return make


def test_golden(stages, golden):
    golden("place.txt", stage_text(stages["place"]))


SHAPES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=8)


AIMS = st.sampled_from(["balanced", "cores", "latency", "throughput", "energy", "accuracy"])


@given(SHAPES, st.integers(1, 6), st.integers(1, 6), AIMS, st.integers(1, 3), st.integers(1, 9))
def test_any_list_of_matrices_is_placed_soundly_or_refused(
    chip_with, placed_of, shapes, grid_rows, grid_columns, objective, chips, vectors
):
    chip = chip_with(
        grid_rows=grid_rows, grid_columns=grid_columns, crossbar_rows=16, crossbar_columns=16
    )
    cells = sum(rows * columns for rows, columns in shapes)
    try:
        placed = placed_of(
            chip, *shapes, objective=objective, chips=chips, vectors=vectors, solver="heuristic"
        )
    except CapacityError as error:
        assert "the model needs" in str(error)
        assert shapes
        return
    assert cells <= chips * chip.cores * 256
    verify_placed(placed, chip)
    verify_routed(route(Remapped(placed, (), ()), chip), chip)
    assert placed.score.bound <= placed.score.value
    assert all(m.copies <= vectors for m in placed.quantized.tiled.matrices)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 16), st.integers(1, 16)), min_size=1, max_size=6))
def test_one_tile_for_each_core_is_always_enough(chip_with, placed_of, shapes):
    chip = chip_with(grid_rows=1, grid_columns=len(shapes), crossbar_rows=16, crossbar_columns=16)
    placed = placed_of(chip, *shapes)
    verify_placed(placed, chip)
    assert set(placed.tiles) == {f"w{i}" for i in range(len(shapes))}


def test_small_matrices_share_a_core(chip, placed_of):
    placed = placed_of(chip, *[(16, 16)] * 20, objective="cores")
    assert placed.cores == (0,)


def test_matrices_that_fill_a_core_exactly_share_it(chip, placed_of):
    placed = placed_of(chip, *[(128, 128)] * 4, objective="cores")
    assert placed.cores == (0,)


def test_what_may_run_at_once_has_a_core_for_itself_by_default(chip, placed_of):
    placed = placed_of(chip, *[(128, 128)] * 4)
    assert len(placed.cores) == 4
    assert placed.score.value == placed.score.bound


def test_full_blocks_and_what_is_left_pack_tighter_than_equal_ones(chip, placed_of):
    shapes = [(256, 300)] * 3  # 3 full blocks, and 3 of 44 columns that share a core
    assert placed_of(chip, *shapes, objective="cores").score.value == 4
    assert len(placed_of(chip, *shapes).cores) == 6


def test_a_latency_is_bought_with_copies_and_finer_tiles(chip, placed_of):
    plain, fast = (
        placed_of(chip, (64, 128), vectors=100, objective=aim) for aim in ("balanced", "latency")
    )
    assert fast.score.value < plain.score.value / 4
    assert fast.quantized.tiled.matrices[0].copies > 1
    one = placed_of(chip, (64, 128), vectors=100, objective="latency", copies=1)
    assert one.quantized.tiled.matrices[0].copies == 1


@pytest.mark.parametrize("objective", ["balanced", "cores", "accuracy"])
def test_four_phases_stay_where_accuracy_counts(chip, placed_of, objective):
    placed = placed_of(chip, (300, 300), (16, 16), vectors=5, objective=objective)
    assert {m.mode for m in placed.quantized.tiled.matrices} == {"4-phase"}


def test_energy_and_latency_read_in_one_phase(chip, placed_of):
    for objective in ("energy", "latency"):
        placed = placed_of(chip, (16, 16), objective=objective)
        assert placed.quantized.tiled.matrices[0].mode == "1-phase"


def test_a_rate_that_the_ldpu_limits_keeps_four_phases(chip_with, placed_of):
    chip = chip_with(grid_rows=1, grid_columns=1)
    for width, mode in ((256, "4-phase"), (32, "1-phase")):
        placed = placed_of(chip, (64, width), vectors=9, objective="throughput")
        assert placed.quantized.tiled.matrices[0].mode == mode


def test_a_big_model_spreads_over_chips_and_no_cascade_crosses(chip_with, placed_of):
    chip = chip_with(grid_rows=1, grid_columns=5)
    placed = placed_of(chip, *[(512, 256)] * 4, chips=2)
    verify_routed(route(Remapped(placed, (), ()), chip), chip)
    assert {core // 5 for core in placed.cores} == {0, 1}
    with pytest.raises(CapacityError, match=r"Spread it over 2 chips with --set place\.chips=2"):
        placed_of(chip, *[(512, 256)] * 4)


def test_a_whole_chip_of_full_tiles_fits(chip, placed_of):
    placed = placed_of(chip, *[(256, 256)] * 64)
    assert placed.cores == tuple(range(64))
    assert sum(map(len, placed.tiles.values())) == 64


def test_cascade_lies_on_neighbouring_cores(chip, placed_of):
    placed = placed_of(chip, (2048, 256))
    cores = [t.core for t in sorted(placed.tiles["w0"], key=lambda t: t.stage)]
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
    placed = placed_of(chip, (256, 256 * 66))
    verify_placed(placed, chip)
    assert len(placed.cores) == 66
