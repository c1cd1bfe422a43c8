"""Which modules a picture of the graph can draw as one box. Needs no torch.

A module is a box only where no path leaves it and comes back: a list of layers whose residual sums
stand beside it falls into its layers, so that what runs one after the other is drawn so. Method:
modules as large as possible; those on a circle of boxes that a path leaves and enters again (else
all of the circle) fall into their parts, until no circle is left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

Path = tuple[str, ...]
Flow = Mapping[str, Sequence[str]]  # the names that each operation takes


@dataclass(frozen=True, slots=True)
class Module:
    """A module of several operations.

    path: its name in parts, outermost first.
    names: of its operations, in order.
    modules: within it, by the first of their operations.
    """

    path: Path
    names: tuple[str, ...]
    modules: tuple["Module", ...]


def modules_of(paths: Mapping[str, Path], takes: Flow) -> tuple[Module, ...]:
    """The outermost modules of operations in order, each with those within it; a module that holds
    all operations is none."""
    return _inside((), list(paths), paths, takes)


def _inside(
    at: Path, names: Sequence[str], paths: Mapping[str, Path], takes: Flow
) -> tuple[Module, ...]:
    depth = dict.fromkeys(names, len(at) + 1)
    while True:
        groups = _groups(names, paths, depth)
        circles = _circles(groups, takes)
        if not circles:
            break
        for circle in circles:
            for key in _to_open(circle, groups, takes):
                depth |= {name: depth[name] + 1 for name in groups[key]}
    found = [(_common(members, paths), members) for members in groups.values() if len(members) > 1]
    return tuple(
        Module(path, tuple(members), _inside(path, members, paths, takes))
        for path, members in found
        if len(members) < len(names)
    )


def _groups(
    names: Sequence[str], paths: Mapping[str, Path], depth: Mapping[str, int]
) -> dict[Path | str, list[str]]:
    """The operations by module at each one's depth; by itself where it stands no deeper."""
    groups: dict[Path | str, list[str]] = {}
    for name in names:
        path = paths[name]
        key = path[: depth[name]] if len(path) >= depth[name] else name
        groups.setdefault(key, []).append(name)
    return groups


def _common(names: Sequence[str], paths: Mapping[str, Path]) -> Path:
    """The innermost module that holds all of them."""
    first, *others = (paths[name] for name in names)
    for other in others:
        same = next((i for i, pair in enumerate(zip(first, other, strict=False))
                     if pair[0] != pair[1]), min(len(first), len(other)))  # fmt: skip
        first = first[:same]
    return first


def _circles(groups: Mapping[Path | str, list[str]], takes: Flow) -> list[set[Path | str]]:
    home = {name: key for key, members in groups.items() for name in members}
    graph = nx.DiGraph()
    graph.add_edges_from(
        (home[source], home[name])
        for name in home
        for source in takes[name]
        if source in home and home[source] != home[name]
    )
    return [c for c in nx.strongly_connected_components(graph) if len(c) > 1]


def _to_open(
    circle: set[Path | str], groups: Mapping[Path | str, list[str]], takes: Flow
) -> list[Path]:
    """The modules of a circle that a path leaves and enters again; all of them where none is so."""
    inside = {name for key in circle for name in groups[key]}
    graph = nx.DiGraph()
    graph.add_edges_from((s, name) for name in inside for s in takes[name] if s in inside)
    modules = [key for key in groups if key in circle and not isinstance(key, str)]
    return [m for m in modules if _returns(groups[m], graph)] or modules


def _returns(members: Iterable[str], graph: "nx.DiGraph[str]") -> bool:
    """Whether a path leaves those operations and comes back."""
    own = set(members)
    left = {b for a in own if a in graph for b in graph.successors(a)} - own
    reached = left.union(*(nx.descendants(graph, name) for name in left))
    return bool(reached & own)
