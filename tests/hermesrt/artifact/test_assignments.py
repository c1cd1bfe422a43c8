"""Digital operations are told by line and module, the same ones together."""

from hermesrt.artifact.assignments import OffChip, off_chip
from hermesrt.artifact.schema import NodeAssignment
from hermesrt.errors import Location


def _node(module: str, line: int = 3, file: str = "net.py") -> NodeAssignment:
    return NodeAssignment("n", "aten.cos.default", "digital", "why", Location(module, file, line))


def _places(*nodes: NodeAssignment) -> list[tuple[str, int]]:
    return [(o.place, o.count) for o in off_chip(nodes)]


def test_a_row_names_line_and_module():
    assert off_chip([_node("enc.0.norm")]) == (OffChip("net.py:3 in enc.0.norm", "cos", "why", 1),)
    assert _places(_node("")) == [("net.py:3", 1)]


def test_modules_that_differ_in_numbers_are_one_row():
    nodes = [_node(f"enc.{i}.norm{j}") for i in range(3) for j in (1, 1)]
    assert _places(*nodes) == [("net.py:3 in enc.*.norm1", 6)]
    assert _places(_node("0.a"), _node("1.a")) == [("net.py:3 in *.a", 2)]


def test_of_other_modules_the_first_is_named_and_the_rest_counted():
    assert _places(_node("a"), _node("b"), _node("b2"), _node("a")) == [
        ("net.py:3 in a and 2 more", 4)
    ]


def test_without_a_line_the_module_is_the_place():
    assert _places(_node("enc.0", 0, ""), _node("enc.1", 0, "")) == [("enc.0", 1), ("enc.1", 1)]


def test_lines_are_told_apart():
    assert _places(_node("a"), _node("a", 4)) == [("net.py:3 in a", 1), ("net.py:4 in a", 1)]
