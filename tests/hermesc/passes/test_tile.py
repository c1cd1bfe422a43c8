"""Blocks cover every matrix exactly once."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesc.ir.text import stage_text
from hermesc.ir.verify import verify_tiled


def _meta(rows, columns):
    return torch.empty(rows, columns, device="meta")


def test_golden(stages, golden):
    golden("tile.txt", stage_text(stages["tile"]))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9))
def test_blocks_cover_a_matrix_exactly_once(
    chip_with, mvm_graph, tiled_of, rows, columns, height, width
):
    chip = chip_with(crossbar_rows=height, crossbar_columns=width)
    partitioned, weights = mvm_graph(_meta(rows, columns))
    tiled = tiled_of(partitioned, weights, chip)
    verify_tiled(tiled, weights, chip)
    blocks = [b for cascade in tiled.matrices[0].cascades for b in cascade]
    seen = torch.zeros(rows, columns, dtype=torch.int64)
    for block in blocks:
        seen[slice(*block.rows), slice(*block.columns)] += 1
    assert bool((seen == 1).all())
    heights, widths = {b.shape[0] for b in blocks}, {b.shape[1] for b in blocks}
    assert max(heights) - min(heights) <= 1
    assert max(widths) - min(widths) <= 1
    assert max(heights) <= height
    assert max(widths) <= width
    assert len(blocks) == -(-rows // height) * -(-columns // width)


@pytest.mark.parametrize(
    ("rows", "columns", "ranges"),
    [
        (256, 256, [(0, 256)]),
        (257, 256, [(0, 128), (128, 257)]),
        (700, 300, [(0, 233), (233, 466), (466, 700)]),
    ],
)
def test_a_matrix_is_cut_in_the_fewest_equal_parts(
    chip, mvm_graph, tiled_of, rows, columns, ranges
):
    partitioned, weights = mvm_graph(_meta(rows, columns))
    (matrix,) = tiled_of(partitioned, weights, chip).matrices
    assert list(matrix.row_ranges) == ranges
    assert len(matrix.cascades) == -(-columns // 256)


def test_mvms_of_one_matrix_share_its_blocks(chip, front, tiled_of):
    layer = torch.nn.Linear(8, 8, bias=False)

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(torch.tanh(self.layer(x)))

    made = front(Twice(), (torch.randn(3, 8),))
    (matrix,) = tiled_of(made.partitioned, made.weights, chip).matrices
    assert len(matrix.uses) == 2


def test_a_model_without_matrices_has_no_tiles(chip, mvm_graph, tiled_of):
    partitioned, weights = mvm_graph()
    assert tiled_of(partitioned, weights, chip).matrices == ()
