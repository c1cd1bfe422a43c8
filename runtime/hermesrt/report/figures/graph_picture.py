"""The graph as a picture that stands alone: what is analog, what is digital, and why. Needs no
torch."""

import textwrap
from collections.abc import Iterator

from hermesrt.artifact.module_graph import DrawnGraph, graph_of, undrawn
from hermesrt.artifact.schema import Artifact
from hermesrt.report.figures.floorplan import figure_title
from hermesrt.report.figures.graphview import Scene, scene, scene_svg
from hermesrt.report.figures.svg import (
    DIGITAL,
    INK,
    MUTED,
    PANEL,
    PAPER,
    document,
    fill,
    heading,
    n,
    text,
)
from hermesrt.units import plural

_MARGIN, _TOP = 24.0, 104.0
_LEAST = 220.0  # width of the graph
_REASONS = 530.0  # their width, for lines of
_CHARACTERS = 90
_LINE = 17.0


def graph_svg(artifact: Artifact) -> str:
    """The graph with the reason of each digital operation: whole where it is small, else by its
    modules with the largest of them open."""
    graph = graph_of(artifact)
    drawn = scene(graph.view(graph.largest))
    reasons, depth = _reasons(graph)
    title = f"The graph of {figure_title(artifact)}"
    wide = max(drawn.size[0], _LEAST)
    height = _TOP + max(drawn.size[1], depth) + _MARGIN
    body = [
        *heading(title, _counts(graph, undrawn(graph, artifact))),
        *_key(drawn),
        f'<g transform="translate({n(_MARGIN)} {n(_TOP)})">',
        *scene_svg(drawn),
        "</g>",
        f'<g transform="translate({n(2 * _MARGIN + wide)} {n(_TOP)})">',
        *reasons,
        "</g>",
    ]
    layers = len(artifact.manifest.matrices)
    return document(title, (3 * _MARGIN + wide + _REASONS, height), body, layers=layers)


def _counts(graph: DrawnGraph, hidden: int) -> str:
    analog = sum(node.unit == "analog" for node in graph.nodes)
    words = f"{analog} analog, {len(graph.nodes) - analog} digital"
    only = "only moves data, and is" if hidden == 1 else "only move data, and are"
    return words + (f"; {hidden} more {only} not drawn" if hidden else "")


def _key(drawn: Scene) -> Iterator[str]:
    entries = [
        ("analog: a layer’s colour", f'fill="{fill(0)}" rx="0"'),
        ("digital", f'fill="{PANEL}" stroke="{DIGITAL}" rx="8"'),
    ]
    if any(placed.box.kind == "module" for placed in drawn.boxes):
        entries.append(("module: closed", f'fill="{PAPER}" stroke="{INK}" stroke-width="2"'))
    x = _MARGIN
    for words, box in entries:
        yield f'<rect x="{n(x)}" y="66" width="24" height="16" {box}/>'
        yield text(words, (x + 31, 78), size=12.5, fill=MUTED)
        x += 60 + 6.6 * len(words)


def _reasons(graph: DrawnGraph) -> tuple[list[str], float]:
    """Why operations are digital, each reason once, for a picture that has no tooltips; and how
    far down it reaches."""
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.unit != "analog":
            found.setdefault(node.reason, []).append(node.label)
    if not found:
        return [], 0.0
    lines, y = [text("Why it is digital", (0, 4), size=13.5, weight=600)], 4.0
    for reason, labels in found.items():
        names = f"{plural(len(labels), 'operation')}: {', '.join(dict.fromkeys(labels))}"
        y += 9
        for words, colour in ((names, INK), (reason, MUTED)):
            for line in textwrap.wrap(words, _CHARACTERS):
                y += _LINE
                lines.append(text(line, (0, y), size=12.5, fill=colour))
    return lines, y
