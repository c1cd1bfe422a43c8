"""Which operation a node of an ONNX file is, and why one has no torch form."""

from collections.abc import Mapping

from onnx import ModelProto, NodeProto

from hermesc.frontend.onnx.attention import ATTENTION
from hermesc.frontend.onnx.classic import CLASSIC
from hermesc.frontend.onnx.elementwise import ELEMENTWISE, on_tensors
from hermesc.frontend.onnx.ensembles import (
    ENSEMBLES,
    label_encoder,
    of_strings,
    one_hot,
    why_not,
)
from hermesc.frontend.onnx.layers import LAYERS
from hermesc.frontend.onnx.layout import LAYOUT
from hermesc.frontend.onnx.nested import NESTED
from hermesc.frontend.onnx.node import OnnxNode, OnnxOp
from hermesc.frontend.onnx.pooling import POOLING
from hermesc.frontend.onnx.quantized import QUANTIZED
from hermesc.frontend.onnx.read import all_nodes, versions
from hermesc.frontend.onnx.recurrence import RECURRENT
from hermesc.frontend.onnx.resize import RESIZE
from hermesc.frontend.onnx.values import attribute_value, constant_value
from hermesrt.errors import Location, Refusal

STANDARD: Mapping[str, OnnxOp] = {
    **ELEMENTWISE, **LAYOUT, **LAYERS, **POOLING, **ATTENTION, **QUANTIZED,
    **RECURRENT, **RESIZE,
    **{name: OnnxOp(lambda *_: None, attributes) for name, attributes in NESTED.items()},
}  # fmt: skip
ML: Mapping[str, OnnxOp] = {
    **CLASSIC,
    **{
        name: OnnxOp(lambda *_: None, attributes, why_not) for name, attributes in ENSEMBLES.items()
    },
    "OneHotEncoder": on_tensors(one_hot, "cats_int64s", "cats_strings", "zeros", refuse=of_strings),
    "LabelEncoder": on_tensors(
        label_encoder,
        *("default_float", "default_int64", "default_string", "keys_floats", "keys_int64s"),
        *("keys_strings", "values_floats", "values_int64s", "values_strings"),
        refuse=of_strings,
    ),
}


def refusals(model: ModelProto) -> list[Refusal]:
    """Every node that has no torch form, with the reason."""
    found = []
    for i, proto in enumerate(all_nodes(model.graph.node)):
        node = node_of(proto, i, versions(model))
        reason = _why_not(node, proto)
        if reason is not None:
            name = f"{node.domain}.{node.op}" if node.domain else node.op
            found.append(Refusal(name, Location(module=node.name), reason))
    return found


def _why_not(node: OnnxNode, proto: NodeProto) -> str | None:
    if node.op == "Constant" and not node.domain:
        held = constant_value(proto)
        return "it holds a constant that is no number" if held is None else None
    op = operation_of(node)
    if op is None:
        return "no such operation is read"
    odd = [name for name in node.attributes if name not in op.attributes]
    if odd:
        return f"its attribute {', '.join(odd)} is not read"
    return op.refuse(node)


def operation_of(node: OnnxNode) -> OnnxOp | None:
    """How a node runs; None where that is not known."""
    return {"": STANDARD, "ai.onnx.ml": ML}.get(node.domain, {}).get(node.op)


def node_of(proto: NodeProto, index: int, opsets: Mapping[str, int]) -> OnnxNode:
    """What an operation is told; `index` names a node that has no name."""
    domain = "" if proto.domain == "ai.onnx" else _words(proto.domain)
    attributes = {a.name: attribute_value(a) for a in proto.attribute}
    op = _words(proto.op_type)
    name = _words(proto.name) or f"{op}_{index}"
    version = opsets.get(domain, 1)
    return OnnxNode(name, op, domain, version, attributes, len(proto.output))


def _words(text: str | bytes) -> str:
    """A name; protobuf gives bytes where a file holds no UTF-8."""
    return text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")
