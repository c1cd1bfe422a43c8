"""The model's graph by module: what of it is drawn, open or closed. Needs no torch.

A view opens one module and those around it; every other module is one box. Constants and
operations that only move data are not boxes: edges pass through them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hermesrt.artifact.assignments import digital_nodes
from hermesrt.artifact.module_tree import Module, Path, modules_of
from hermesrt.artifact.schema import Artifact, ConstantStep, HostStep, MvmStep, NodeAssignment
from hermesrt.ops.table import base_name, op_class

_ONE_OF_SEVERAL = "size.getitem"


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
    """

    inputs: tuple[str, ...]
    nodes: tuple[DrawnNode, ...]
    outputs: tuple[tuple[str, tuple[str, ...]], ...]

    @cached_property
    def tree(self) -> tuple[Module, ...]:
        """The modules that can be opened, outermost ones, each with those within it."""
        return modules_of(
            {n.name: n.path for n in self.nodes}, {n.name: n.takes for n in self.nodes}
        )

    @cached_property
    def modules(self) -> tuple[Path, ...]:
        """Modules that can be opened: those with several operations and something beside them."""
        return tuple(module.path for module in _all(self.tree))

    @property
    def largest(self) -> Path:
        """The outermost module with most operations; of none, no module."""
        return max(self.tree, key=lambda m: len(m.names)).path if self.tree else ()

    def views(self) -> Iterator[View]:
        """Everything closed, then each module opened."""
        for path in ((), *self.modules):
            yield self.view(path)

    def view(self, path: Path) -> View:
        """The graph with that module open."""
        open_paths = {module.path for module in _all(self.tree) if _holds(module, path)}
        shown = {node.name: node.name for node in self.nodes}
        for module in _closed(self.tree, open_paths):
            shown |= dict.fromkeys(module.names, module_name(module.path))
        names = shown | {name: name for name in self.inputs}
        edges = [
            (names[source], names[node.name])
            for node in self.nodes
            for source in node.takes
            if names[source] != names[node.name]
        ]
        edges += [(names[s], output) for output, sources in self.outputs for s in sources]
        boxes = [Box(name, name, "input") for name in self.inputs]
        boxes += self._boxes((), [n.name for n in self.nodes], self.tree, open_paths)
        boxes += [Box(name, name[1:], "output") for name, _ in self.outputs]
        return View(path, tuple(boxes), tuple(dict.fromkeys(edges)))

    @cached_property
    def _node(self) -> Mapping[str, DrawnNode]:
        return {node.name: node for node in self.nodes}

    def _boxes(
        self, at: Path, names: Sequence[str], modules: Sequence[Module], open_paths: set[Path]
    ) -> list[Box]:
        """The boxes of a module that is open, in the order of its operations."""
        within = {name: module for module in modules for name in module.names}
        boxes: dict[str, Box] = {}
        for name in names:
            module, node = within.get(name), self._node[name]
            if module is None:
                boxes[name] = Box(name, node.label, node.unit, node.path, node)
            elif module_name(module.path) not in boxes:
                boxes[module_name(module.path)] = self._module(module, at, open_paths)
        return list(boxes.values())

    def _module(self, module: Module, at: Path, open_paths: set[Path]) -> Box:
        is_open, path = module.path in open_paths, module.path
        nodes = [self._node[name] for name in module.names]
        return Box(
            name=module_name(path),
            label=".".join(path[len(at) :]),
            kind="open" if is_open else "module",
            path=path,
            units=Counter(node.unit for node in nodes),
            inside=(
                tuple(self._boxes(path, module.names, module.modules, open_paths))
                if is_open
                else ()
            ),
            layers=tuple(dict.fromkeys(n.layer for n in nodes if n.layer is not None)),
        )


def _all(modules: Sequence[Module]) -> Iterator[Module]:
    for module in modules:
        yield module
        yield from _all(module.modules)


def _holds(module: Module, path: Path) -> bool:
    """Whether the module of that path is this one, or in it."""
    return path[: len(module.path)] == module.path


def _closed(modules: Sequence[Module], open_paths: set[Path]) -> Iterator[Module]:
    """The outermost modules that are not open."""
    for module in modules:
        if module.path in open_paths:
            yield from _closed(module.modules, open_paths)
        else:
            yield module


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
    for number, step in enumerate(manifest.steps):
        takes = tuple(dict.fromkeys(s for t in step.takes for s in through.get(t, ())))
        match step:
            case ConstantStep():
                through[step.name] = ()
            case HostStep() if _is_size(step.op):
                through[step.name] = ()
            case HostStep() if op_class(step.op) == "layout" and len(takes) <= 1:
                through[step.name] = takes
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
    return DrawnGraph(inputs, tuple(nodes), outputs)


def undrawn(graph: DrawnGraph, artifact: Artifact) -> int:
    """How many operations of the host only move or rename data, and are no boxes."""
    boxes = {node.name for node in graph.nodes}
    return sum(a.node not in boxes for a in digital_nodes(artifact).layout)


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
    """Whether an operation only asks for a size, which is no flow of data; what takes one of
    several results, by the same name as one of several sizes, is passed through."""
    return (op.startswith("size.") and op != _ONE_OF_SEVERAL) or base_name(op) in (
        "sym_size",
        "sym_numel",
    )
