"""The graph: every operation once, with its reason, in modules that open and close."""

from xml.etree import ElementTree

import pytest
import torch
from torch import nn

import hermesc
from hermesrt.artifact.assignments import digital_nodes
from hermesrt.artifact.module_graph import Box, DrawnGraph, graph_of, undrawn
from hermesrt.artifact.schema import Artifact
from hermesrt.program import Program
from hermesrt.report.figures.graph_picture import graph_svg
from hermesrt.report.figures.graphview import PlacedBox, scene, view_svg
from hermesrt.report.figures.svg import Point

_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def graph(deep: Program) -> DrawnGraph:
    return graph_of(deep.artifact)


def _flat(boxes: tuple[Box, ...]) -> list[Box]:
    return [b for box in boxes for b in (box, *_flat(box.inside))]


def test_every_product_and_digital_operation_is_a_node_with_a_reason(graph: DrawnGraph) -> None:
    labels = [node.label for node in graph.nodes]
    assert sorted(labels) == sorted(
        ["stack.0.wide", "tanh", "stack.0.back", "add", "stack.1.wide", "tanh", "stack.1.back",
         "add", "cos", "head"]
    )  # fmt: skip
    assert {n.unit for n in graph.nodes} == {"analog", "digital"}
    assert all(node.reason for node in graph.nodes)
    assert [n.layer for n in graph.nodes if n.unit == "analog"] == [0, 1, 2, 3, 4]


def test_what_only_moves_data_is_passed_through(artifact: Artifact) -> None:
    graph = graph_of(artifact)
    assert [n.label for n in graph.nodes] == ["first", "cos", "sin", "cat", "head"]
    assert {n.label: n.takes for n in graph.nodes}["cat"] == ("cos", "sin")


def test_modules_with_several_operations_can_be_opened(graph: DrawnGraph) -> None:
    assert graph.modules == (("stack",), ("stack", "0"), ("stack", "1"))


def test_a_closed_module_counts_its_operations_and_names_its_layers(graph: DrawnGraph) -> None:
    box = next(b for b in graph.view(()).boxes if b.kind == "module")
    assert box.units == {"analog": 4, "digital": 4}
    assert box.layers == (0, 1, 2, 3)


def test_each_view_shows_every_operation_once_itself_or_in_a_closed_module(
    graph: DrawnGraph,
) -> None:
    for view in graph.views():
        boxes = _flat(view.boxes)
        single = sum(box.node is not None for box in boxes)
        inside = sum(sum(box.units.values()) for box in boxes if box.kind == "module")
        assert single + inside == len(graph.nodes)


def test_edges_join_boxes_that_are_drawn_and_the_way_around_is_kept(graph: DrawnGraph) -> None:
    for view in graph.views():
        drawn = {box.name for box in _flat(view.boxes) if box.kind != "open"}
        assert {end for edge in view.edges for end in edge} <= drawn
    inner = graph.view(("stack", "0"))
    assert ("x", "add") in inner.edges


def test_boxes_do_not_overlap_and_lie_inside_their_module(graph: DrawnGraph) -> None:
    for view in graph.views():
        placed = scene(view).boxes
        frames = [p for p in placed if p.box.kind == "open"]
        others = [p for p in placed if p.box.kind != "open"]
        for i, a in enumerate(others):
            for b in others[:i]:
                apart = [
                    a.corner[k] >= b.corner[k] + b.size[k] or b.corner[k] >= a.corner[k] + a.size[k]
                    for k in (0, 1)
                ]
                assert any(apart), (a.box.name, b.box.name)
        for frame in frames:
            inside = {box.name for box in _flat(frame.box.inside)}
            for p in placed:
                if p.box.name in inside:
                    assert all(p.corner[k] >= frame.corner[k] for k in (0, 1))
                    assert all(
                        p.corner[k] + p.size[k] <= frame.corner[k] + frame.size[k] for k in (0, 1)
                    )


def test_every_line_begins_and_ends_at_a_box_or_goes_on_as_another(graph: DrawnGraph) -> None:
    for view in graph.views():
        drawn = scene(view)
        boxes = [p for p in drawn.boxes if p.box.kind != "open"]
        lines = [points for _, _, points in drawn.lines]
        for points in lines:
            before, after = ([q[i] for q in lines if q is not points] for i in (-1, 0))
            assert _on_edge(boxes, points[0]) or _among(before, points[0])
            assert _on_edge(boxes, points[-1]) or _among(after, points[-1])


def _on_edge(boxes: list[PlacedBox], point: Point) -> bool:
    return any(
        p.corner[0] <= point[0] <= p.corner[0] + p.size[0]
        and min(abs(point[1] - p.corner[1]), abs(point[1] - p.corner[1] - p.size[1])) < 0.01
        for p in boxes
    )


def _among(points: list[Point], point: Point) -> bool:
    return any(abs(x - point[0]) + abs(y - point[1]) < 0.01 for x, y in points)


def test_layers_one_after_the_other_stand_one_below_the_other(graph: DrawnGraph) -> None:
    placed = {p.box.label: p for p in scene(graph.view(("stack",))).boxes}
    first, second = placed["0"], placed["1"]
    assert first.corner[0] == pytest.approx(second.corner[0], abs=1.0)
    assert second.corner[1] >= first.corner[1] + first.size[1]


def test_a_view_is_read_out_by_its_boxes(graph: DrawnGraph) -> None:
    root = ElementTree.fromstring(view_svg(graph.view(("stack",))))
    spoken = [e.get("aria-label", "") for e in root.iter(f"{_SVG}g") if e.get("aria-label")]
    assert "module stack.0: 2 analog, 2 digital; Enter opens it" in spoken
    assert any(s.startswith("head, analog: product with a fixed matrix") for s in spoken)
    assert any(s.startswith("cos, digital: no crossbar") for s in spoken)


def test_the_picture_alone_says_why(artifact: Artifact) -> None:
    text = " ".join(ElementTree.fromstring(graph_svg(artifact)).itertext())
    assert "no crossbar and no LDPU has such a function" in text
    assert "2 operations: cos, sin" in text
    assert all(a.reason in text for a in digital_nodes(artifact).work)


def test_only_what_is_no_box_counts_as_not_drawn(artifact: Artifact) -> None:
    assert undrawn(graph_of(artifact), artifact) == 0  # cat takes two boxes, and is one
    assert "not drawn" not in graph_svg(artifact)
    model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Unflatten(1, (2, 3)))
    reshaped = hermesc.compile(model.eval(), torch.randn(4, 8)).artifact
    assert undrawn(graph_of(reshaped), reshaped) == 1
    assert "1 more only moves data, and is not drawn" in graph_svg(reshaped)


def test_hostile_names_stay_text(hostile: Artifact) -> None:
    root = ElementTree.fromstring(graph_svg(hostile))
    assert not [e for e in root.iter() if e.tag.removeprefix(_SVG) in ("script", "img")]
    graph = graph_of(hostile)
    for view in graph.views():
        ElementTree.fromstring(view_svg(view))


def test_a_program_without_matrices_has_a_graph(digital: Program) -> None:
    assert [n.label for n in graph_of(digital.artifact).nodes] == ["cos"]
    assert graph_svg(digital.artifact).startswith("<svg")
