"""Where the nodes of the user's model run and why, gathered in groups. Needs no torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hermesrt.artifact.schema import Artifact, NodeAssignment, Unit
from hermesrt.ops.table import base_name, op_class

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.|$)")


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that run in one unit for one reason.

    unit: where they run.
    reason: why, without a layer's name.
    nodes: how many.
    operations: their names, sorted, each once.
    """

    unit: Unit
    reason: str
    nodes: int
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OffChip:
    """One digital operation of one source line.

    place: file, line and module path, as far as they are known.
    op: the operation's name.
    reason: why no crossbar and no LDPU does it.
    count: how often it stands there.
    """

    place: str
    op: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class DigitalNodes:
    """The nodes that the host runs, in the model's order.

    work: those that compute.
    layout: those that only move or rename data.
    """

    work: tuple[NodeAssignment, ...]
    layout: tuple[NodeAssignment, ...]


def digital_nodes(artifact: Artifact) -> DigitalNodes:
    """The digital nodes by whether they compute."""
    digital = [a for a in artifact.manifest.account if a.unit == "digital"]
    layout = tuple(a for a in digital if op_class(a.op) == "layout")
    return DigitalNodes(tuple(a for a in digital if a not in layout), layout)


def off_chip(nodes: Sequence[NodeAssignment]) -> tuple[OffChip, ...]:
    """Digital operations, the same ones of a line together, in whatever module it runs."""
    modules: dict[tuple[str, str, str], list[str]] = {}
    for a in nodes:
        key = str(a.location), base_name(a.op), a.reason
        modules.setdefault(key, []).append(a.location.module if a.location.file else "")
    return tuple(
        OffChip(line + _in_modules(held), op, reason, len(held))
        for (line, op, reason), held in modules.items()
    )


def _in_modules(modules: Sequence[str]) -> str:
    """The modules that run a line: one, one with its numbers left open, or the first of several."""
    names = list(dict.fromkeys(modules))
    if len(names) > 1:
        names = list(dict.fromkeys(_NUMBER.sub("*", name) for name in names))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f" in {names[0]}{more}" if names and names[0] else ""


def node_groups(artifact: Artifact) -> tuple[NodeGroup, ...]:
    """Nodes by where they run and why, the reason of a layer's product without its name."""
    found: dict[tuple[Unit, str], list[str]] = {}
    for a in artifact.manifest.account:
        reason = a.reason.split(":")[0] if a.unit == "analog" else a.reason
        found.setdefault((a.unit, reason), []).append(base_name(a.op))
    return tuple(
        NodeGroup(unit, reason, len(ops), tuple(sorted(set(ops))))
        for (unit, reason), ops in found.items()
    )
