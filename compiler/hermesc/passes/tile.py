"""Tile: cut every stored matrix in blocks that fit a crossbar.

In: Partitioned. Out: Tiled. Method: the smallest number of equal parts, in rows and in columns,
with both sides within the array (Le Gallo 2023, Methods); sizes differ by one at most. The row
blocks of one column range form a cascade, whose partial sums the LDPUs add. Equal matrices are
stored once and shared by all their MVMs. Cost: linear in blocks.
"""

from collections.abc import Iterator, Mapping
from math import ceil

from hermesc.ir.graph import Weights
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Block, Partitioned, Tiled, TiledMatrix
from hermesc.placing.options import PlaceOptions
from hermesc.target.spec import ChipSpec, Mode


def tile(
    partitioned: Partitioned,
    weights: Weights,
    vectors: Mapping[str, int],
    chip: ChipSpec,
    options: PlaceOptions,
) -> Tiled:
    """Every matrix in blocks of at most the chip's crossbar.

    `vectors` is the number that each MVM, by name, has to serve for one sample.
    """
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
        mode: Mode = "1-phase" if options.objective == "energy" else "4-phase"
        matrices.append(TiledMatrix(name, ops[0].label, rows, columns, cascades, used_by, 1, mode))
    counts = tuple(vectors.get(op.name, 1) for op in partitioned.graph.mvms)
    return Tiled(partitioned, tuple(matrices), counts)


def _equal_parts(size: int, limit: int) -> Iterator[tuple[int, int]]:
    count = ceil(size / limit)
    ends = [size * (i + 1) // count for i in range(count)]
    yield from zip([0, *ends[:-1]], ends, strict=True)
