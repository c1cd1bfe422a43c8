"""The model's graph by module: what of it is drawn, open or closed. Needs no torch.

A view opens one module and those around it; every other module is one box. Constants and
operations that only move data are not boxes: edges pass through them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hermesrt.artifact.schema import Artifact, ConstantStep, HostStep, MvmStep, NodeAssignment
from hermesrt.ops.table import base_name, op_class

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """One operation that is drawn.

    name: of its result.
    label: the layer or the operation.
    unit: where it runs.
    reason: why.
    place: file and line, or module path.
    path: the modules that it stands in, outermost first.
    takes: the names of the drawn nodes and inputs that it takes.
    step: its number among the program's steps.
    layer: the number of its matrix; None where it has none.
    """

    name: str
    label: str
    unit: str
    reason: str
    place: str
    path: Path
    takes: tuple[str, ...]
    step: int | None
    layer: int | None


@dataclass(frozen=True, slots=True)
class Box:
    """What a view draws in one place.

    name: unique in the view.
    label: what it is called.
    kind: input, output, module (closed), open, or where an operation runs.
    path: of the module.
    node: the operation, where it is one.
    units: a module's operations, counted by where they run.
    inside: the boxes of an open module.
    layers: the numbers of a module's matrices.
    """

    name: str
    label: str
    kind: str
    path: Path = ()
    node: DrawnNode | None = None
    units: Mapping[str, int] = field(default_factory=dict)
    inside: tuple["Box", ...] = ()
    layers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """One state of the graph.

    path: the module that is open.
    boxes: outermost first.
    edges: between drawn boxes, (from, to) by name.
    """

    path: Path
    boxes: tuple[Box, ...]
    edges: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DrawnGraph:
    """All drawn operations in order, with inputs and outputs.

    inputs: the names of those that are used.
    nodes: the operations.
    outputs: each output's name and the nodes that it is made of.
    hidden: operations that only move data, which are not drawn.
    """

    inputs: tuple[str, ...]
    nodes: tuple[DrawnNode, ...]
    outputs: tuple[tuple[str, tuple[str, ...]], ...]
    hidden: int

    @cached_property
    def modules(self) -> tuple[Path, ...]:
        """Modules that can be opened: those with several operations and something beside them."""
        found: dict[Path, int] = Counter()
        for node in self.nodes:
            for depth in range(1, len(node.path) + 1):
                found[node.path[:depth]] += 1
        total = len(self.nodes)
        return tuple(path for path, count in found.items() if 1 < count < total)

    def views(self) -> Iterator[View]:
        """Everything closed, then each module opened."""
        for path in ((), *self.modules):
            yield self.view(path)

    def view(self, path: Path) -> View:
        """The graph with that module open."""
        open_paths = {path[:depth] for depth in range(len(path) + 1)} | {()}
        shown = {node.name: self._shown(node, open_paths) for node in self.nodes}
        names = shown | {name: name for name in self.inputs}
        edges = [
            (names[source], names[node.name])
            for node in self.nodes
            for source in node.takes
            if names[source] != names[node.name]
        ]
        edges += [(names[s], output) for output, sources in self.outputs for s in sources]
        boxes = [Box(name, name, "input") for name in self.inputs]
        boxes += self._boxes((), self.nodes, open_paths)
        boxes += [Box(name, name[1:], "output") for name, _ in self.outputs]
        return View(path, tuple(boxes), tuple(dict.fromkeys(edges)))

    def _shown(self, node: DrawnNode, open_paths: set[Path]) -> str:
        """The box that stands for a node: its outermost closed module, or itself."""
        for depth in range(1, len(node.path) + 1):
            path = node.path[:depth]
            if path in self.modules and path not in open_paths:
                return module_name(path)
        return node.name

    def _boxes(self, at: Path, nodes: Sequence[DrawnNode], open_paths: set[Path]) -> list[Box]:
        """The boxes of a module that is open, in the order of its operations."""
        groups: dict[Path | str, list[DrawnNode]] = {}
        for node in nodes:
            inner = next(
                (p for d in range(len(at) + 1, len(node.path) + 1)
                 if (p := node.path[:d]) in self.modules), None
            )  # fmt: skip
            groups.setdefault(inner or node.name, []).append(node)
        boxes = []
        for key, members in groups.items():
            if isinstance(key, str):
                (node,) = members
                boxes.append(Box(node.name, node.label, node.unit, node.path, node))
            else:
                boxes.append(self._module(key, members, at, open_paths))
        return boxes

    def _module(self, path: Path, nodes: list[DrawnNode], at: Path, open_paths: set[Path]) -> Box:
        is_open = path in open_paths
        return Box(
            name=module_name(path),
            label=".".join(path[len(at) :]),
            kind="open" if is_open else "module",
            path=path,
            units=Counter(node.unit for node in nodes),
            inside=tuple(self._boxes(path, nodes, open_paths)) if is_open else (),
            layers=tuple(dict.fromkeys(n.layer for n in nodes if n.layer is not None)),
        )


def module_name(path: Path) -> str:
    """The name of a module's box, which no operation has."""
    return f"/{'.'.join(path)}"


def graph_of(artifact: Artifact) -> DrawnGraph:
    """The graph of a program's steps with the reason of each."""
    manifest = artifact.manifest
    account = {a.node: a for a in manifest.account}
    layers = {m.name: i for i, m in enumerate(manifest.matrices)}
    through: dict[str, tuple[str, ...]] = {i.name: (i.name,) for i in manifest.inputs}
    nodes = []
    hidden = 0
    for number, step in enumerate(manifest.steps):
        takes = tuple(dict.fromkeys(s for t in step.takes for s in through.get(t, ())))
        match step:
            case ConstantStep():
                through[step.name] = ()
            case HostStep() if _is_size(step.op):
                through[step.name] = ()
                hidden += 1
            case HostStep() if op_class(step.op) == "layout" and len(takes) <= 1:
                through[step.name] = takes
                hidden += 1
            case HostStep() | MvmStep():
                layer = layers[step.matrix] if isinstance(step, MvmStep) else None
                nodes.append(_node(artifact, step, account.get(step.name), takes, number, layer))
                through[step.name] = (step.name,)
    used = {s for node in nodes for s in node.takes}
    outputs = tuple(
        (f">output_{i}", through.get(name, ())) for i, name in enumerate(manifest.outputs)
    )
    used |= {s for _, sources in outputs for s in sources}
    inputs = tuple(i.name for i in manifest.inputs if i.name in used)
    return DrawnGraph(inputs, tuple(nodes), outputs, hidden)


def _node(
    artifact: Artifact,
    step: HostStep | MvmStep,
    account: NodeAssignment | None,
    takes: tuple[str, ...],
    number: int,
    layer: int | None,
) -> DrawnNode:
    reason = account.reason if account else ""
    if isinstance(step, MvmStep):
        label, unit = artifact.matrices[step.matrix].label, "analog"
        product = "product with a fixed matrix"
        reason = reason if reason.startswith(product) else f"{product}; {reason}".rstrip("; ")
    else:
        label, unit = base_name(step.op), account.unit if account else "digital"
    module = tuple(part for part in step.location.module.split(".") if part)
    return DrawnNode(
        name=step.name,
        label=label,
        unit=unit,
        reason=reason,
        place=str(step.location),
        path=module,
        takes=takes,
        step=number,
        layer=layer,
    )


def _is_size(op: str) -> bool:
    """Whether an operation only asks for a size, which is no flow of data."""
    return op.startswith("size.") or base_name(op) in ("sym_size", "sym_numel")
