"""Remap: physical lines of a core, chosen round its defects."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermesc.ir.stages import Quantized, Remapped
from hermesc.ir.verify import verify_remapped
from hermesc.passes.place import place
from hermesc.passes.remap import remap
from hermesc.placement.around_defects import around_defects
from hermesc.placement.options import PlaceOptions
from hermesrt.chip.defects import DefectMap, random_defects
from hermesrt.chip.load import load_chip
from hermesrt.errors import CapacityError, VerifyError

CHIP = load_chip("hermes")


def _map(**fields) -> DefectMap:
    arrays = {k: np.array(v, dtype=np.int32) for k, v in fields.items() if k != "siemens"}
    if "siemens" in fields:
        arrays["siemens"] = np.array(fields["siemens"], dtype=np.float32)
    return DefectMap("hermes", 64, 256, 256, **arrays)


@pytest.fixture(scope="session")
def remapped_of(mvm_graph, tiled_of):
    """Layers of one size, placed round a map's defects and remapped."""

    def make(defects, rows=40, columns=30, layers=1):
        draw = torch.Generator().manual_seed(0)
        matrices = [
            (2 * torch.rand(rows, columns, generator=draw) - 1) / rows**0.5 for _ in range(layers)
        ]
        partitioned, weights = mvm_graph(*matrices)

        def lay_out(arrays, excluded):
            tiled = tiled_of(partitioned, weights, arrays)
            g_max = tuple((arrays.pcm.g_max_siemens,) * len(m.row_ranges) for m in tiled.matrices)
            quantized = Quantized(tiled, (), g_max, (), 1, ())
            return place(quantized, arrays, PlaceOptions(), {}, excluded)

        return remap(around_defects(CHIP, defects, lay_out), weights, CHIP, defects)

    return make


def test_without_a_map_every_line_stays(remapped_of):
    remapped = remapped_of(None)
    assert remapped.line_maps == () and remapped.layers == ()


def test_dead_cores_stay_empty(remapped_of):
    remapped = remapped_of(_map(dead_cores=[0, 1, 2]), rows=200, columns=200, layers=3)
    assert set(remapped.placed.cores).isdisjoint({0, 1, 2})
    assert len(remapped.placed.cores) == 3


def test_when_all_cores_are_dead_the_model_does_not_fit(remapped_of):
    with pytest.raises(CapacityError, match="closes 64 of 64 cores"):
        remapped_of(_map(dead_cores=range(64)))


def test_a_core_with_a_dead_line_is_left_out_while_there_are_others(remapped_of):
    remapped = remapped_of(_map(dead_rows=[[0, 0]]))
    assert remapped.placed.cores == (1,)


def test_when_every_core_has_dead_lines_they_stay_unused(remapped_of):
    dead_rows = [(core, row) for core in range(64) for row in (0, 20)]
    dead_columns = [(core, 3) for core in range(64)]
    defects = _map(dead_rows=dead_rows, dead_columns=dead_columns)
    remapped = remapped_of(defects, rows=254, columns=255)
    assert len(remapped.placed.cores) == 1
    (wiring,) = remapped.line_maps
    assert set(wiring.rows[254:].tolist()) == {0, 20}
    assert wiring.columns[255:].tolist() == [3]
    assert [(d.stuck, d.left, d.error) for d in remapped.layers] == [(0, 0, 0.0)]


def test_a_matrix_as_large_as_the_array_is_split_where_every_core_lost_a_row(remapped_of):
    defects = _map(dead_rows=[(core, 9) for core in range(64)])
    remapped = remapped_of(defects, rows=256, columns=16)
    assert sum(map(len, remapped.placed.tiles.values())) == 2


def test_unused_lines_take_the_cells_that_cannot_be_made_up_for(remapped_of):
    both = [(core, row, 5, device) for core in range(64) for row in range(256) for device in (0, 1)]
    defects = _map(stuck=both, siemens=[0.0] * len(both))  # no positive weight in column 5
    remapped = remapped_of(defects)
    assert remapped.line_maps[0].columns[:30].tolist().count(5) == 0
    assert remapped.layers[0].left == 0 and remapped.layers[0].blind_error > 0.1


def test_the_map_costs_less_than_not_knowing_it(remapped_of):
    remapped = remapped_of(random_defects(CHIP, 0.05, 0), rows=256, columns=256)
    (layer,) = remapped.layers
    assert layer.stuck > 0.03 * 256 * 256
    assert 0 < layer.left < layer.stuck
    assert layer.error < 0.35 * layer.blind_error


def test_the_same_map_gives_the_same_lines(remapped_of):
    defects = random_defects(CHIP, 0.02, 4)
    one, two = (remapped_of(defects).line_maps[0] for _ in range(2))
    assert np.array_equal(one.rows, two.rows) and np.array_equal(one.columns, two.columns)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 0.3), st.integers(1, 256), st.integers(1, 256))
def test_lines_are_permutations_and_never_worse_than_not_knowing(
    remapped_of, seed, share, rows, columns
):
    remapped = remapped_of(random_defects(CHIP, share, seed), rows, columns)
    for wiring in remapped.line_maps:
        assert sorted(wiring.rows.tolist()) == list(range(256))
        assert sorted(wiring.columns.tolist()) == list(range(256))
    for layer in remapped.layers:
        assert layer.error <= layer.blind_error + 1e-9
        assert layer.left <= layer.stuck


def test_verify_refuses_a_lost_line_and_a_dead_one_in_use(remapped_of):
    defects = _map(dead_rows=[(core, 0) for core in range(64)])
    remapped = remapped_of(defects)
    (wiring,) = remapped.line_maps
    verify_remapped(remapped, defects)
    dead = wiring.rows.tolist().index(0)
    wiring.rows[[0, dead]] = wiring.rows[[dead, 0]]
    with pytest.raises(VerifyError, match="a dead line is used"):
        verify_remapped(remapped, defects)
    wiring.rows[0] = wiring.rows[1]
    with pytest.raises(VerifyError, match="a line is lost or doubled"):
        verify_remapped(remapped, defects)
    with pytest.raises(VerifyError, match="a core is lost"):
        verify_remapped(Remapped(remapped.placed, (), ()), defects)
