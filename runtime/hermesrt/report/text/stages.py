"""Rows and tables of what the compiler's stages decide: for a program, and for the stages alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from hermesrt.artifact.schema import NodeAssignment, Route, Tile
from hermesrt.report.text.terminal import table
from hermesrt.units import percent

TILE_HEADER = ("layer", "rows", "columns", "core", "core rows", "core columns", "stage")
RANGE_HEADER = ("MVM", "layer", "largest input", "clipped", "largest output by stage")


def node_table(nodes: Iterable[NodeAssignment]) -> str:
    """Where each node of the model runs, and why."""
    rows = [(n.location.place, n.node, n.op, n.unit, n.reason) for n in nodes]
    return table(("where", "node", "operation", "runs in", "why"), rows)


def tile_cells(label: str, tile: Tile, core: Callable[[int], str] = str) -> tuple[str, ...]:
    """A tile of the layer `label`, under TILE_HEADER; `core` says how a core is called."""
    return (
        label,
        extent(tile.rows),
        extent(tile.columns),
        core(tile.core),
        extent(tile.core_rows),
        extent(tile.core_columns),
        str(tile.stage),
    )


def range_cells(
    mvm: str, label: str, input_max: float, clipped_share: float, output_max: Sequence[float]
) -> tuple[str, ...]:
    """The fixed-point ranges of an MVM of the layer `label`, under RANGE_HEADER."""
    outputs = ", ".join(f"{m:.4g}" for m in output_max)
    return mvm, label, f"{input_max:.4g}", percent(clipped_share), outputs


def route_table(
    routes: Iterable[Route], labels: Mapping[str, str], core: Callable[[int], str] = str
) -> str:
    """The cores that partial sums pass, called so; `labels` are the layers of the matrices."""
    rows = [
        (labels[r.matrix], extent(r.columns), str(r.stage), " -> ".join(map(core, r.cores)))
        for r in routes
    ]
    if not rows:
        return "No partial sums travel: every matrix fits its core's rows."
    return table(("layer", "columns", "stage", "cores"), rows)


def extent(pair: tuple[int, int]) -> str:
    """A half-open range of rows or columns."""
    return f"{pair[0]}-{pair[1]}"
