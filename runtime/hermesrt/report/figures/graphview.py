"""A view of the graph as a drawing: boxes, modules and lines between them. Needs no torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hermesrt.artifact.module_graph import Box, View
from hermesrt.report.figures.layered import Edge, Size, layered
from hermesrt.report.figures.svg import (
    DIGITAL,
    INK,
    MUTED,
    PANEL,
    PAPER,
    Point,
    fill,
    fitted_name,
    n,
    on_fill,
    text,
    xml_text,
)

_FRAME = (18.0, 34.0, 18.0)  # left and right, above, below the boxes of an open module
_BOX_HEIGHT, _MODULE_HEIGHT, _PILL_HEIGHT = 30.0, 50.0, 24.0
_LABEL = 12.5


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A box with its left, top, width and height, and the abscissae of the lines that cross the
    frame of an open one, by where they come from."""

    box: Box
    corner: Point
    size: Size
    prefix: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Boxes, outermost first, and lines, all in one system of coordinates."""

    boxes: tuple[PlacedBox, ...]
    lines: tuple[tuple[str, str, tuple[Point, ...]], ...]
    size: Size
    enters: Mapping[str, float]
    leaves: Mapping[str, float]


def scene(view: View) -> Scene:
    """Where everything of a view is drawn."""
    return _scene(view.boxes, view.edges, 0)


def _scene(boxes: Sequence[Box], edges: Sequence[tuple[str, str]], prefix: int) -> Scene:
    """The boxes of one level; edges from and to others end at ports above and below."""
    home = {leaf: box.name for box in boxes for leaf in _leaves(box)}
    inner = {
        box.name: _scene(box.inside, edges, len(box.path)) for box in boxes if box.kind == "open"
    }
    sizes = {box.name: _size(box, inner.get(box.name), prefix) for box in boxes}
    lines: dict[Edge, None] = {}
    last = []
    for source, target in edges:
        start, end = home.get(source), home.get(target)
        if (start is None and end is None) or start == end:
            continue
        if start is None:
            start = f"\1{source}"
            sizes.setdefault(start, (0.0, 0.0))
        if end is None:
            end = f"\2{source}"
            sizes.setdefault(end, (0.0, 0.0))
            last.append(end)
        if start in home.values() or end in home.values():
            through = source if start in inner or end in inner else None
            lines[(start, end, through)] = None
    drawing = layered(sizes, list(lines), last)
    placed: list[PlacedBox] = []
    drawn: list[tuple[str, str, tuple[Point, ...]]] = []
    for box in boxes:
        x, y = drawing.corners[box.name]
        placed.append(PlacedBox(box, (x, y), sizes[box.name], prefix))
        if box.name in inner:
            part = inner[box.name]
            shift = x + _FRAME[0], y + _FRAME[1]
            placed += [
                PlacedBox(p.box, (p.corner[0] + shift[0], p.corner[1] + shift[1]), p.size, p.prefix)
                for p in part.boxes
            ]
            drawn += [
                (s, t, tuple((px + shift[0], py + shift[1]) for px, py in points))
                for s, t, points in part.lines
            ]
    for (start, end, through), points in drawing.lines.items():
        moved = list(points)
        if start in inner and through is not None:
            moved[0] = (_port(drawing.corners[start], inner[start].leaves, through), moved[0][1])
            moved.insert(0, (moved[0][0], moved[0][1] - _FRAME[2]))
        if end in inner and through is not None:
            moved[-1] = (_port(drawing.corners[end], inner[end].enters, through), moved[-1][1])
            moved.append((moved[-1][0], moved[-1][1] + _FRAME[1]))
        drawn.append((str(through or start).lstrip("\1"), end, tuple(moved)))
    return Scene(
        tuple(placed),
        tuple(drawn),
        drawing.size,
        {k[1:]: c[0] for k, c in drawing.corners.items() if k.startswith("\1")},
        {k[1:]: c[0] for k, c in drawing.corners.items() if k.startswith("\2")},
    )


def _port(corner: Point, ports: Mapping[str, float], name: object) -> float:
    return corner[0] + _FRAME[0] + ports[str(name)]


def _leaves(box: Box) -> Iterator[str]:
    if box.kind != "open":
        yield box.name
    for inside in box.inside:
        yield from _leaves(inside)


def _size(box: Box, inner: Scene | None, prefix: int) -> Size:
    if inner is not None:
        least = 8.0 * len(_label(box, prefix)) + 60
        wide, high = inner.size
        return max(wide, least) + 2 * _FRAME[0], high + _FRAME[1] + _FRAME[2]
    wide = max(56.0, min(190.0, 7.2 * len(_label(box, prefix)) + 24))
    match box.kind:
        case "module":
            return max(wide, 150.0), _MODULE_HEIGHT
        case "input" | "output":
            return wide, _PILL_HEIGHT
    return wide, _BOX_HEIGHT


def _label(box: Box, prefix: int) -> str:
    """Its label without the path of the open module that it is in."""
    parts = box.label.split(".")
    inside = box.node is not None and box.node.layer is not None and len(parts) > prefix
    return ".".join(parts[prefix:]) if inside else box.label


def view_svg(view: View) -> str:
    """One state of the graph, for a page: boxes can take the focus, modules open and close."""
    drawn = scene(view)
    width, height = drawn.size[0] + 16, drawn.size[1] + 16
    name = ".".join(view.path)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" data-view="{xml_text(name)}" '
            f'viewBox="-8 -8 {n(width)} {n(height)}" style="--natural:{n(width)}px" role="group" '
            f'aria-label="Graph{xml_text(f", {name} open" if name else "")}">',
            *scene_svg(drawn),
            "</svg>",
        ]
    )


def scene_svg(drawn: Scene) -> Iterator[str]:
    """A scene as SVG: frames, lines, boxes."""
    frames = [p for p in drawn.boxes if p.box.kind == "open"]
    for frame in frames:
        yield from _frame(frame)
    for source, _, points in drawn.lines:
        yield (
            f'<path class="edge" data-from="{xml_text(source)}" d="{_path(points)}" fill="none" '
            f'stroke="{DIGITAL}" stroke-width="1.3"/>'
        )
    for placed in drawn.boxes:
        if placed.box.kind != "open":
            yield from _box(placed)


def _path(points: Sequence[Point]) -> str:
    """Curves between ranks, straight lines along them."""
    parts = [f"M{n(points[0][0])} {n(points[0][1])}"]
    for (x, y), (to_x, to_y) in pairwise(points):
        if abs(x - to_x) < 0.5:
            parts.append(f"L{n(to_x)} {n(to_y)}")
        else:
            middle = n((y + to_y) / 2)
            parts.append(f"C{n(x)} {middle} {n(to_x)} {middle} {n(to_x)} {n(to_y)}")
    return "".join(parts)


def _frame(placed: PlacedBox) -> Iterator[str]:
    (x, y), (wide, high), name = placed.corner, placed.size, ".".join(placed.box.path)
    label = _label(placed.box, placed.prefix)
    yield (
        f'<g class="frame" tabindex="0" role="button" data-close="{xml_text(name)}" '
        f'aria-expanded="true" aria-label="module {xml_text(name)}, open; Enter closes it">'
        f'<rect x="{n(x)}" y="{n(y)}" width="{n(wide)}" height="{n(high)}" rx="6" fill="none" '
        f'stroke="{INK}" stroke-width="1.5"/>'
        f'<rect class="grip" x="{n(x)}" y="{n(y)}" width="{n(wide)}" height="22" rx="6" '
        f'fill="{PANEL}"/>'
    )
    yield f'<path class="head" d="M{n(x + 9)} {n(y + 8)}h8l-4 6z" fill="{INK}"/>'
    yield text(fitted_name(label, wide - 44, _LABEL), (x + 23, y + 16), size=_LABEL, weight=600)
    yield "</g>"


def _box(placed: PlacedBox) -> Iterator[str]:
    box, (x, y), (wide, high) = placed.box, placed.corner, placed.size
    label = fitted_name(_label(box, placed.prefix), wide - 14, _LABEL)
    middle = x + wide / 2
    shape = f'x="{n(x)}" y="{n(y)}" width="{n(wide)}" height="{n(high)}"'
    match box.kind:
        case "module":
            yield from _module(placed)
            return
        case "input" | "output":
            yield (
                f'<g class="pill"><rect {shape} rx="{n(high / 2)}" fill="none" stroke="{MUTED}" '
                'stroke-dasharray="4 3"/>'
                + text(label, (middle, y + high / 2 + 4), size=_LABEL, fill=MUTED, anchor="middle")
                + "</g>"
            )
            return
    node = box.node
    assert node is not None
    marks = f'data-node="{xml_text(node.name)}" data-step="{node.step}"'
    if node.layer is not None:
        marks += f' data-layer="{node.layer}"'
        look = f'fill="{fill(node.layer)}"'
        ink = on_fill(node.layer)
        words = (
            f'<text x="{n(middle)}" y="{n(y + high / 2 + 4.5)}" font-size="{_LABEL}" '
            f'font-weight="600" text-anchor="middle" fill="{ink}" stroke="{fill(node.layer % 7)}" '
            f'stroke-width="3" paint-order="stroke">{xml_text(label)}</text>'
        )
    else:
        look = f'rx="8" fill="{PANEL}" stroke="{DIGITAL}"'
        words = text(label, (middle, y + high / 2 + 4.5), size=_LABEL, anchor="middle")
    spoken = f"{node.label}, {node.unit}: {node.reason}"
    kind = "analog" if node.layer is not None else "digital"
    yield (
        f'<g class="node {kind}" tabindex="-1" role="img" {marks} aria-label="{xml_text(spoken)}">'
        f"<title>{xml_text(f'{spoken} ({node.place})')}</title><rect {shape} {look}/>{words}</g>"
    )


def _module(placed: PlacedBox) -> Iterator[str]:
    box, (x, y), (wide, high) = placed.box, placed.corner, placed.size
    name = ".".join(box.path)
    total = sum(box.units.values())
    analog = box.units.get("analog", 0)
    counts = f"{analog} analog, {total - analog} digital"
    layers = " ".join(map(str, box.layers))
    yield (
        f'<g class="module" tabindex="-1" role="button" aria-expanded="false" '
        f'data-open="{xml_text(name)}" data-layers="{layers}" '
        f'aria-label="module {xml_text(name)}: {counts}; Enter opens it">'
        f'<rect x="{n(x)}" y="{n(y)}" width="{n(wide)}" height="{n(high)}" rx="4" '
        f'fill="{PAPER}" stroke="{INK}" stroke-width="1.6"/>'
    )
    label = fitted_name(_label(box, placed.prefix), wide - 40, _LABEL)
    yield f'<path class="head" d="M{n(x + 10)} {n(y + 9)}v8l6 -4z" fill="{INK}"/>'
    yield text(label, (x + 22, y + 18), size=_LABEL, weight=600)
    yield text(counts, (x + 9, y + 33), size=11, fill=MUTED)
    count = max(1, len(box.layers))
    each = (wide - 18) * (analog / total if total else 0) / count
    for i, layer in enumerate(box.layers):
        yield (
            f'<rect x="{n(x + 9 + i * each)}" y="{n(y + high - 12)}" width="{n(each)}" '
            f'height="6" fill="{fill(layer)}"/>'
        )
    start = x + 9 + each * len(box.layers)
    yield (
        f'<rect x="{n(start)}" y="{n(y + high - 12)}" width="{n(x + wide - 9 - start)}" '
        f'height="6" fill="{DIGITAL}" fill-opacity="0.45"/></g>'
    )
