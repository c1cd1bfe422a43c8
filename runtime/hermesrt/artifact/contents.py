"""What each core holds, and which layer each step and tile belongs to. Needs no torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hermesrt.artifact.schema import Artifact, Matrix, Tile


@dataclass(frozen=True, slots=True)
class HeldTile:
    """One tile on a core.

    layer: the number of its matrix in the program.
    matrix: the matrix that it is a block of.
    tile: its block, and its place in the core's array.
    """

    layer: int
    matrix: Matrix
    tile: Tile


@dataclass(frozen=True, slots=True)
class CoreContents:
    """One core in use.

    core: its number, over all chips.
    used_share: unit cells in use over all of the core, 0 to 1.
    tiles: what it holds, by layer.
    """

    core: int
    used_share: float
    tiles: tuple[HeldTile, ...]


def core_contents(artifact: Artifact) -> tuple[CoreContents, ...]:
    """The cores in use, by number."""
    held: dict[int, list[HeldTile]] = {core: [] for core in artifact.cores}
    for layer, matrix in enumerate(artifact.manifest.matrices):
        for tile in matrix.tiles:
            held[tile.core].append(HeldTile(layer, matrix, tile))
    cells = artifact.chip.cells_per_core
    return tuple(
        CoreContents(core, sum(t.tile.cells for t in tiles) / cells, tuple(tiles))
        for core, tiles in held.items()
    )


def fullest_core(artifact: Artifact) -> int | None:
    """The core with most unit cells in use, the first of them; None where none is in use."""
    best = max(core_contents(artifact), key=lambda c: c.used_share, default=None)
    return best.core if best else None


def layer_of_step(artifact: Artifact) -> Mapping[str, int]:
    """The number of the matrix that each MVM step multiplies with, by the step's name."""
    layers = {m.name: i for i, m in enumerate(artifact.manifest.matrices)}
    return {step.name: layers[step.matrix] for step in artifact.mvms}


def core_name(artifact: Artifact, core: int) -> str:
    """A core's number, with its chip's where there are several."""
    chip, local = divmod(core, artifact.chip.cores)
    return f"core {core}" if artifact.manifest.chips == 1 else f"chip {chip}, core {local}"


def core_number(artifact: Artifact, core: int) -> str:
    """The same for a column of cores: the number alone where there is one chip."""
    return str(core) if artifact.manifest.chips == 1 else core_name(artifact, core)


def cores_text(artifact: Artifact, cores: Iterable[int]) -> str:
    """The numbers of cores, chip by chip where there are several."""
    numbers = sorted(set(cores))
    if artifact.manifest.chips == 1:
        return ", ".join(map(str, numbers))
    chips: dict[int, list[str]] = {}
    for core in numbers:
        chip, local = divmod(core, artifact.chip.cores)
        chips.setdefault(chip, []).append(str(local))
    return "; ".join(
        f"chip {chip}, core{'s' if len(held) > 1 else ''} {', '.join(held)}"
        for chip, held in chips.items()
    )


def link_name(artifact: Artifact, cores: Sequence[int]) -> str:
    """The cores that partial sums pass, in order."""
    chips = {core // artifact.chip.cores for core in cores}
    if len(chips) > 1:
        return " → ".join(core_name(artifact, core) for core in cores)
    where = f"chip {chips.pop()}, " if artifact.manifest.chips > 1 and chips else ""
    return where + "link " + " → ".join(str(core % artifact.chip.cores) for core in cores)


def tile_name(matrix: Matrix, tile: Tile) -> str:
    """A tile in words: its layer and its block of the matrix (half-open ranges)."""
    rows, columns = ("–".join(map(str, r)) for r in (tile.rows, tile.columns))
    return f"{matrix.label}: rows {rows}, columns {columns}"
