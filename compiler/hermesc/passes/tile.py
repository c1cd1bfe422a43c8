"""Tile: cut every stored matrix in blocks that fit a crossbar.

In: Partitioned. Out: Tiled. Method: as the objective wants it (`hermesc.placement.tiling`), or as a
mapping file says. The row blocks of one column range form a cascade, whose partial sums the LDPUs
add. Equal matrices are stored once and shared by all their MVMs. Cost: linear in blocks, where no
cores are left to spend.
"""

from collections.abc import Sequence
from dataclasses import replace

from hermesc.ir.graph import Weights
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Block, MvmWorkload, Partitioned, Tiled, TiledMatrix
from hermesc.placement.cost_model import equal_parts, works_of
from hermesc.placement.options import CellOptions, LayerOptions, PlaceOptions
from hermesc.placement.tiling import plan
from hermesrt.artifact.cut import Cut
from hermesrt.artifact.published_mapping import Layers, check_sizes, layer_names
from hermesrt.artifact.schema import Slice
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.errors import MappingError
from hermesrt.ops.recurrence import GATES


def tile(
    partitioned: Partitioned,
    weights: Weights,
    workloads: tuple[MvmWorkload, ...],
    chip: ChipSpec,
    options: PlaceOptions,
    fixed: Layers,
    single: LayerOptions = LayerOptions(),  # noqa: B008 it never changes
) -> Tiled:
    """Every matrix in blocks of at most the chip's crossbar.

    `workloads` is what each MVM has to do for one sample; `fixed` are the layers that a mapping
    file places, `single` what single layers are to be.

    Raises: MappingError for a layer that the model does not
    have, or has of another size.
    """
    timed = {p.name for op in partitioned.graph.mvms if op.recurrence for p in op.products}
    uses: dict[str, list[Mvm]] = {}
    for op in partitioned.graph.mvms:
        uses.setdefault(op.matrix, []).append(op)
    shapes = [(int(weights[name].shape[0]), int(weights[name].shape[1])) for name in uses]
    numbers = {name: i for i, name in enumerate(uses)}
    works = works_of([numbers[op.matrix] for op in partitioned.graph.mvms], workloads)
    parts = [ops[0].slice for ops in uses.values()]
    cuts = _corrected(plan(shapes, works, chip, options), parts)
    labels = [ops[0].label for ops in uses.values()]
    layers = layer_names(labels)
    check_sizes(fixed, dict(zip(layers, shapes, strict=True)))
    matrices = []
    slices = partitioned.slices
    for (name, ops), shape, cut, layer in zip(uses.items(), shapes, cuts, layers, strict=True):
        chosen = fixed[layer].cut if layer in fixed else cut
        if name in slices:
            chosen = _sliced(shape, chip, len(slices[name]), cut.mode)
        cascades = tuple(tuple(Block(rows, c) for rows in chosen.rows) for c in chosen.columns)
        used_by = tuple(op.name for op in ops)
        if chosen.copies > 1 and any(op.name in timed for op in ops):
            raise MappingError(
                f"layer {layer}: {chosen.copies} copies of a recurrent layer's matrix, where one "
                "time step waits for the other; place it once"
            )
        labels_of = [op.label for op in ops]
        mode = single.mode(labels_of, chosen.mode)
        cells = single.applied(labels_of, CellOptions())
        matrices.append(
            TiledMatrix(
                name,
                ops[0].label,
                *shape,
                cascades,
                used_by,
                chosen.copies,
                mode,
                ops[0].slice,
                cells.devices,
                cells.method,
            )
        )
    return Tiled(partitioned, tuple(matrices), workloads)


def _corrected(cuts: Sequence[Cut], parts: Sequence[Slice | None]) -> list[Cut]:
    """Slices that correct each other's errors have as many copies: each belongs to one of the
    others."""
    least: dict[str, int] = {}
    for cut, part in zip(cuts, parts, strict=True):
        if part is not None and part.fill == "corrected":
            least[part.of] = min(cut.copies, least.get(part.of, cut.copies))
    return [
        replace(cut, copies=least.get(part.of, cut.copies)) if part else cut
        for cut, part in zip(cuts, parts, strict=True)
    ]


def _sliced(shape: tuple[int, int], chip: ChipSpec, slices: int, mode: Mode) -> Cut:
    """The fewest row blocks, and a column block for each slice, no value's gates apart."""
    rows, columns = shape
    parts = equal_parts(columns // GATES, slices)
    whole = tuple((a * GATES, b * GATES) for a, b in parts)
    return Cut(equal_parts(rows, -(-rows // chip.crossbar.rows)), whole, 1, mode)
