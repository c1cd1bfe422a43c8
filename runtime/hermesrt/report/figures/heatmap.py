"""Conductances and errors of cores as small pictures, and one core as a figure.

For a page each map is a grey PNG of whole steps, which the page colours and reads back. Where all
cells are too many for a page, a pixel is the cell of largest error among its neighbours.
"""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hermesrt.artifact.contents import HeldTile, core_contents, core_name
from hermesrt.artifact.schema import Artifact
from hermesrt.programming.cell_maps import CellScales, codes, scales_of, shown_error
from hermesrt.programming.conductances import CoreCells, ReadConductances
from hermesrt.report.figures.floorplan import figure_title
from hermesrt.report.figures.svg import INK, MUTED, document, fill, fitted_name, heading, n, text
from hermesrt.units import plural

_SAMPLE = 4  # cores whose maps tell how large all will be
_MICRO = 1e6

_WEIGHTS = ("#2166AC", "#F7F7F7", "#B35806")
_ERRORS = ("#762A83", "#F7F7F7", "#1B7837")
_UNUSED = (224, 227, 230)
_SIDE, _GAP, _TOP = 330.0, 36.0, 108.0


@dataclass(frozen=True, slots=True)
class CoreMaps:
    """Two maps of one core.

    core: its number.
    target: wanted conductances, a PNG in base64.
    error: programmed less wanted, a PNG in base64.
    rms: root mean square error of the cells in use, uS.
    """

    core: int
    target: str
    error: str
    rms: float


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps of all cores.

    cores: by number.
    scales: what a step of a code stands for.
    stride: a pixel stands for so many by so many cells.
    """

    cores: tuple[CoreMaps, ...]
    scales: CellScales
    stride: int


def maps_of(cells: ReadConductances, budget: int) -> Maps:
    """The maps of all cores within about that many characters, judged by some of them; goes through
    the cores twice, and never holds all."""
    scales = scales_of(cells())
    first = list(islice(cells(), _SAMPLE))
    stride = 1
    most = budget / max(1, scales.cores)
    while 2 * stride <= scales.smallest_side and _size(first, scales, stride) > most:
        stride *= 2
    found = tuple(_core_maps(core, scales, stride) for core in cells())
    return Maps(found, scales, stride)


def _size(cells: Sequence[CoreCells], scales: CellScales, stride: int) -> float:
    """Characters of a core's maps, the largest of those."""
    maps = [_core_maps(core, scales, stride) for core in cells]
    return max([len(m.target) + len(m.error) for m in maps], default=0)


def _core_maps(cells: CoreCells, scales: CellScales, stride: int) -> CoreMaps:
    target, error = map(_png, codes(cells, scales, stride))
    return CoreMaps(cells.core, target, error, cells.rms_error * _MICRO)


def _png(pixels: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def core_svg(artifact: Artifact, cells: CoreCells, mvm_error: float | None) -> str:
    """One core: wanted conductances, programmed ones, their difference, and its tiles."""
    rows, columns = cells.used.shape
    high = _SIDE * rows / columns
    most = max(float(abs(cells.target).max()), float(abs(cells.programmed[cells.used]).max()))
    most, wrong = most * _MICRO or 1.0, shown_error(cells) or 1.0
    title = f"{core_name(artifact, cells.core).capitalize()} of {figure_title(artifact)}"
    share = f"{cells.used_share:.0%}".replace("%", " %")
    facts = f"{share} of its {rows} × {columns} cells; rms error {cells.rms_error * _MICRO:.2f} µS"
    if mvm_error is not None:
        facts += f"; MVM error {mvm_error:.1%}".replace("%", " %")
    body = heading(title, facts)
    panels = (
        ("target, g+ − g−", cells.target, most, _WEIGHTS),
        ("programmed", cells.programmed, most, _WEIGHTS),
        ("error: programmed − target", cells.error, wrong, _ERRORS),
    )
    for i, (name, values, end, colours) in enumerate(panels):
        x = 20 + i * (_SIDE + _GAP)
        body += _panel(name, values, cells.used, end, colours, (x, _TOP), high)
        body += _outlines(artifact, cells, (x, _TOP), (_SIDE / columns, high / rows))
    body += _tiles(artifact, cells.core, _TOP + high + 92)
    height = _TOP + high + 100 + 22 * len(_held(artifact, cells.core))
    width = 40 + 3 * _SIDE + 2 * _GAP
    return document(title, (width, height), body, layers=len(artifact.manifest.matrices))


def _panel(
    name: str,
    values: NDArray[np.float32],
    used: NDArray[np.bool_],
    end: float,
    colours: tuple[str, str, str],
    at: tuple[float, float],
    high: float,
) -> list[str]:
    x, y = at
    picture = _png(_coloured(np.where(used, values * _MICRO / end, np.nan), colours))
    scale = _png(_coloured(np.linspace(-1, 1, 64, dtype=np.float32)[None], colours))
    beyond = np.abs(values[used] * _MICRO) > end * 1.0001 if used.any() else np.zeros(1)
    mark = "beyond " if bool(beyond.any()) else ""
    bar = y + high + 14
    image = 'preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png'
    return [
        text(name, (x, y - 9), size=13.5, weight=600),
        f'<image x="{n(x)}" y="{n(y)}" width="{n(_SIDE)}" height="{n(high)}" '
        f'{image};base64,{picture}"/>',
        f'<image x="{n(x)}" y="{n(bar)}" width="{n(_SIDE)}" height="10" {image};base64,{scale}"/>',
        text(f"{mark}−{end:.3g} µS", (x, bar + 25), size=12, fill=MUTED),
        text("0", (x + _SIDE / 2, bar + 25), size=12, fill=MUTED, anchor="middle"),
        text(f"{mark}{end:.3g} µS", (x + _SIDE, bar + 25), size=12, fill=MUTED, anchor="end"),
    ]


def _coloured(shares: NDArray[np.float32], colours: tuple[str, str, str]) -> NDArray[np.uint8]:
    """Shares in [-1, 1] as red, green and blue; what is not a number is not in use."""
    low, middle, high = (
        np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float32) for c in colours
    )
    known = np.nan_to_num(shares)[..., None].clip(-1, 1)
    mixed: NDArray[np.float32] = middle + np.where(known < 0, low - middle, high - middle) * abs(
        known
    )
    mixed[np.isnan(shares)] = _UNUSED
    pixels: NDArray[np.uint8] = np.rint(mixed).astype(np.uint8)
    return pixels


def _held(artifact: Artifact, core: int) -> tuple[HeldTile, ...]:
    """What a core holds."""
    return next((c.tiles for c in core_contents(artifact) if c.core == core), ())


def _outlines(
    artifact: Artifact, cells: CoreCells, at: tuple[float, float], scale: tuple[float, float]
) -> Iterator[str]:
    for held in _held(artifact, cells.core):
        (top, bottom), (left, right) = held.tile.core_rows, held.tile.core_columns
        yield (
            f'<rect x="{n(at[0] + left * scale[0])}" y="{n(at[1] + top * scale[1])}" '
            f'width="{n((right - left) * scale[0])}" height="{n((bottom - top) * scale[1])}" '
            f'fill="none" stroke="{INK}" stroke-width="1.2"/>'
        )


def _tiles(artifact: Artifact, core: int, y: float) -> Iterator[str]:
    held = _held(artifact, core)
    yield text(plural(len(held), "tile"), (20, y - 24), size=13.5, weight=600)
    for i, one in enumerate(held):
        layer, label, tile = one.layer, one.matrix.label, one.tile
        block, place = (
            f"{name} rows {rows[0]}–{rows[1]}, columns {columns[0]}–{columns[1]}"
            for name, rows, columns in (
                ("block:", tile.rows, tile.columns),
                ("in the array:", tile.core_rows, tile.core_columns),
            )
        )
        yield f'<rect x="20" y="{n(y + 22 * i - 12)}" width="14" height="14" fill="{fill(layer)}"/>'
        yield text(fitted_name(label, 300, 13), (42, y + 22 * i), size=13)
        yield text(block, (20 + _SIDE + _GAP, y + 22 * i), size=13, fill=MUTED)
        yield text(place, (20 + 2 * (_SIDE + _GAP), y + 22 * i), size=13, fill=MUTED)
