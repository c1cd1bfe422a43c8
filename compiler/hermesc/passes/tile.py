"""Tile: cut every stored matrix in blocks that fit a crossbar.

In: Partitioned. Out: Tiled. Method: the smallest number of equal parts, in rows and in columns,
with both sides within the array (Le Gallo 2023, Methods); sizes differ by one at most. The row
blocks of one column range form a cascade, whose partial sums the LDPUs add. Equal matrices are
stored once and shared by all their MVMs. Cost: linear in blocks.
"""

from collections.abc import Iterator
from math import ceil

from hermesc.ir.graph import Weights
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Block, Partitioned, Tiled, TiledMatrix
from hermesc.target.spec import ChipSpec


def tile(partitioned: Partitioned, weights: Weights, chip: ChipSpec) -> Tiled:
    """Every matrix in blocks of at most the chip's crossbar."""
    uses: dict[str, list[Mvm]] = {}
    for op in partitioned.graph.mvms:
        uses.setdefault(op.matrix, []).append(op)
    matrices = []
    for name, ops in uses.items():
        rows, columns = weights[name].shape
        cascades = tuple(
            tuple(Block(r, c) for r in _equal_parts(rows, chip.crossbar.rows))
            for c in _equal_parts(columns, chip.crossbar.columns)
        )
        used_by = tuple(op.name for op in ops)
        matrices.append(TiledMatrix(name, ops[0].label, rows, columns, cascades, used_by))
    return Tiled(partitioned, tuple(matrices))


def _equal_parts(size: int, limit: int) -> Iterator[tuple[int, int]]:
    count = ceil(size / limit)
    ends = [size * (i + 1) // count for i in range(count)]
    yield from zip([0, *ends[:-1]], ends, strict=True)
