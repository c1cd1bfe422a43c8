"""Layered drawing: arrows fall, boxes keep apart, places are the nearest that do."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hermesrt.report.figures.layered import Edge, layered, spaced

BOX = (60.0, 30.0)


def test_every_edge_falls_to_a_lower_rank() -> None:
    edges: list[Edge] = [("a", "b", None), ("b", "c", None), ("a", "c", None)]
    drawing = layered(dict.fromkeys("abc", BOX), edges)
    tops = [drawing.corners[name][1] for name in "abc"]
    assert tops[0] < tops[1] < tops[2]
    for points in drawing.lines.values():
        heights = [y for _, y in points]
        assert heights == sorted(heights)


def test_a_line_starts_and_ends_at_its_boxes() -> None:
    drawing = layered({"a": BOX, "b": (100.0, 20.0)}, [("a", "b", None)])
    (points,) = drawing.lines.values()
    (x, y), (to_x, to_y) = drawing.corners["a"], drawing.corners["b"]
    assert points == ((x + 30, y + 30), (to_x + 50, to_y))


def test_two_ways_do_not_cross_where_they_need_not() -> None:
    edges: list[Edge] = [("r", "a", None), ("r", "b", None), ("b", "c", None), ("a", "d", None)]
    place = layered(dict.fromkeys("rabcd", BOX), edges).corners
    assert (place["a"][0] < place["b"][0]) == (place["d"][0] < place["c"][0])


def test_a_way_around_a_box_does_not_push_aside_what_comes_after() -> None:
    names = [f"{kind}{i}" for i in range(6) for kind in ("box", "sum")]
    edges: list[Edge] = [(a, b, None) for a, b in pairwise(names)]
    edges += [(f"sum{i}", f"sum{i + 1}", None) for i in range(5)]
    corners = layered(dict.fromkeys(names, BOX), edges).corners
    assert max(x for x, _ in corners.values()) - min(x for x, _ in corners.values()) < 1.0


def test_a_circle_is_drawn_with_one_edge_upwards() -> None:
    edges: list[Edge] = [("a", "b", None), ("b", "a", None)]
    drawing = layered(dict.fromkeys("ab", BOX), edges)
    rising = [p for p in drawing.lines.values() if p[0][1] > p[-1][1]]
    assert len(rising) == 1


def test_the_last_boxes_are_lowest() -> None:
    edges: list[Edge] = [("a", "b", None), ("b", "c", None), ("a", "out", None)]
    corners = layered(dict.fromkeys(["a", "b", "c", "out"], BOX), edges, last=["out"]).corners
    assert corners["out"][1] > corners["c"][1]


@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3), st.floats(1.0, 50.0), st.floats(0.5, 8.0)),
        min_size=1,
        max_size=12,
    )
)
def test_places_keep_their_gaps_and_no_shift_of_a_part_comes_nearer(
    items: list[tuple[float, float, float]],
) -> None:
    wanted, gaps, weights = (list(part) for part in zip(*items, strict=True))
    found = spaced(wanted, gaps[1:], weights)
    assert all(b - a >= gap - 1e-6 for (a, b), gap in zip(pairwise(found), gaps[1:], strict=True))

    def cost(places: list[float]) -> float:
        return float(np.dot(weights, np.square(np.subtract(places, wanted))))

    for cut in range(len(found)):
        for step in (-0.01, 0.01):
            ahead = step > 0
            moved = [x + step if (i >= cut) == ahead else x for i, x in enumerate(found)]
            assert cost(moved) >= cost(found) - 1e-6


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=30))
def test_no_two_boxes_overlap(pairs: list[tuple[int, int]]) -> None:
    edges: list[Edge] = [(str(a), str(b), None) for a, b in dict.fromkeys(pairs) if a < b]
    corners = layered({str(i): BOX for i in range(12)}, edges).corners
    places = list(corners.values())
    for i, (x, y) in enumerate(places):
        for to_x, to_y in places[:i]:
            assert abs(x - to_x) >= BOX[0] or abs(y - to_y) >= BOX[1]
