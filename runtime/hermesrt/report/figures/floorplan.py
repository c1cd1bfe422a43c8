"""The floor plan: every tile at its place in its core's array, chip beside chip. Needs no torch."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from hermesrt.artifact.contents import HeldTile, core_contents, core_name, tile_name
from hermesrt.artifact.schema import Artifact, Matrix
from hermesrt.artifact.short_names import layer_names
from hermesrt.chip.spec import ChipSpec
from hermesrt.report.figures.svg import (
    FONT,
    INK,
    MUTED,
    PANEL,
    PAPER,
    Point,
    cut_name,
    document,
    fill,
    fitted_name,
    heading,
    n,
    on_fill,
    shortened,
    swatch,
    text,
    xml_text,
)
from hermesrt.units import percent, plural

_MARGIN, _TITLE_HEIGHT = 20.0, 66.0
_GRID_WIDTH, _LARGEST_PITCH, _SMALLEST_PITCH = 800.0, 160.0, 8.0
_LEGIBLE_PITCH = 40.0
_CHIP_GAP, _CHIP_NAME = 26.0, 20.0
_LEGEND_WIDTH, _LEGEND_ROW, _LEGEND_LAYERS = 310.0, 23.0, 24
_LABEL_SIZE, _LABEL_ROOM = 11.5, (28.0, 15.0)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where cores are drawn: `core` and `gap` are (width, height)."""

    grid: tuple[int, int]
    chips: int
    named: bool
    across: int
    core: Point
    gap: Point

    @property
    def chip_size(self) -> Point:
        """Width and height of one chip's cores with a gap around them, and its name."""
        (rows, columns), (wide, high) = self.grid, self.pitch
        name = _CHIP_NAME if self.named else 0.0
        return columns * wide + self.gap[0], rows * high + self.gap[1] + name

    @property
    def pitch(self) -> Point:
        """From one core to the next."""
        return self.core[0] + self.gap[0], self.core[1] + self.gap[1]

    @property
    def size(self) -> Point:
        """Width and height of all chips."""
        width, height = self.chip_size
        down = math.ceil(self.chips / self.across)
        return (
            self.across * (width + _CHIP_GAP) - _CHIP_GAP,
            down * (height + _CHIP_GAP) - _CHIP_GAP,
        )

    @property
    def legible(self) -> bool:
        """Whether cores are large enough for numbers and arrows."""
        return self.pitch[0] >= _LEGIBLE_PITCH

    def place(self, core: int) -> tuple[int, int, int]:
        """Chip, row and column of a core; cores are numbered chip by chip, row by row."""
        chip, local = divmod(core, self.grid[0] * self.grid[1])
        return chip, *divmod(local, self.grid[1])

    def origin(self, chip: int) -> Point:
        """Left and top of a chip."""
        down, across = divmod(chip, self.across)
        width, height = self.chip_size
        return across * (width + _CHIP_GAP), down * (height + _CHIP_GAP)

    def corner(self, core: int) -> Point:
        """Left and top of a core."""
        chip, row, column = self.place(core)
        left, top = self.origin(chip)
        top += _CHIP_NAME if self.named else 0.0
        return (
            left + self.gap[0] + column * self.pitch[0],
            top + self.gap[1] + row * self.pitch[1],
        )


def floorplan_svg(artifact: Artifact) -> str:
    """The chips with their tiles, a title and a legend, as a picture that stands alone."""
    layout = _layout(artifact)
    grid_width, grid_height = layout.size
    fitting = max(_LEGEND_LAYERS, int(grid_height / _LEGEND_ROW) - 3)
    legend = list(_legend(artifact, fitting, drawn_routes=bool(_hops(artifact, layout))))
    width = _MARGIN + grid_width + _LEGEND_WIDTH + _MARGIN
    height = _TITLE_HEIGHT + max(grid_height, len(legend) * _LEGEND_ROW) + _MARGIN
    title = figure_title(artifact)
    body = [
        *heading(title, _subtitle(artifact)),
        f'<g transform="translate({n(_MARGIN - layout.gap[0])} {n(_TITLE_HEIGHT - 6)})">',
        *_chips(artifact, layout),
        "</g>",
        f'<g transform="translate({n(_MARGIN + grid_width + 12)} {n(_TITLE_HEIGHT + 18)})">',
        *(
            f'<g transform="translate(0 {n(i * _LEGEND_ROW)})">{row}</g>'
            for i, row in enumerate(legend)
        ),
        "</g>",
    ]
    return document(title, (width, height), body, layers=len(artifact.manifest.matrices))


def chip_svg(artifact: Artifact) -> str:
    """The chips alone, for a page: each core in use can take the focus and says what it holds."""
    layout = _layout(artifact)
    width, height = layout.size
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" id="plan" class="plan" {FONT} '
            f'viewBox="0 0 {n(width)} {n(height)}" role="group" '
            f'style="--aspect:{width / height:.3f}" '
            f'aria-label="Floor plan: {plural(artifact.tiles, "tile")} on '
            f'{plural(len(artifact.cores), "core")}; arrow keys move, Enter zooms into a core">',
            *_chips(artifact, layout),
            "</svg>",
        ]
    )


def figure_title(artifact: Artifact) -> str:
    """The program and the chip."""
    return f"{shortened(artifact.manifest.name, 50)} on {shortened(artifact.chip.name, 40)}"


def _drawn_chips(artifact: Artifact) -> int:
    """The chips up to the last in use."""
    return max(artifact.chips, default=0) + 1


def _layout(artifact: Artifact) -> _Layout:
    chip, chips = artifact.chip, _drawn_chips(artifact)
    rows, columns = chip.grid.rows, chip.grid.columns
    across = min(chips, max(1, math.ceil(math.sqrt(chips * rows / columns))))
    room = (_GRID_WIDTH - _CHIP_GAP * (across - 1)) / (columns * across)
    pitch = min(_LARGEST_PITCH, max(_SMALLEST_PITCH, room))
    width = 0.84 * pitch
    aspect = min(2.0, max(0.5, chip.crossbar.rows / chip.crossbar.columns))
    gap = 0.16 * pitch
    number_height = max(gap, 28.0) if pitch >= _LEGIBLE_PITCH else gap
    named = artifact.manifest.chips > 1
    return _Layout(
        (rows, columns), chips, named, across, (width, width * aspect), (gap, number_height)
    )


def _chips(artifact: Artifact, layout: _Layout) -> Iterator[str]:
    held = {contents.core: contents.tiles for contents in core_contents(artifact)}
    names = layer_names(artifact)
    for chip in range(layout.chips if layout.named else 0):
        left, top = layout.origin(chip)
        yield text(f"chip {chip}", (left + layout.gap[0], top + 13), size=13, weight=600)
    for core in range(layout.chips * artifact.chip.cores):
        yield from _core(artifact, layout, core, held.get(core, ()), names)
    for layer, here, there in _hops(artifact, layout):
        yield (
            f'<path class="route" data-layer="{layer}" d="{_hop_path(layout, here, there)}" '
            f'fill="none" stroke="{INK}" stroke-width="1.3" marker-end="url(#arrow)"/>'
        )


def _core(
    artifact: Artifact,
    layout: _Layout,
    core: int,
    held: tuple[HeldTile, ...],
    names: Mapping[str, str],
) -> Iterator[str]:
    x, y = layout.corner(core)
    colour, stroke = (PANEL, "#7D858D") if held else ("none", "#C3C8CD")
    name = core_name(artifact, core)
    if held:
        labels = ", ".join(dict.fromkeys(h.matrix.label for h in held))
        words = f"{name}: {plural(len(held), 'tile')} of {labels}"
        yield f'<g class="holder" data-core="{core}" aria-label="{xml_text(words)}">'
    yield (
        f'<rect class="core{" used" if held else ""}" x="{n(x)}" y="{n(y)}" '
        f'width="{n(layout.core[0])}" height="{n(layout.core[1])}" fill="{colour}" '
        f'stroke="{stroke}"><title>{xml_text(name)}</title></rect>'
    )
    if layout.legible:
        size = min(13.0, 0.2 * layout.pitch[0])
        ink, kind = (INK, "number used") if held else (MUTED, "number")
        local = core % artifact.chip.cores
        yield text(str(local), (x, y - 4), size=size, fill=ink, kind=kind)
    for tile in held:
        yield from _tile(artifact.chip, layout, tile, names[tile.matrix.label])
    if held:
        yield "</g>"


def _tile(chip: ChipSpec, layout: _Layout, held: HeldTile, name: str) -> Iterator[str]:
    layer, matrix, tile = held.layer, held.matrix, held.tile
    x, y = layout.corner(tile.core)
    across, down = layout.core[0] / chip.crossbar.columns, layout.core[1] / chip.crossbar.rows
    left, right = (x + across * c for c in tile.core_columns)
    top, bottom = (y + down * r for r in tile.core_rows)
    wide, high = max(right - left, 1.0), max(bottom - top, 1.0)
    yield (
        f'<rect class="tile" data-layer="{layer}" x="{n(left)}" y="{n(top)}" width="{n(wide)}" '
        f'height="{n(high)}" fill="{fill(layer)}" stroke="{PAPER}" stroke-width="0.75">'
        f"<title>{xml_text(tile_name(matrix, tile))}</title></rect>"
    )
    if wide >= _LABEL_ROOM[0] and high >= _LABEL_ROOM[1]:
        label = fitted_name(name, wide - 2, _LABEL_SIZE)
        ink, halo = on_fill(layer), fill(layer % 7)
        yield (
            f'<text class="tile-label" data-layer="{layer}" x="{n(left + wide / 2)}" '
            f'y="{n(top + high / 2 + 4.2)}" font-size="{_LABEL_SIZE}" text-anchor="middle" '
            f'fill="{ink}" stroke="{halo}" stroke-width="3" paint-order="stroke" '
            f'pointer-events="none" aria-hidden="true">{xml_text(label)}</text>'
        )


def _hops(artifact: Artifact, layout: _Layout) -> tuple[tuple[int, int, int], ...]:
    """Each layer's links between cores, once: (layer, from, to); none on a grid too fine for it."""
    if not layout.legible:
        return ()
    layers = {m.name: i for i, m in enumerate(artifact.manifest.matrices)}
    hops = (
        (layers[route.matrix], here, there)
        for route in artifact.manifest.routes
        for here, there in pairwise(route.cores)
    )
    return tuple(dict.fromkeys(hops))


def _hop_path(layout: _Layout, here: int, there: int) -> str:
    """Straight to a neighbour, in the gap around cores between, else from centre to centre."""
    (chip_a, row_a, column_a), (chip_b, row_b, column_b) = layout.place(here), layout.place(there)
    a, b = layout.corner(here), layout.corner(there)
    if chip_a == chip_b and row_a == row_b:
        points = _along(a, b, layout.core, layout.gap, column_b - column_a)
    elif chip_a == chip_b and column_a == column_b:
        turned = _along(a[::-1], b[::-1], layout.core[::-1], layout.gap[::-1], row_b - row_a)
        points = [(x, y) for y, x in turned]
    else:
        points = [(x + layout.core[0] / 2, y + layout.core[1] / 2) for x, y in (a, b)]
    start, *rest = (f"{n(x)} {n(y)}" for x, y in points)
    return f"M{start}{'L' if len(rest) == 1 else 'C'}{' '.join(rest)}"


def _along(a: Point, b: Point, core: Point, gap: Point, steps: int) -> list[Point]:
    """A link along x: a line's two points, or a curve's four; the way back is beside it."""
    way = 1 if steps > 0 else -1
    if abs(steps) == 1:
        y = a[1] + core[1] / 2 + 4 * way
        return [(a[0] + core[0], y), (b[0], y)] if way == 1 else [(a[0], y), (b[0] + core[0], y)]
    start, end = a[0] + core[0] / 2 + 8 * way, b[0] + core[0] / 2 - 8 * way
    edge, dip = a[1] + core[1], a[1] + core[1] + 0.5 * gap[1]
    return [(start, edge), (start, dip), (end, dip), (end, edge)]


def _legend(artifact: Artifact, most: int, *, drawn_routes: bool) -> Iterator[str]:
    """Its rows, each drawn about y = 0."""
    matrices = artifact.manifest.matrices
    if not matrices:
        yield text("No layer is on the chip", (0, 4), size=14, fill=MUTED)
        return
    yield text("Layer", (0, 4), size=13, weight=600) + text(
        "rows × columns, tiles", (_LEGEND_WIDTH - 24, 4), size=13, fill=MUTED, anchor="end"
    )
    names = layer_names(artifact)
    for layer, matrix in enumerate(matrices[:most]):
        yield _legend_layer(layer, matrix, names[matrix.label])
    if len(matrices) > most:
        more = f"{len(matrices) - most} more"
        yield text(more, (22, 4), size=13, fill=MUTED)
    if drawn_routes:
        yield (
            f'<path d="M0 0H15" stroke="{INK}" stroke-width="1.3" marker-end="url(#arrow)"/>'
            + text("partial sums from core to core", (22, 4), size=13, fill=MUTED)
        )


def _legend_layer(layer: int, matrix: Matrix, name: str) -> str:
    size = f"{matrix.rows} × {matrix.columns}, {len(matrix.tiles)}"
    return (
        f'<g transform="translate(0 -7)">{swatch(layer)}</g>'
        + text(cut_name(name, 22), (22, 4), size=13)
        + text(size, (_LEGEND_WIDTH - 24, 4), size=13, fill=MUTED, anchor="end")
    )


def _subtitle(artifact: Artifact) -> str:
    chips = artifact.manifest.chips
    where = f" of {chips} chips" if chips > 1 else ""
    cores = f"{len(artifact.cores)} of {artifact.cores_in_all} cores{where}"
    if not artifact.cores:
        return f"{cores}: the model has no matrix on the chip"
    return f"{cores}, {percent(artifact.utilisation)} of their cells"
