"""The floor plan of a chip: every tile at its place in its core's array, as SVG. Needs no torch.

Colours and shapes are attributes, so that the picture stands alone; a page restyles them by class.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from hermesc.artifact.schema import Artifact, Matrix, Tile
from hermesc.target.spec import ChipSpec
from hermesc.units import percent

# Okabe and Ito's palette, which colour-blind readers tell apart, each with a hatch that shows on it
_COLOURS = (
    ("#0072B2", "#FFFFFF"),
    ("#E69F00", "#000000"),
    ("#009E73", "#FFFFFF"),
    ("#CC79A7", "#000000"),
    ("#56B4E9", "#000000"),
    ("#D55E00", "#FFFFFF"),
    ("#F0E442", "#000000"),
)
_HATCHES = ("", "M-1 1L1-1M0 6L6 0M5 7L7 5", "M-1 5L1 7M0 0L6 6M5-1L7 1", "M0 3H6", "M3 0V6")
_INK, _MUTED, _PAPER = "#1B1F24", "#57606A", "#FFFFFF"
_FONT = 'font-family="Helvetica, Arial, sans-serif"'
_MARGIN, _TITLE_HEIGHT = 20.0, 66.0
_GRID_WIDTH, _LARGEST_PITCH, _SMALLEST_PITCH = 800.0, 160.0, 8.0
_LEGIBLE_PITCH = 40.0
_LEGEND_WIDTH, _LEGEND_ROW, _LEGEND_LAYERS = 310.0, 23.0, 24
_REPLACEMENT = "�"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where cores are drawn: `core` and `gap` are (width, height)."""

    columns: int
    rows: int
    core: Point
    gap: Point

    @property
    def size(self) -> Point:
        """Width and height of all cores with a gap around them."""
        pitch = self.core[0] + self.gap[0], self.core[1] + self.gap[1]
        return self.columns * pitch[0] + self.gap[0], self.rows * pitch[1] + self.gap[1]

    @property
    def legible(self) -> bool:
        """Whether cores are large enough for numbers and arrows."""
        return self.core[0] + self.gap[0] >= _LEGIBLE_PITCH

    def place(self, core: int) -> tuple[int, int]:
        """Row and column of a core."""
        return divmod(core, self.columns)

    def corner(self, core: int) -> Point:
        """Left and top of a core."""
        row, column = self.place(core)
        left = self.gap[0] + column * (self.core[0] + self.gap[0])
        return left, self.gap[1] + row * (self.core[1] + self.gap[1])


def floorplan_svg(artifact: Artifact) -> str:
    """The chip with its tiles, a title and a legend, as a picture that stands alone."""
    layout = _layout(artifact.chip)
    grid_width, grid_height = layout.size
    legend = list(_legend(artifact, drawn_routes=bool(_hops(artifact, layout))))
    width = _MARGIN + grid_width + _LEGEND_WIDTH + _MARGIN
    height = _TITLE_HEIGHT + max(grid_height, len(legend) * _LEGEND_ROW) + _MARGIN
    names = [tile_name(m, t) for m in artifact.manifest.matrices for t in m.tiles]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" {_FONT} role="img">',
        f"<title>{xml_text(_title(artifact))}</title>",
        f'<rect width="100%" height="100%" fill="{_PAPER}"/>',
        _text(_title(artifact), (_MARGIN, 30), size=19, weight=600),
        _text(_subtitle(artifact), (_MARGIN, 51), size=14, fill=_MUTED),
        f'<g transform="translate({_n(_MARGIN - layout.gap[0])} {_n(_TITLE_HEIGHT - 6)})">',
        *_chip(artifact, layout, [f"<title>{xml_text(name)}</title>" for name in names], ()),
        "</g>",
        f'<g transform="translate({_n(_MARGIN + grid_width + 12)} {_n(_TITLE_HEIGHT + 18)})">',
        *(
            f'<g transform="translate(0 {_n(i * _LEGEND_ROW)})">{row}</g>'
            for i, row in enumerate(legend)
        ),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def chip_svg(artifact: Artifact, tile_names: Sequence[str]) -> str:
    """The chip alone, for a page: each tile can take the focus and is read out by its name."""
    layout = _layout(artifact.chip)
    width, height = layout.size
    attributes = [
        f'tabindex="0" role="img" data-tile="{i}" aria-label="{xml_text(name)}"'
        for i, name in enumerate(tile_names)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" id="plan" class="plan" {_FONT} '
            f'viewBox="0 0 {_n(width)} {_n(height)}" role="group" '
            f'aria-label="Floor plan: {artifact.tiles} tiles on {artifact.chip.cores} cores">',
            *_chip(artifact, layout, (), attributes),
            "</svg>",
        ]
    )


def swatch_svg(layer: int) -> str:
    """A sample of a layer's colour and hatch, for a page that holds its floor plan."""
    return f'<svg class="swatch" width="14" height="14" aria-hidden="true">{_swatch(layer)}</svg>'


def tile_name(matrix: Matrix, tile: Tile) -> str:
    """A tile in words: its layer, its block of the matrix (half-open ranges) and its core."""
    rows, columns = ("–".join(map(str, r)) for r in (tile.rows, tile.columns))
    return f"{matrix.label}: rows {rows}, columns {columns}, core {tile.core}"


def xml_text(text: str) -> str:
    """Text for XML content or a quoted attribute; what XML cannot hold becomes U+FFFD."""
    legal = "".join(c if _is_legal(ord(c)) else _REPLACEMENT for c in text)
    return escape(legal, {'"': "&quot;", "'": "&#39;"})


def _is_legal(code: int) -> bool:
    if code < 0x20:
        return code in (0x9, 0xA, 0xD)
    return not (0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF))


def _layout(chip: ChipSpec) -> _Layout:
    pitch = min(_LARGEST_PITCH, max(_SMALLEST_PITCH, _GRID_WIDTH / chip.grid.columns))
    width = 0.84 * pitch
    aspect = min(2.0, max(0.5, chip.crossbar.rows / chip.crossbar.columns))
    gap = 0.16 * pitch
    number_height = max(gap, 28.0) if pitch >= _LEGIBLE_PITCH else gap
    return _Layout(chip.grid.columns, chip.grid.rows, (width, width * aspect), (gap, number_height))


def _chip(
    artifact: Artifact,
    layout: _Layout,
    tile_contents: Sequence[str],
    tile_attributes: Sequence[str],
) -> Iterator[str]:
    yield from _definitions(len(artifact.manifest.matrices))
    used = set(artifact.cores)
    for core in range(artifact.chip.cores):
        yield _core(layout, core, in_use=core in used)
    placed = [(i, t) for i, m in enumerate(artifact.manifest.matrices) for t in m.tiles]
    for number, (layer, tile) in enumerate(placed):
        content = tile_contents[number] if tile_contents else ""
        attributes = tile_attributes[number] if tile_attributes else ""
        shape = _tile_rect(artifact.chip, layout, tile)
        yield (
            f'<rect class="tile" data-layer="{layer}" {attributes} {shape} '
            f'fill="{_fill(layer)}" stroke="{_PAPER}" stroke-width="0.75">{content}</rect>'
        )
    for layer, here, there in _hops(artifact, layout):
        yield (
            f'<path class="route" data-layer="{layer}" d="{_hop_path(layout, here, there)}" '
            f'fill="none" stroke="{_INK}" stroke-width="1.3" marker-end="url(#arrow)"/>'
        )


def _definitions(layers: int) -> Iterator[str]:
    yield (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path class="head" d="M0 0.5L8 4L0 7.5z" fill="{_INK}"/></marker>'
    )
    for layer in range(len(_COLOURS), min(layers, len(_COLOURS) * len(_HATCHES))):
        colour, line = _COLOURS[layer % len(_COLOURS)]
        yield (
            f'<pattern id="hatch-{layer}" width="6" height="6" patternUnits="userSpaceOnUse">'
            f'<path d="M0 0H6V6H0z" fill="{colour}"/><path d="{_HATCHES[layer // len(_COLOURS)]}" '
            f'fill="none" stroke="{line}" stroke-width="1.2" stroke-opacity="0.65"/></pattern>'
        )
    yield "</defs>"


def _fill(layer: int) -> str:
    layer %= len(_COLOURS) * len(_HATCHES)
    return _COLOURS[layer][0] if layer < len(_COLOURS) else f"url(#hatch-{layer})"


def _core(layout: _Layout, core: int, *, in_use: bool) -> str:
    x, y = layout.corner(core)
    fill, stroke = ("#EEF0F2", "#7D858D") if in_use else ("none", "#C3C8CD")
    rect = (
        f'<rect class="core{" used" if in_use else ""}" x="{_n(x)}" y="{_n(y)}" '
        f'width="{_n(layout.core[0])}" height="{_n(layout.core[1])}" fill="{fill}" '
        f'stroke="{stroke}"><title>core {core}</title></rect>'
    )
    if not layout.legible:
        return rect
    size = min(13.0, 0.2 * (layout.core[0] + layout.gap[0]))
    ink = _INK if in_use else _MUTED
    kind = "number used" if in_use else "number"
    return rect + _text(str(core), (x, y - 4), size=size, fill=ink, kind=kind)


def _tile_rect(chip: ChipSpec, layout: _Layout, tile: Tile) -> str:
    x, y = layout.corner(tile.core)
    across, down = layout.core[0] / chip.crossbar.columns, layout.core[1] / chip.crossbar.rows
    left, right = (across * c for c in tile.core_columns)
    top, bottom = (down * r for r in tile.core_rows)
    return (
        f'x="{_n(x + left)}" y="{_n(y + top)}" '
        f'width="{_n(max(right - left, 1.0))}" height="{_n(max(bottom - top, 1.0))}"'
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
    (row_a, column_a), (row_b, column_b) = layout.place(here), layout.place(there)
    a, b = layout.corner(here), layout.corner(there)
    if row_a == row_b:
        points = _along(a, b, layout.core, layout.gap, column_b - column_a)
    elif column_a == column_b:
        turned = _along(a[::-1], b[::-1], layout.core[::-1], layout.gap[::-1], row_b - row_a)
        points = [(x, y) for y, x in turned]
    else:
        points = [(x + layout.core[0] / 2, y + layout.core[1] / 2) for x, y in (a, b)]
    start, *rest = (f"{_n(x)} {_n(y)}" for x, y in points)
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


def _legend(artifact: Artifact, *, drawn_routes: bool) -> Iterator[str]:
    """Its rows, each drawn about y = 0."""
    matrices = artifact.manifest.matrices
    if not matrices:
        yield _text("No layer is on the chip", (0, 4), size=14, fill=_MUTED)
        return
    yield _text("Layer", (0, 4), size=13, weight=600) + _text(
        "rows × columns, tiles", (_LEGEND_WIDTH - 24, 4), size=13, fill=_MUTED, anchor="end"
    )
    for layer, matrix in enumerate(matrices[:_LEGEND_LAYERS]):
        yield _legend_layer(layer, matrix)
    if len(matrices) > _LEGEND_LAYERS:
        more = f"{len(matrices) - _LEGEND_LAYERS} more"
        yield _text(more, (22, 4), size=13, fill=_MUTED)
    if drawn_routes:
        yield (
            f'<path d="M0 0H15" stroke="{_INK}" stroke-width="1.3" marker-end="url(#arrow)"/>'
            + _text("partial sums from core to core", (22, 4), size=13, fill=_MUTED)
        )


def _legend_layer(layer: int, matrix: Matrix) -> str:
    size = f"{matrix.rows} × {matrix.columns}, {len(matrix.tiles)}"
    return (
        f'<g transform="translate(0 -7)">{_swatch(layer)}</g>'
        + _text(_shortened(matrix.label, 22), (22, 4), size=13)
        + _text(size, (_LEGEND_WIDTH - 24, 4), size=13, fill=_MUTED, anchor="end")
    )


def _swatch(layer: int) -> str:
    return f'<rect width="14" height="14" fill="{_fill(layer)}"/>'


def _text(
    text: str,
    at: Point,
    *,
    size: float,
    fill: str = _INK,
    weight: int = 400,
    anchor: str = "start",
    kind: str = "",
) -> str:
    name = f'class="{kind}" ' if kind else ""
    return (
        f'<text {name}x="{_n(at[0])}" y="{_n(at[1])}" font-size="{_n(size)}" fill="{fill}" '
        f'font-weight="{weight}" text-anchor="{anchor}">{xml_text(text)}</text>'
    )


def _title(artifact: Artifact) -> str:
    return f"{_shortened(artifact.manifest.name, 50)} on {_shortened(artifact.chip.name, 40)}"


def _subtitle(artifact: Artifact) -> str:
    cores = f"{len(artifact.cores)} of {artifact.chip.cores} cores"
    if not artifact.cores:
        return f"{cores}: the model has no matrix on the chip"
    return f"{cores}, {percent(artifact.utilisation)} of their cells"


def _shortened(text: str, longest: int) -> str:
    """The text, or its beginning and its end."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _n(number: float) -> str:
    """At most two decimals, and no more characters than it takes."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
