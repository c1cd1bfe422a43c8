"""Conductances and errors of cores as small pictures, and one core as a figure.

For a page each map is a grey PNG of whole steps, which the page colours and reads back: code 0 is a
cell that is not in use, `MIDDLE` is zero. Where all cells are too many for a page, a pixel is the
cell of largest error among its neighbours, so that no fault is hidden.
"""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hermesrt.artifact.schema import Artifact, Tile
from hermesrt.programming.conductances import CoreCells, ReadConductances
from hermesrt.report.figures.floorplan import core_name, figure_title
from hermesrt.report.figures.svg import INK, MUTED, document, fill, fitted, heading, n, text
from hermesrt.units import plural

MIDDLE = 61  # the code of zero; so many less one steps up and down
_STEPS = MIDDLE - 1
_BUDGET = 3_900_000  # characters of all maps of a page
_SAMPLE = 4  # cores whose maps tell how large all will be
_SHOWN_SHARE = 0.995  # of the cells are within the colours of an error map
_MICRO = 1e6

_WEIGHTS = ("#2166AC", "#F7F7F7", "#B35806")
_ERRORS = ("#762A83", "#F7F7F7", "#1B7837")
_UNUSED = (224, 227, 230)
_SIDE, _GAP, _TOP = 330.0, 36.0, 108.0


@dataclass(frozen=True, slots=True)
class CoreMaps:
    """Two maps as base64 of PNGs, and the root mean square error in microsiemens."""

    core: int
    target: str
    error: str
    rms: float


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps of all cores. Steps are in microsiemens; a pixel stands for `stride` x `stride`
    cells; colours end at `error_shown`."""

    cores: tuple[CoreMaps, ...]
    target_step: float
    error_step: float
    error_shown: float
    stride: int


def maps_of(cells: ReadConductances, budget: int = _BUDGET) -> Maps:
    """The maps of all cores within about that many characters, judged by some of them; goes through
    the cores twice, and never holds all."""
    largest = worst = shown = 0.0
    smallest, count = 1 << 30, 0
    for core in cells():
        count += 1
        largest = max(largest, float(abs(core.target).max()) * _MICRO)
        worst = max(worst, float(abs(core.error).max()) * _MICRO)
        shown = max(shown, _shown(core))
        smallest = min(smallest, *core.used.shape)
    steps = (largest or 1.0) / _STEPS, (worst or 1.0) / _STEPS
    first = list(islice(cells(), _SAMPLE))
    stride = 1
    while 2 * stride <= smallest and _size(first, steps, stride) * count > budget:
        stride *= 2
    found = tuple(_core_maps(core, steps, stride) for core in cells())
    return Maps(found, *steps, shown or 1.0, stride)


def _size(cells: Sequence[CoreCells], steps: tuple[float, float], stride: int) -> float:
    """Characters of a core's maps, the largest of those."""
    maps = [_core_maps(core, steps, stride) for core in cells]
    return max([len(m.target) + len(m.error) for m in maps], default=0)


def _core_maps(cells: CoreCells, steps: tuple[float, float], stride: int) -> CoreMaps:
    at = _worst(cells, stride)
    used = cells.used[at]
    target, error = (
        _png(np.where(used, np.rint(values[at] * _MICRO / step) + MIDDLE, 0).astype(np.uint8))
        for values, step in zip((cells.target, cells.error), steps, strict=True)
    )
    return CoreMaps(cells.core, target, error, cells.rms_error * _MICRO)


def _worst(cells: CoreCells, stride: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows and columns of the cell of largest error in each square of cells."""
    rows, columns = (s // stride for s in cells.used.shape)
    size = np.where(cells.used, abs(cells.error), -1.0)[: rows * stride, : columns * stride]
    blocks = size.reshape(rows, stride, columns, stride).swapaxes(1, 2).reshape(rows, columns, -1)
    down, across = np.divmod(blocks.argmax(-1), stride)
    return (
        np.arange(rows)[:, None] * stride + down,
        np.arange(columns)[None, :] * stride + across,
    )


def _shown(cells: CoreCells) -> float:
    """The error in microsiemens that nearly all cells in use keep within."""
    wrong = abs(cells.error[cells.used])
    return float(np.quantile(wrong, _SHOWN_SHARE)) * _MICRO if wrong.size else 0.0


def _png(pixels: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def core_svg(artifact: Artifact, cells: CoreCells, mvm_error: float | None) -> str:
    """One core: wanted conductances, programmed ones, their difference, and its tiles."""
    rows, columns = cells.used.shape
    high = _SIDE * rows / columns
    most = max(float(abs(cells.target).max()), float(abs(cells.programmed[cells.used]).max()))
    most, wrong = most * _MICRO or 1.0, _shown(cells) or 1.0
    title = f"{core_name(artifact, cells.core).capitalize()} of {figure_title(artifact)}"
    share = f"{cells.used.mean():.0%}".replace("%", " %")
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


def _held(artifact: Artifact, core: int) -> list[tuple[int, str, Tile]]:
    """Layer, its name, and each tile of a core."""
    return [
        (i, m.label, t)
        for i, m in enumerate(artifact.manifest.matrices)
        for t in m.tiles
        if t.core == core
    ]


def _outlines(
    artifact: Artifact, cells: CoreCells, at: tuple[float, float], scale: tuple[float, float]
) -> Iterator[str]:
    for _, _, tile in _held(artifact, cells.core):
        (top, bottom), (left, right) = tile.core_rows, tile.core_columns
        yield (
            f'<rect x="{n(at[0] + left * scale[0])}" y="{n(at[1] + top * scale[1])}" '
            f'width="{n((right - left) * scale[0])}" height="{n((bottom - top) * scale[1])}" '
            f'fill="none" stroke="{INK}" stroke-width="1.2"/>'
        )


def _tiles(artifact: Artifact, core: int, y: float) -> Iterator[str]:
    held = _held(artifact, core)
    yield text(plural(len(held), "tile"), (20, y - 24), size=13.5, weight=600)
    for i, (layer, label, tile) in enumerate(held):
        block, place = (
            f"{name} rows {rows[0]}–{rows[1]}, columns {columns[0]}–{columns[1]}"
            for name, rows, columns in (
                ("block:", tile.rows, tile.columns),
                ("in the array:", tile.core_rows, tile.core_columns),
            )
        )
        yield f'<rect x="20" y="{n(y + 22 * i - 12)}" width="14" height="14" fill="{fill(layer)}"/>'
        yield text(fitted(label, 300, 13), (42, y + 22 * i), size=13)
        yield text(block, (20 + _SIDE + _GAP, y + 22 * i), size=13, fill=MUTED)
        yield text(place, (20 + 2 * (_SIDE + _GAP), y + 22 * i), size=13, fill=MUTED)
