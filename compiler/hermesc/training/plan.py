"""Which products of a model run on the chip, and how: read off its compilation.

In: a model as the compiler takes it. Out: for each captured product its tiles, ranges and labels of
dimensions. Method: compile it and listen to the stages, so that what is trained is what is
compiled; a model that does not compile is refused for the compiler's reasons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from hermesc.analysis.contraction import Contraction, ContractionFinder
from hermesc.frontend.request import ModelSource
from hermesc.frontend.torch.capture import Capture
from hermesc.frontend.torch.expand import op_name, writes_in_place
from hermesc.ir.graph import Graph, Weights
from hermesc.ir.ops import Mvm
from hermesc.ir.stages import Partitioned
from hermesc.pipeline import Options, compile_model
from hermesrt.artifact.schema import Artifact, MvmStep
from hermesrt.chip.spec import ChipSpec
from hermesrt.ops.table import base_name

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d", "convolution")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_PAIRS = ("matmul", "mm", "bmm", "mv", "dot", "inner", "tensordot", "linear")
_ADDED = ("addmm", "addmv", "baddbmm")


@dataclass(frozen=True, slots=True)
class Labels:
    """The dimensions of a product, a letter each.

    x: of the moving operand.
    weight: of the fixed one.
    out: of the result.
    """

    x: str
    weight: str
    out: str

    @property
    def summed(self) -> str:
        """Those of the weight that the result lacks, in its order."""
        return "".join(d for d in self.weight if d not in self.out)

    @property
    def columns(self) -> str:
        """Those of the weight that the result has too."""
        return "".join(d for d in self.weight if d not in self.summed)

    @property
    def grouped(self) -> str:
        """Those that all three have: each is a matrix of its own."""
        return "".join(d for d in self.weight if d in self.x and d in self.out)


@dataclass(frozen=True, slots=True, eq=False)
class ProductPlan:
    """A product as the program has it.

    label: what the user calls the layer.
    slots: of its matrices, by `Graph.slots`.
    op: the operation's base name.
    sources: the parameters and buffers that the fixed operand is made from.
    labels: of its dimensions; None for convolutions. Where the model spreads the operand over a
        batch they are those of the last dimensions, the matrix itself.
    weight_size: elements of the fixed operand.
    limits: where the inputs of each matrix clip.
    row_ranges: of a matrix, the rows of each block of a cascade.
    g_max_siemens: of each block.
    mean_input: of the calibration vectors, by matrix and row, in units of x.
    absorbed: base names of the operations that its LDPU does, in order.
    """

    label: str
    slots: tuple[str, ...]
    op: str
    sources: frozenset[str]
    labels: Labels | None
    weight_size: int
    limits: tuple[float, ...]
    row_ranges: tuple[tuple[int, int], ...]
    g_max_siemens: tuple[float, ...]
    mean_input: Float[Tensor, "matrices rows"]
    absorbed: tuple[str, ...]

    @property
    def mean_g_max_siemens(self) -> float:
        """The conductance of a column's largest weight, the mean of the row blocks."""
        return sum(self.g_max_siemens) / len(self.g_max_siemens)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All products of a model that run on the chip.

    products: in order.
    recurrent: the weights of recurrent layers, which see noise alone.
    artifact: the program.
    notes: of its compilation, for the user.
    """

    products: tuple[ProductPlan, ...]
    recurrent: tuple[ProductPlan, ...]
    artifact: Artifact
    notes: tuple[str, ...]


def plan_of(source: ModelSource, chip: ChipSpec, options: Options) -> Plan:
    """The plan of a model.

    Raises: as `compile_model`.
    """
    seen: dict[str, object] = {}
    artifact = compile_model(
        source, chip, options, lambda name, stage, _: seen.update({name: stage})
    )
    capture = cast(Capture, seen["capture"])
    stage = cast(tuple[Partitioned, Weights], seen["partition"])[0]
    graph, weights = cast(tuple[Graph, Weights], seen["convolve"])
    finder = ContractionFinder(graph, weights)
    contractions = {op.origin: (finder.read(op), finder.find(op)) for op in graph.digital}
    products = tuple(_products(stage, artifact, capture.exported, contractions))
    known = {slot for product in products for slot in product.slots}
    plain = [slot for slot in stage.graph.slots().values() if slot not in known]
    notes = (
        f"{slot}: a recurrent layer, which trains with noise of weights alone" for slot in plain
    )
    recurrent = tuple(_recurrent(stage, artifact, capture.exported))
    return Plan(products, recurrent, artifact, (*artifact.manifest.notes, *notes))


def _products(
    stage: Partitioned,
    artifact: Artifact,
    exported: ExportedProgram,
    contractions: Mapping[str, tuple[Contraction | None, Contraction | None]],
) -> Iterator[ProductPlan]:
    slots, steps = stage.graph.slots(), _steps(artifact)
    nodes = {node.name: node for node in exported.graph.nodes}
    captured = {c.name: c.op for c in stage.graph.captured}
    sources = leaves(exported)
    by_origin: dict[str, list[Mvm]] = {}
    for op in stage.graph.mvms:
        by_origin.setdefault(op.origin, []).append(op)
    for origin, mvms in by_origin.items():
        node = nodes[origin]
        operands = operands_of(node, sources)
        if operands is None:
            continue
        fixed = operands[1]
        found, clean = contractions.get(origin, (None, None))
        matrices = [artifact.matrices[op.matrix] for op in mvms]
        held = [steps[op.name] for op in mvms]
        means = [_mean_input(artifact, step) for step in held]
        size = sum(m.rows * m.columns for m in matrices)
        same = len({m.shape for m in means}) == 1
        yield ProductPlan(
            label=mvms[0].label.split("[")[0] if len(mvms) > 1 else mvms[0].label,
            slots=tuple(slots[op.name] for op in mvms),
            op=base_name(op_name(node)),
            sources=sources[fixed],
            labels=_labels(clean if elements(fixed) != size else found, fixed),
            weight_size=size,
            limits=tuple(step.input_max for step in held),
            row_ranges=matrices[0].row_ranges,
            g_max_siemens=matrices[0].g_max_siemens,
            mean_input=torch.stack(means) if same else torch.zeros(len(means), 0),
            absorbed=tuple(
                base_name(captured[name]) for name in mvms[0].absorbed if name != origin
            ),
        )


def _recurrent(
    stage: Partitioned, artifact: Artifact, exported: ExportedProgram
) -> Iterator[ProductPlan]:
    """A plan for each matrix of weights of recurrent layers; the chip stores those of the input and
    of the state as one."""
    sources, slots = leaves(exported), stage.graph.slots()
    for node in exported.graph.nodes:
        own = (op for op in stage.graph.ops if isinstance(op, Mvm))
        mvms = [op for op in own if op.origin == node.name]
        weights = recurrent_weights(node)
        each = len(weights) // max(1, len(mvms))
        for i, (_, weight) in enumerate(weights if mvms else []):
            layer = mvms[min(i // each, len(mvms) - 1)]
            op = layer.products[-1] if i % each == 2 else layer  # the third is a projection
            matrix = artifact.matrices[op.matrix]
            yield ProductPlan(
                label=op.label,
                slots=(slots[op.name],),
                op="linear",
                sources=sources.get(weight, frozenset()),
                labels=Labels("y", "zy", "z"),
                weight_size=elements(weight) or 0,
                limits=(1.0,),
                row_ranges=matrix.row_ranges,
                g_max_siemens=matrix.g_max_siemens,
                mean_input=torch.zeros(1, 0),
                absorbed=(),
            )


def recurrent_weights(node: Node) -> list[tuple[int, Node]]:
    """The matrices among the parameters of a recurrent layer, with their places there."""
    if node.op != "call_function" or base_name(op_name(node)) not in RECURRENT:
        return []
    given = node.args[2]
    parameters = list(given) if isinstance(given, list | tuple) else []
    nodes = [(i, n) for i, n in enumerate(parameters) if isinstance(n, Node)]
    return [(i, n) for i, n in nodes if n.meta["val"].dim() == 2]


def _steps(artifact: Artifact) -> dict[str, MvmStep]:
    return {s.name: s for s in artifact.manifest.steps if isinstance(s, MvmStep)}


def _mean_input(artifact: Artifact, step: MvmStep) -> Tensor:
    codes = torch.from_numpy(artifact.tensors[step.calibration]).float()
    return codes.mean(0) * (step.input_max / 127) if len(codes) else codes.new_zeros(codes.shape[1])


def _labels(found: Contraction | None, fixed: Node) -> Labels | None:
    """The labels, where the last dimensions of the operand have one each."""
    if found is None or len(found.matrix_labels) > fixed.meta["val"].dim():
        return None
    return Labels(found.x_labels, found.matrix_labels, found.out_labels)


def leaves(exported: ExportedProgram) -> dict[Node, frozenset[str]]:
    """The nodes that depend on no input of the model, and the parameters, buffers and constants
    that each is made from."""
    moving = {
        s.arg.name for s in exported.graph_signature.input_specs if s.kind is InputKind.USER_INPUT
    }
    targets = {s.arg.name: str(s.target) for s in exported.graph_signature.input_specs}
    found: dict[Node, frozenset[str]] = {}
    for node in exported.graph.nodes:
        if node.op == "placeholder" and node.name not in moving:
            found[node] = frozenset({targets.get(node.name, node.name)})
        elif node.op == "call_function" and node.all_input_nodes and not writes_in_place(node):
            parts = [found.get(n) for n in node.all_input_nodes if _is_tensor(n)]
            if parts and all(p is not None for p in parts):
                found[node] = frozenset().union(*(p for p in parts if p is not None))
    return found


def _is_tensor(node: Node) -> bool:
    return isinstance(node.meta.get("val"), Tensor)


def operands_of(
    node: Node, fixed: Mapping[Node, frozenset[str]]
) -> tuple[tuple[int, ...], Node, tuple[int, ...]] | None:
    """Of a product with one fixed operand: the path of the moving one in its arguments, the fixed
    one, and its path."""
    if node.op != "call_function":
        return None
    places = _operand_places(node)
    nodes = [(place, _at(node.args, place)) for place in places]
    pairs = [(place, n) for place, n in nodes if isinstance(n, Node)]
    moving = [place for place, n in pairs if n not in fixed]
    still = [(place, n) for place, n in pairs if n in fixed]
    if len(moving) != 1 or not still:
        return None
    place, operand = max(still, key=lambda pair: _size(pair[1]))
    return moving[0], operand, place


def _operand_places(node: Node) -> list[tuple[int, ...]]:
    name = base_name(op_name(node))
    if name in (*_PAIRS, *CONVOLUTIONS, *TRANSPOSED):
        return [(0,), (1,)]
    if name in _ADDED:
        return [(1,), (2,)]
    if name == "einsum" and isinstance(node.args[1], list | tuple):
        return [(1, i) for i in range(len(node.args[1]))]
    return []


def _at(args: object, place: tuple[int, ...]) -> object:
    for i in place:
        args = args[i]  # type: ignore[index]
    return args


def _size(node: Node) -> int:
    value = node.meta.get("val")
    sizes = value.shape if isinstance(value, Tensor) else ()
    return int(torch.Size([s for s in sizes if isinstance(s, int)]).numel())


def elements(node: Node) -> int | None:
    """How many a tensor has, where that does not depend on the batch."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor) or not all(isinstance(s, int) for s in value.shape):
        return None
    return value.shape.numel()
