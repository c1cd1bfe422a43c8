"""Where each captured node of a model runs, and why."""

from collections.abc import Mapping

from hermesc.ir.graph import Captured, Graph
from hermesc.ir.ops import Constant, Digital
from hermesc.ir.types import TensorType
from hermesrt.artifact.schema import NodeAssignment, Unit
from hermesrt.ops.table import REASONS, base_name, op_class


def assignments(graph: Graph, kept: Mapping[str, str]) -> tuple[NodeAssignment, ...]:
    """What became of each captured node; `kept` says of some why their product stays digital."""
    removed = {r.name: r for r in graph.removed}
    by_name = {n.name: n for n in graph.captured}
    analog: dict[str, list[str]] = {}
    for op in graph.mvms:
        analog.setdefault(op.origin, []).append(op.label)
    absorbed = {name: op for op in graph.mvms for name in op.absorbed}
    digital = {op.origin: op for op in graph.digital}
    constants = {op.name for op in graph.ops if isinstance(op, Constant)}
    stays = {r.name: r.reason for r in graph.stays}

    def fate(node: Captured) -> tuple[Unit, str]:
        if node.name in removed and removed[node.name].into:
            unit, reason = fate(by_name[removed[node.name].into])
            return unit, f"{reason}; {removed[node.name].reason}"
        if node.name in analog:
            return "analog", f"product with a fixed matrix: {', '.join(analog[node.name])}"
        if node.name in absorbed:
            return "ldpu", f"fused into the LDPU of {absorbed[node.name].label}"
        if node.op == "size.getitem" and node.name in removed:
            return "free", removed[node.name].reason
        if node.op.startswith(("size.", "aten.sym_")):
            return "free", "a size, known before the run"
        if node.name in kept:
            return "digital", kept[node.name]
        if node.name in stays:
            return "digital", stays[node.name]
        if node.name in digital:
            return "digital", _why_digital(digital[node.name], node.op, constants)
        return "free", removed[node.name].reason

    return tuple(NodeAssignment(n.name, n.op, *fate(n), n.location) for n in graph.captured)


def _why_digital(op: Digital, name: str, constants: set[str]) -> str:
    base = base_name(name)
    if base.startswith("conv"):
        return (
            "a convolution whose kernel or bias is not fixed, so there is nothing to store in PCM"
        )
    if base.removesuffix("_cell") in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        return "a recurrent layer whose weights are not fixed, so there is nothing to store in PCM"
    if "batch_norm" in base and _is_fixed_norm(op):
        return "a fixed scale and shift for each channel, which an LDPU has only behind a product"
    kind = op_class(name) or op_class(op.call.op)
    assert kind is not None
    if kind == "product" and constants.intersection(op.call.refs()):
        if isinstance(op.type, TensorType) and op.type.dtype.startswith("complex"):
            return "a product of complex numbers, which a crossbar does not hold"
        return "has a fixed operand, but in a form of product that is not lowered to crossbars"
    return REASONS[kind]


def _is_fixed_norm(op: Digital) -> bool:
    """A batch norm in evaluation, which takes its statistics from training."""
    return len(op.call.args) > 5 and op.call.args[5] is False
