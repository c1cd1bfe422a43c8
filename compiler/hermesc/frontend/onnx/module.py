"""An ONNX graph as an nn.Module: each node a child of its own, so that reports can name it."""

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import torch
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, numpy_helper
from torch import Tensor, nn

from hermesc.frontend.onnx.attention import ATTENTION
from hermesc.frontend.onnx.classic import CLASSIC, WEIGHTS, Words
from hermesc.frontend.onnx.elementwise import ELEMENTWISE, on_tensors
from hermesc.frontend.onnx.ensembles import (
    ENSEMBLES,
    Ensemble,
    label_encoder,
    of_strings,
    one_hot,
    why_not,
)
from hermesc.frontend.onnx.layers import LAYERS
from hermesc.frontend.onnx.layout import LAYOUT
from hermesc.frontend.onnx.nested import NESTED, run_nested
from hermesc.frontend.onnx.node import (
    DTYPES,
    Known,
    OnnxNode,
    OnnxOp,
    OnnxValue,
    RefusedNode,
    known,
    tensor,
)
from hermesc.frontend.onnx.pooling import POOLING
from hermesc.frontend.onnx.quantized import QUANTIZED
from hermesc.frontend.onnx.read import all_nodes, inputs, versions
from hermesc.frontend.onnx.recurrence import RECURRENT
from hermesc.frontend.onnx.resize import RESIZE
from hermesc.frontend.onnx.sizes import run_known
from hermesrt.errors import Location, ModelError, Refusal

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
_MOST_NUMBERS = 16  # of a constant that may be a number of an operation
_MOST_KNOWN = 4096  # whole numbers of a constant that may be a shape
_MOVES_WORDS = ("Identity", "Reshape", "ArrayFeatureExtractor", "Gather", "Squeeze", "Flatten")
_TEXT = (AttributeProto.STRING, AttributeProto.STRINGS)


def refusals(model: ModelProto) -> list[Refusal]:
    """Every node that has no torch form, with the reason."""
    found = []
    for i, proto in enumerate(all_nodes(model.graph.node)):
        node = _node(proto, i, versions(model))
        reason = _why_not(node, proto)
        if reason is not None:
            name = f"{node.domain}.{node.op}" if node.domain else node.op
            found.append(Refusal(name, Location(module=node.name), reason))
    return found


def _why_not(node: OnnxNode, proto: NodeProto) -> str | None:
    if node.op == "Constant" and not node.domain:
        return None if _constant(proto) is not None else "it holds a constant that is no number"
    op = _find(node)
    if op is None:
        return "no such operation is read"
    odd = [name for name in node.attributes if name not in op.attributes]
    if odd:
        return f"its attribute {', '.join(odd)} is not read"
    return op.refuse(node)


def _find(node: OnnxNode) -> OnnxOp | None:
    return {"": STANDARD, "ai.onnx.ml": ML}.get(node.domain, {}).get(node.op)


def _node(proto: NodeProto, index: int, opsets: Mapping[str, int]) -> OnnxNode:
    domain = "" if proto.domain == "ai.onnx" else _words(proto.domain)
    attributes = {a.name: _attribute(a) for a in proto.attribute}
    op = _words(proto.op_type)
    name = _words(proto.name) or f"{op}_{index}"
    version = opsets.get(domain, 1)
    return OnnxNode(name, op, domain, version, attributes, len(proto.output))


def _words(text: str | bytes) -> str:
    """A name; protobuf gives bytes where a file holds no UTF-8."""
    return text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")


def _attribute(proto: AttributeProto) -> Any:
    """A plain value; a tensor as an array; strings decoded."""
    value = onnx.helper.get_attribute_value(proto)
    if proto.type == AttributeProto.TENSOR:
        return numpy_helper.to_array(value)
    if proto.type in _TEXT:
        words = [
            v.decode("utf-8", "replace") for v in ([value] if isinstance(value, bytes) else value)
        ]
        return words[0] if proto.type == AttributeProto.STRING else words
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _constant(proto: NodeProto) -> "np.ndarray[Any, Any] | None":
    """The value of a Constant node, in whichever attribute it lies."""
    for attribute in proto.attribute:
        value = _attribute(attribute)
        match attribute.name:
            case "value" if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
                return value
            case "value_float" | "value_floats":
                return np.array(value, dtype=np.float32)
            case "value_int" | "value_ints":
                return np.array(value, dtype=np.int64)
    return None


class NodeModule(nn.Module):
    """One node."""

    def __init__(self, node: OnnxNode, op: OnnxOp) -> None:
        super().__init__()
        self._node, self._op = node, op
        for name in WEIGHTS:
            if node.domain and name in node.attributes:
                self.register_buffer(name, torch.tensor(node.attributes[name], dtype=torch.float32))

    @property
    def name(self) -> str:
        """Its name and operation."""
        return f"{self._node.name} ({self._node.op})"

    def forward(self, *values: OnnxValue | None) -> Any:
        """Its outputs: one, or a tuple."""
        if any(isinstance(v, Words) for v in values):
            if self._node.op in _MOVES_WORDS:
                return Words()
            raise RefusedNode("it takes strings, which no chip computes with")
        node = replace(self._node, attributes={**self._node.attributes, **self._buffers})
        if all(v is None or isinstance(v, Known) for v in values) and values:
            result = run_known(node, values)  # type: ignore[arg-type]
            if result is not None:
                return result
        return self._op.run(node, *values)


class NestedModule(nn.Module):
    """A node that holds graphs."""

    def __init__(
        self, node: OnnxNode, bodies: Mapping[str, "Steps"], fixed: Sequence[bool]
    ) -> None:
        super().__init__()
        self._node, self._fixed = node, fixed
        self.bodies = nn.ModuleDict(bodies)

    @property
    def name(self) -> str:
        """Its name and operation."""
        return f"{self._node.name} ({self._node.op})"

    def forward(self, held: Mapping[str, Any], *values: Any) -> Any:
        """Its outputs; `held` are the values around it."""
        return run_nested(self._node, dict(self.bodies.items()), held, values, self._fixed)  # type: ignore[arg-type]


class EnsembleModule(Ensemble):
    """A node of trees."""

    @property
    def name(self) -> str:
        """Its name and operation."""
        return f"{self._node.name} ({self._node.op})"

    def forward(self, value: OnnxValue) -> Any:
        """Its outputs."""
        return super().forward(tensor(value))


class Steps(nn.Module):
    """The nodes of a graph, one after the other. `outer` are numbers known around it."""

    def __init__(
        self,
        graph: onnx.GraphProto,
        opsets: Mapping[str, int],
        outer: "Mapping[str, np.ndarray[Any, Any]]",
    ) -> None:
        super().__init__()
        self._given = [value.name for value in graph.input]
        self._outputs = [value.name for value in graph.output]
        self._weights: dict[str, tuple[nn.Module, str]] = {}
        self._known: dict[str, Known | Words] = {}
        self._numbers: dict[str, np.ndarray[Any, Any]] = dict(outer)
        self._opsets = opsets
        self.running = "the model"  # the node at work, for messages
        self._steps: list[tuple[nn.Module, tuple[str, ...], tuple[str, ...]]] = []
        self._protos = list(graph.node)
        taken = {v for n in all_nodes(graph.node) for v in n.input} | set(self._outputs)
        taken |= {v.name for n in all_nodes(graph.node) for a in n.attribute for v in a.g.output}
        for value in graph.initializer:
            if value.name in taken:
                self._hold(value.name, _array(value))
        for i, proto in enumerate(graph.node):
            self._add(_node(proto, i, opsets), proto)

    def given(self) -> Sequence[str]:
        """Names of its own inputs."""
        return self._given

    def passes_on(self, count: int) -> bool:
        """Whether its first outputs are its first inputs, unchanged."""
        made = {o: n for n in self._protos for o in n.output}
        for name, wanted in zip(self._outputs[:count], self._given[:count], strict=True):
            while name in made and made[name].op_type == "Identity":
                name = made[name].input[0]
            if name != wanted:
                return False
        return True

    def steps(self) -> Sequence[NodeProto]:
        """Its nodes in order."""
        return self._protos

    def outputs(self) -> Sequence[str]:
        """Names of its results."""
        return self._outputs

    def known(self) -> Mapping[str, Any]:
        """Values that the file holds for it."""
        weights = {name: getattr(owner, place) for name, (owner, place) in self._weights.items()}
        return self._known | weights

    def _add(self, node: OnnxNode, proto: NodeProto) -> None:
        if node.op == "Constant" and not node.domain:
            value = _constant(proto)
            assert value is not None
            self._hold(proto.output[0], value)
            return
        op = _find(node)
        assert op is not None
        if node.op in NESTED and not node.domain:
            bodies = {
                a.name: Steps(a.g, self._opsets, self._numbers)
                for a in proto.attribute
                if a.HasField("g")
            }
            fixed = [name in self._weights for name in proto.input]
            self._put(node, NestedModule(node, bodies, fixed), proto)
            return
        if node.op in ENSEMBLES and node.domain:
            self._put(node, EnsembleModule(node), proto)
            return
        places = {i: self._numbers[n] for i, n in enumerate(proto.input) if n in self._numbers}
        self._put(node, NodeModule(replace(node, constants=places), op), proto)

    def _put(self, node: OnnxNode, module: nn.Module, proto: NodeProto) -> None:
        self.add_module(_free(self, node.name.replace(".", "_")), module)
        self._steps.append((module, tuple(proto.input), tuple(proto.output)))

    def _hold(self, name: str, array: "np.ndarray[Any, Any]") -> None:
        """Keep a weight under its own name, as far as a module can hold that."""
        if array.dtype.kind in "OSU":
            self._known[name] = Words()
            return
        if array.dtype.kind in "iub" and array.size <= _MOST_KNOWN:
            plain = known(array.astype(object)) if array.size else Known(array)
            self._known[name] = replace(plain, dtype=_tensor(array, name).dtype)
            return
        if array.size <= _MOST_NUMBERS and array.size:
            self._numbers[name] = array
        *path, leaf = [re.sub(r"[^\w/:-]", "_", part) or "_" for part in name.split(".")]
        owner: nn.Module = self
        for part in (f"{part}_" if keyword.iskeyword(part) else part for part in path):
            child = getattr(owner, part, None)
            if not isinstance(child, nn.Module):
                child = nn.Module()
                owner.add_module(_free(owner, part), child)
            owner = child
        place = _free(owner, leaf)
        owner.register_buffer(place, _tensor(array, name))
        self._weights[name] = owner, place

    def evaluated(self, held: Mapping[str, Any], *values: Any) -> list[Any]:
        """Its outputs; `held` are the values around it."""
        held = dict(held) | dict(zip(self._given, values, strict=False))
        held |= self.known()
        for module, taken, made in self._steps:
            self.running = f"the node {module.name}"
            given = [held[name] if name else None for name in taken]
            nested = isinstance(module, NestedModule)
            result = module(held, *given) if nested else module(*given)
            results = result if isinstance(result, tuple) else (result,)
            held |= dict(zip(made, results, strict=False))
        return [held[name] for name in self._outputs]


class OnnxGraph(Steps):
    """The graph of a model that `refusals` found nothing against.

    Inputs are taken in the graph's order. Raises: ModelError for a node that fails.
    """

    def __init__(self, model: ModelProto) -> None:
        super().__init__(model.graph, versions(model), {})
        self._given = [value.name for value in inputs(model)]
        self.strings: tuple[str, ...] = ()  # outputs of the last run that were left out

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """The graph's outputs, in its order, without those that are strings."""
        try:
            outputs = self.evaluated({}, *values)
        except RefusedNode as refused:
            raise ModelError(f"{self.running}: {refused}") from None
        kept = dict(zip(self._outputs, outputs, strict=True))
        self.strings = tuple(name for name, value in kept.items() if isinstance(value, Words))
        return tuple(tensor(v).clone() for v in kept.values() if not isinstance(v, Words))


def _free(owner: nn.Module, name: str) -> str:
    """The name, or one like it that the module does not have yet and Python may write."""
    while hasattr(owner, name) or not name or keyword.iskeyword(name):
        name = f"{name}_"
    return name


def _array(proto: TensorProto) -> "np.ndarray[Any, Any]":
    try:
        return np.asarray(numpy_helper.to_array(proto))
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise ModelError(f"the weight {proto.name} is damaged: {error}") from None


def _tensor(array: "np.ndarray[Any, Any]", name: str) -> Tensor:
    try:
        if array.dtype.name == "bfloat16":
            return torch.from_numpy(array.astype(np.float32)).bfloat16()
        return torch.from_numpy(np.array(array, order="C"))
    except TypeError:
        raise ModelError(f"the weight {name} has the dtype {array.dtype}, no torch dtype") from None


def input_types(
    model: ModelProto, where: str
) -> Iterator[tuple[str, list[int | str] | None, torch.dtype]]:
    """Name, sizes (a name where symbolic; None where it has no shape) and dtype of each input.

    Raises: ModelError for inputs that are no tensors of numbers.
    """
    for value in inputs(model):
        kind = value.type.tensor_type
        if value.type.WhichOneof("value") != "tensor_type" or kind.elem_type not in DTYPES:
            text = onnx.helper.printable_type(value.type)
            raise ModelError(f"{where}the input {value.name} is {text}; inputs are numbers only")
        if not kind.HasField("shape"):
            yield value.name, None, DTYPES[kind.elem_type]
            continue
        sizes: list[int | str] = []
        for i, dim in enumerate(kind.shape.dim):
            unknown = dim.dim_param or f"{value.name}.{i}"
            fixed = dim.HasField("dim_value") and dim.dim_value > 0  # some write -1 for unknown
            sizes.append(dim.dim_value if fixed else unknown)
        yield value.name, sizes, DTYPES[kind.elem_type]
