"""Modules as boxes: as large as they can be while no path leaves a box and comes back."""

from collections.abc import Sequence

from hermesrt.artifact.module_tree import Module, modules_of


def _tree(*steps: tuple[str, str, str]) -> tuple[Module, ...]:
    """Steps as name, module path and names taken."""
    paths = {name: tuple(p for p in path.split(".") if p) for name, path, _ in steps}
    return modules_of(paths, {name: takes.split() for name, _, takes in steps})


def _names(modules: Sequence[Module]) -> list[str]:
    return [".".join(m.path) for m in modules]


def test_a_list_of_layers_whose_sums_stand_beside_it_falls_into_its_layers() -> None:
    tree = _tree(
        ("a", "net.layers.0", ""),
        ("b", "net.layers.0", "a"),
        ("sum", "net", "b"),
        ("c", "net.layers.1", "sum"),
        ("d", "net.layers.1", "c"),
        ("sum2", "net", "d sum"),
        ("head", "head", "sum2"),
    )
    assert _names(tree) == ["net"]
    assert _names(tree[0].modules) == ["net.layers.0", "net.layers.1"]


def test_modules_around_one_alone_are_one_box_with_it() -> None:
    tree = _tree(("a", "enc.net.core", ""), ("b", "enc.net.core", "a"), ("c", "", "b"))
    assert _names(tree) == ["enc.net.core"]


def test_a_module_stays_whole_beside_one_that_cannot() -> None:
    tree = _tree(
        ("n0", "norms.0", ""),
        ("p", "block.x", "n0"),
        ("q", "block.y", "p"),
        ("n1", "norms.1", "q"),
        ("r", "", "n1"),
    )
    assert _names(tree) == ["block"]


def test_two_modules_that_take_from_each_other_both_fall() -> None:
    tree = _tree(
        ("a1", "a.x", ""),
        ("b1", "b.x", "a1"),
        ("b2", "b.y", ""),
        ("a2", "a.y", "b2"),
        ("z", "", ""),
    )
    assert _names(tree) == []


def test_a_module_that_holds_everything_is_no_box() -> None:
    assert _tree(("a", "m", ""), ("b", "m", "a")) == ()
