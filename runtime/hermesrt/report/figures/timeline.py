"""Who is busy when: one sample's streams on cores, links and the digital unit. Needs no torch.

Times are percentages of the width, so that the same drawing fits any page and can be stretched.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hermesrt.artifact.contents import core_name, layer_of_step, link_name
from hermesrt.artifact.schema import Artifact
from hermesrt.artifact.short_names import layer_names
from hermesrt.cost import CAUSES, Cost, Lane, Span
from hermesrt.report.figures.floorplan import figure_title
from hermesrt.report.figures.svg import (
    DIGITAL,
    MUTED,
    PANEL,
    RULE,
    document,
    fill,
    fitted,
    fitted_name,
    heading,
    n,
    text,
    xml_text,
)
from hermesrt.units import plural, si

_PS = 1e-12
_TRACKS: Mapping[str, tuple[float, float]] = {  # of a core's row: from, height; out of 16
    "port_in": (0, 3),
    "array": (3.5, 5),
    "ldpu": (9, 3.5),
    "port_out": (13, 3),
}
_UNITS = {"port_in": "port in", "array": "array", "ldpu": "LDPU", "port_out": "port out"}
_ROW, _GAP, _FEW_ROWS, _FINE_ROW = 16.0, 5.0, 80, 6.0
_AXIS = 24.0
_MOST_SPANS = 4000
ZOOMS = (1, 5, 20, 100)  # each divides the next, and so do their ticks
_TICKS = 8
_WIDTH, _LABELS, _MARGIN, _TOP = 1200.0, 128.0, 20.0, 92.0


@dataclass(slots=True)
class _Row:
    """One core, link or digital unit: its name, place and streams."""

    name: str
    top: float
    height: float
    spans: list[Span] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TimelineDrawing:
    """A drawing in two parts of one height.

    names: of the rows, SVG.
    tracks: that stretch, SVG.
    height: px.
    left_out: streams that are too many to draw.
    """

    names: str
    tracks: str
    height: float
    left_out: int


def timeline(artifact: Artifact, cost: Cost, zooms: Sequence[int] = ZOOMS) -> TimelineDrawing:
    """The time line of one sample, with ticks for those zooms."""
    spans = sorted(cost.spans, key=lambda s: s.start_ps - s.end_ps)[:_MOST_SPANS]
    rows = _rows(artifact, cost, spans)
    height = max((r.top + r.height for r in rows), default=_AXIS) + _GAP
    end = max((s.end_ps for s in cost.spans), default=0)
    return TimelineDrawing(
        names="\n".join(_names(rows)),
        tracks="\n".join([*_axis(end, height, zooms), *_bands(rows), *_bars(artifact, rows, end)]),
        height=height,
        left_out=len(cost.spans) - len(spans),
    )


def timeline_svg(artifact: Artifact, cost: Cost) -> str:
    """The same as a picture that stands alone."""
    drawn = timeline(artifact, cost, (1,))
    title = f"When what is busy: {figure_title(artifact)}"
    latency = si(cost.latency_ps * _PS, "s")
    subtitle = f"one sample, {latency}; a core’s tracks: port in, array, LDPU, port out"
    if drawn.left_out:
        subtitle += f"; {drawn.left_out:,} shorter streams are not drawn"
    body = [
        *heading(title, subtitle),
        *_legend(artifact, cost),
        f'<svg x="{n(_MARGIN)}" y="{n(_TOP)}" width="{n(_LABELS)}" height="{n(drawn.height)}">',
        drawn.names,
        f'</svg><svg x="{n(_MARGIN + _LABELS)}" y="{n(_TOP)}" '
        f'width="{n(_WIDTH - _LABELS - 3 * _MARGIN)}" height="{n(drawn.height)}" '
        'overflow="visible">',
        drawn.tracks,
        "</svg>",
    ]
    layers = len(artifact.manifest.matrices)
    return document(title, (_WIDTH, _TOP + drawn.height + _MARGIN), body, layers=layers)


def _rows(artifact: Artifact, cost: Cost, spans: list[Span]) -> list[_Row]:
    keys = sorted({_key(s.lane) for s in spans})
    height = _ROW if len(keys) <= _FEW_ROWS else _FINE_ROW
    gap = _GAP if len(keys) <= _FEW_ROWS else 1.0
    rows = {}
    top = _AXIS
    for key in keys:
        slim = key[0] == 2 and height == _ROW
        rows[key] = _Row(_name(artifact, cost, key), top, 8.0 if slim else height)
        top += rows[key].height + gap
    for span in spans:
        rows[_key(span.lane)].spans.append(span)
    return list(rows.values())


def _key(lane: Lane) -> tuple[int, tuple[int, ...]]:
    """Digital first, cores by number, links last."""
    return {"digital": 0, "link": 2}.get(lane.kind, 1), lane.cores


def _name(artifact: Artifact, cost: Cost, key: tuple[int, tuple[int, ...]]) -> str:
    match key:
        case 0, _:
            return CAUSES["vector_unit" if "vector_unit" in cost.energy_by else "host"]
        case 1, (core,):
            return core_name(artifact, core)
    return link_name(artifact, key[1])


def _names(rows: list[_Row]) -> Iterator[str]:
    if len(rows) > _FEW_ROWS:
        rows = rows[::8]
    for row in rows:
        size = min(12.0, max(9.0, row.height))
        words = fitted(row.name, _LABELS - 8, size)
        yield text(words, (0, row.top + row.height / 2 + 0.35 * size), size=size)


def _bands(rows: list[_Row]) -> Iterator[str]:
    for row in rows:
        yield (
            f'<rect class="band" x="0" y="{n(row.top - 1)}" width="100%" '
            f'height="{n(row.height + 2)}" fill="{PANEL}"/>'
        )


def _axis(end_ps: int, height: float, zooms: Sequence[int]) -> Iterator[str]:
    """Ticks for each zoom; those of the coarser zooms are among those of the finer."""
    drawn: set[int] = set()
    widest = _nice_step(end_ps / _TICKS)
    for zoom in zooms if end_ps else ():
        for tick in range(0, end_ps, max(1, widest // zoom)):
            if tick in drawn:
                continue
            drawn.add(tick)
            x = _percent(tick, end_ps)
            anchor = "start" if tick == 0 else "middle"
            hidden = "" if zoom == 1 else ' visibility="hidden"'
            yield (
                f'<g class="tick from-{zoom}"{hidden}><line x1="{x}" x2="{x}" y1="18" '
                f'y2="{n(height)}" stroke="{RULE}"/><text class="muted" x="{x}" y="12" '
                f'font-size="11" fill="{MUTED}" text-anchor="{anchor}">'
                f"{si(tick * _PS, 's', 3) if tick else '0'}</text></g>"
            )


def _nice_step(least_ps: float) -> int:
    """1, 2 or 5 times a power of ten, at least so long."""
    scale = 10 ** math.floor(math.log10(max(1.0, least_ps)))
    return next(int(m * scale) for m in (1, 2, 5, 10) if m * scale >= least_ps)


def _bars(artifact: Artifact, rows: list[_Row], end_ps: int) -> Iterator[str]:
    layers = layer_of_step(artifact)
    steps = {s.name: i for i, s in enumerate(artifact.manifest.steps)}
    for row in rows:
        for span in row.spans:
            start, high = _TRACKS.get(span.lane.kind, (0.0, _ROW))
            scale = row.height / _ROW
            layer = layers.get(span.step)
            mark = "" if layer is None else f'data-layer="{layer}" '
            colour = DIGITAL if layer is None else fill(layer)
            yield (
                f'<rect class="span" {mark}data-step="{steps.get(span.step, "")}" '
                f'x="{_percent(span.start_ps, end_ps)}" y="{n(row.top + start * scale)}" '
                f'width="{_percent(span.end_ps - span.start_ps, end_ps)}" '
                f'height="{n(high * scale)}" fill="{colour}">'
                f"<title>{xml_text(_words(artifact, span))}</title></rect>"
            )


def _words(artifact: Artifact, span: Span) -> str:
    lane = span.lane
    place = core_name(artifact, lane.cores[0]) if len(lane.cores) == 1 else ""
    if lane.kind == "link":
        place = link_name(artifact, lane.cores)
    unit = _UNITS.get(lane.kind, "")
    where = " ".join(filter(None, (place, unit)))
    times = f"{si(span.start_ps * _PS, 's')} to {si(span.end_ps * _PS, 's')}"
    return (
        f"{span.label}{', ' if where else ''}{where}: {times}, {plural(span.jobs, 'vector')} of "
        f"{si(span.service_ps * _PS, 's')}"
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.4f}".rstrip("0").rstrip(".") + "%"


def _legend(artifact: Artifact, cost: Cost) -> Iterator[str]:
    """Colours in one line, as many as fit."""
    x = _MARGIN
    names = layer_names(artifact)
    entries = [(fill(i), names[m.label]) for i, m in enumerate(artifact.manifest.matrices)]
    if any(s.lane.kind == "digital" for s in cost.spans):
        entries.insert(0, (DIGITAL, "digital"))
    for number, (colour, label) in enumerate(entries):
        words = fitted_name(label, 150, 12)
        width = 30 + 7 * len(words)
        if x + width > _WIDTH - 140 and number + 1 < len(entries):
            yield text(f"{len(entries) - number} more", (x, 80), size=12, fill=MUTED)
            return
        yield f'<rect x="{n(x)}" y="69" width="13" height="13" fill="{colour}"/>'
        yield text(words, (x + 18, 80), size=12)
        x += width
