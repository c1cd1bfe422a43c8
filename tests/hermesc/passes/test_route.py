"""Partial sums travel over links that exist."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesc.ir.stages import Placed, Quantized, Remapped
from hermesc.ir.text import stage_text
from hermesc.ir.verify import verify_routed
from hermesc.passes.route import route
from hermesrt.artifact.schema import Score, Tile
from hermesrt.errors import CapacityError

SCORE = Score("cores", "test", "cores", 1.0, 1.0)


def _remapped(mvm_graph, tiled_of, chip, rows, cores):
    """One cascade of single-row blocks on the given cores."""
    partitioned, weights = mvm_graph(torch.empty(rows, 4, device="meta"))
    tiled = tiled_of(partitioned, weights, chip)
    (cascade,) = tiled.matrices[0].cascades
    tiles = tuple(
        Tile(0, i, block.rows, block.columns, core, (0, 1), (0, 4))
        for i, (block, core) in enumerate(zip(cascade, cores, strict=True))
    )
    placed = Placed(Quantized(tiled, (), (), (), 1, ()), {"w0": tiles}, 1, SCORE)
    return Remapped(placed, (), ())


def test_golden(stages, golden):
    golden("route.txt", stage_text(stages["route"]))


@given(st.lists(st.integers(0, 63), min_size=1, max_size=8, unique=True))
def test_each_route_joins_the_cores_of_two_stages(chip_with, mvm_graph, tiled_of, cores):
    chip = chip_with(crossbar_rows=1)
    routed = route(_remapped(mvm_graph, tiled_of, chip, len(cores), cores), chip)
    verify_routed(routed, chip)
    ends = [(r.cores[0], r.cores[-1]) for r in sorted(routed.routes, key=lambda r: r.stage)]
    assert ends == list(pairwise(cores))


@pytest.mark.parametrize(("here", "there", "hops"), [(0, 1, 1), (0, 2, 1), (0, 8, 1), (0, 3, 2)])
def test_route_is_shortest(chip_with, mvm_graph, tiled_of, here, there, hops):
    chip = chip_with(crossbar_rows=1)
    (found,) = route(_remapped(mvm_graph, tiled_of, chip, 2, (here, there)), chip).routes
    assert len(found.cores) == hops + 1


def test_two_cores_without_a_path_are_refused(chip_with, mvm_graph, tiled_of):
    chip = chip_with(crossbar_rows=1, links_column_reach=0)
    with pytest.raises(CapacityError, match=r"core 0 to 8.*raise links.row_reach or links.column"):
        route(_remapped(mvm_graph, tiled_of, chip, 2, (0, 8)), chip)


def test_a_matrix_of_one_block_needs_no_route(chip, mvm_graph, tiled_of):
    assert route(_remapped(mvm_graph, tiled_of, chip, 1, (5,)), chip).routes == ()
