"""The published HERMES mappings: which rectangle of which core holds which part of a layer.

The format of the chip's own experiments (Büchel et al. 2024, their public code): a JSON object of
layers, each with `tiles_map`: core row -> core column -> a list of regions, which name the rows and
columns of the weight (rows are inputs) and those of the core's array. What the format has no word
for is said beside it, and only where it is needed: `read_mode` of a layer, `copy` of a region. With
several chips the core rows of the second follow those of the first.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from hermesrt.artifact.cut import Cut, Range
from hermesrt.artifact.schema import Artifact, Matrix, Tile
from hermesrt.chip.spec import MODES, ChipSpec, Mode
from hermesrt.errors import MappingError

_KEYS = ("weight_row_region", "weight_col_region", "tile_row_region", "tile_col_region")
_DEPTH = 10**6  # beyond any size


@dataclass(frozen=True, slots=True)
class MappedLayer:
    """All tiles of one layer, and its read mode.

    tiles: of all copies.
    mode: how its arrays are read.
    """

    tiles: tuple[Tile, ...]
    mode: Mode

    @property
    def cut(self) -> Cut:
        """The blocks and copies that its tiles make."""
        rows = tuple(sorted({t.rows for t in self.tiles}))
        columns = tuple(sorted({t.columns for t in self.tiles}))
        return Cut(rows, columns, 1 + max(t.copy for t in self.tiles), self.mode)


Layers = Mapping[str, MappedLayer]


def layer_names(labels: Sequence[str]) -> list[str]:
    """One name for each matrix: its label, numbered where several have the same."""
    seen: dict[str, int] = {}
    names = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        names.append(label if seen[label] == 1 else f"{label}#{seen[label]}")
    return names


def to_text(artifact: Artifact) -> str:
    """A program's placement in the published format."""
    uses = {m.name: 0 for m in artifact.manifest.matrices}
    biased = set()
    for step in artifact.mvms:
        uses[step.matrix] += 1
        if step.bias is not None:
            biased.add(step.matrix)
    matrices = artifact.manifest.matrices
    layers = {}
    for name, matrix in zip(layer_names([m.label for m in matrices]), matrices, strict=True):
        layer: dict[str, Any] = {
            "type": "Linear",
            "weight": f"{name}.weight",
            "bias": f"{name}.bias" if matrix.name in biased else None,
            "tiles_map": _tiles_map(matrix, artifact.chip),
            "n_shared": uses[matrix.name],
        }
        if matrix.mode != "4-phase":
            layer["read_mode"] = matrix.mode
        layers[name] = layer
    return json.dumps(layers, indent=4) + "\n"


def _tiles_map(matrix: Matrix, chip: ChipSpec) -> dict[str, dict[str, list[dict[str, Any]]]]:
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for tile in sorted(matrix.tiles, key=lambda t: (t.core, t.copy, t.columns, t.stage)):
        row, column = divmod(tile.core, chip.grid.columns)
        regions = found.setdefault(str(row), {}).setdefault(str(column), [])
        regions.append(_region(tile, several=matrix.copies > 1))
    return found


def _region(tile: Tile, *, several: bool) -> dict[str, Any]:
    region: dict[str, Any] = {
        "tile_col_region": list(tile.core_columns),
        "tile_row_region": list(tile.core_rows),
        "weight_col_region": list(tile.columns),
        "weight_row_region": list(tile.rows),
    }
    return region | {"copy": tile.copy} if several else region


def from_text(text: str, where: str, chip: ChipSpec, chips: int) -> Layers:
    """The layers of a mapping file, sound in themselves: on cores that exist, inside their arrays,
    and nowhere two in one cell.

    Raises: MappingError that names the layer and the place.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MappingError(f"{where}: not valid JSON ({error})") from None
    if not isinstance(data, dict):
        raise MappingError(f"{where}: must be an object of layers")
    reader = _Reader(where, chip, chips)
    layers = {name: reader.layer(name, value) for name, value in data.items()}
    reader.check_overlaps(layers)
    return layers


def check_sizes(layers: Layers, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Every layer is one of the model's, of its size, and covered once by its regions.

    Raises: MappingError that names the layer.
    """
    for name, layer in layers.items():
        if name not in sizes:
            raise MappingError(
                f"mapping: {name}: the model has no such layer on crossbars; it has "
                f"{', '.join(sizes) or 'none'}"
            )
        cut, size = layer.cut, sizes[name]
        for what, ranges, wanted in (("row", cut.rows, size[0]), ("column", cut.columns, size[1])):
            edges = [0, *(b for _, b in ranges)], [*(a for a, _ in ranges), wanted]
            if edges[0] != edges[1]:
                raise MappingError(
                    f"mapping: {name}: the {what} regions {_text(ranges)} do not cover its "
                    f"{wanted} {what}s once; the model's layer is {size[0]}x{size[1]}"
                )


@dataclass(frozen=True, slots=True)
class _Reader:
    where: str
    chip: ChipSpec
    chips: int

    def layer(self, name: str, data: Any) -> MappedLayer:
        tiles = data.get("tiles_map") if isinstance(data, dict) else None
        if not isinstance(tiles, dict) or not tiles:
            raise self._fail(name, "it has no `tiles_map` of core rows")
        mode = data.get("read_mode", "4-phase")
        if mode not in MODES:
            raise self._fail(name, f"`read_mode` is {mode!r}; it must be {' or '.join(MODES)}")
        regions = []
        for row, columns in tiles.items():
            if not isinstance(columns, dict):
                raise self._fail(name, f"core row {row} is not an object of core columns")
            for column, found in columns.items():
                core = self._core(name, row, column)
                if not isinstance(found, list) or not found:
                    raise self._fail(name, f"core ({row}, {column}) has no list of regions")
                regions += [self._region(name, core, region) for region in found]
        layer = MappedLayer(_staged(regions), mode)
        self._check_whole(name, layer)
        return layer

    def _core(self, name: str, row: str, column: str) -> int:
        grid = self.chip.grid
        rows = grid.rows * self.chips
        good = row.isdecimal() and column.isdecimal() and len(row + column) < 12
        if not good or int(row) >= rows or int(column) >= grid.columns:
            raise self._fail(
                name,
                f"there is no core ({row}, {column}); core rows are 0 to {rows - 1} and core "
                f"columns 0 to {grid.columns - 1}",
            )
        return int(row) * grid.columns + int(column)

    def _region(self, name: str, core: int, data: Any) -> Tile:
        place = self._place(core)
        if not isinstance(data, dict):
            raise self._fail(name, f"a region on {place} is not an object")
        crossbar = self.chip.crossbar
        limits = (_DEPTH, _DEPTH, crossbar.rows, crossbar.columns)
        rows, columns, core_rows, core_columns = (
            self._range(name, place, key, data.get(key), limit)
            for key, limit in zip(_KEYS, limits, strict=True)
        )
        copy = data.get("copy", 0)
        if type(copy) is not int or not 0 <= copy < self.chip.cores * self.chips:
            raise self._fail(name, f"`copy` on {place} is {copy!r}; it must be a small number")
        sizes = [b - a for a, b in (rows, columns)], [b - a for a, b in (core_rows, core_columns)]
        if sizes[0] != sizes[1]:
            raise self._fail(
                name,
                f"rows {_text([rows])}, columns {_text([columns])} of the weight do not have the "
                f"size of rows {_text([core_rows])}, columns {_text([core_columns])} of {place}",
            )
        return Tile(copy, 0, rows, columns, core, core_rows, core_columns)

    def _range(self, name: str, place: str, key: str, data: Any, limit: int) -> Range:
        whole = isinstance(data, list) and len(data) == 2 and all(type(v) is int for v in data)
        if not whole or not 0 <= data[0] < data[1] <= limit:
            allowed = f"two rising numbers from 0 to {limit}" if limit < _DEPTH else "a range"
            raise self._fail(name, f"`{key}` on {place} is {data!r}; it must be {allowed}")
        return data[0], data[1]

    def _check_whole(self, name: str, layer: MappedLayer) -> None:
        """Each copy has each row block in each column range once."""
        cut = layer.cut
        found = [(r.copy, r.rows, r.columns) for r in layer.tiles]
        for block in product(range(cut.copies), cut.rows, cut.columns):
            if found.count(block) != 1:
                copy, rows, columns = block
                text = f"copy {copy}, " if cut.copies > 1 else ""
                raise self._fail(
                    name,
                    f"{text}rows {_text([rows])}, columns {_text([columns])} are there "
                    f"{found.count(block)} times; every row block must be there once in every "
                    "column range",
                )

    def check_overlaps(self, layers: Layers) -> None:
        by_core: dict[int, list[tuple[str, Tile]]] = {}
        for name, layer in layers.items():
            for region in layer.tiles:
                by_core.setdefault(region.core, []).append((name, region))
        for held in by_core.values():
            held.sort(key=lambda pair: pair[1].core_rows)
            for i, (name, region) in enumerate(held):
                for other_name, other in _meeting(region, held[i + 1 :]):
                    raise self._fail(
                        other_name,
                        f"rows {_text([other.core_rows])}, columns {_text([other.core_columns])} "
                        f"of {self._place(other.core)} overlap those of {name}: rows "
                        f"{_text([region.core_rows])}, columns {_text([region.core_columns])}",
                    )

    def _place(self, core: int) -> str:
        row, column = divmod(core, self.chip.grid.columns)
        return f"core ({row}, {column})"

    def _fail(self, name: str, what: str) -> MappingError:
        return MappingError(f"{self.where}: {name}: {what}")


def _staged(tiles: Sequence[Tile]) -> tuple[Tile, ...]:
    """The tiles with their places in their cascades, which follow from all row blocks together."""
    stages = {rows: i for i, rows in enumerate(sorted({t.rows for t in tiles}))}
    return tuple(replace(t, stage=stages[t.rows]) for t in tiles)


def _meeting(region: Tile, below: Sequence[tuple[str, Tile]]) -> Iterator[tuple[str, Tile]]:
    """Regions that share a cell, of those that begin no higher."""
    for name, other in below:
        if other.core_rows[0] >= region.core_rows[1]:
            return
        a, b = region.core_columns, other.core_columns
        if a[0] < b[1] and b[0] < a[1]:
            yield name, other


def _text(ranges: Sequence[Range]) -> str:
    return ", ".join(f"{a}-{b}" for a, b in ranges)
