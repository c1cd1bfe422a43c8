"""An ONNX graph as an nn.Module: each node a child of its own, so that reports can name it."""

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from torch import Tensor, nn

from hermesc.frontend.onnx.classic import WEIGHTS, Words
from hermesc.frontend.onnx.ensembles import ENSEMBLES, EnsembleModule
from hermesc.frontend.onnx.nested import NESTED, run_nested
from hermesc.frontend.onnx.node import (
    Known,
    OnnxNode,
    OnnxOp,
    OnnxValue,
    RefusedNode,
    known,
    tensor,
)
from hermesc.frontend.onnx.operations import node_of, operation_of
from hermesc.frontend.onnx.read import all_nodes, inputs, versions
from hermesc.frontend.onnx.sizes import run_known
from hermesc.frontend.onnx.values import constant_value, weight_array, weight_tensor
from hermesrt.errors import ModelError

_MOST_NUMBERS = 16  # of a constant that may be a number of an operation
_MOST_KNOWN = 4096  # whole numbers of a constant that may be a shape
_MOVES_WORDS = ("Identity", "Reshape", "ArrayFeatureExtractor", "Gather", "Squeeze", "Flatten")


class NodeModule(nn.Module):
    """One node."""

    def __init__(self, node: OnnxNode, op: OnnxOp) -> None:
        super().__init__()
        self._node, self._op = node, op
        for name in WEIGHTS:
            if node.domain and name in node.attributes:
                self.register_buffer(name, torch.tensor(node.attributes[name], dtype=torch.float32))

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

    def forward(self, held: Mapping[str, Any], *values: Any) -> Any:
        """Its outputs; `held` are the values around it."""
        return run_nested(self._node, dict(self.bodies.items()), held, values, self._fixed)  # type: ignore[arg-type]


class Steps(nn.Module):
    """The nodes of a graph, one after the other. `outer` are numbers known around it."""

    def __init__(
        self,
        graph: onnx.GraphProto,
        opsets: Mapping[str, int],
        outer: Mapping[str, NDArray[Any]],
    ) -> None:
        super().__init__()
        self._given = [value.name for value in graph.input]
        self._outputs = [value.name for value in graph.output]
        self._weights: dict[str, tuple[nn.Module, str]] = {}
        self._known: dict[str, Known | Words] = {}
        self._numbers: dict[str, NDArray[Any]] = dict(outer)
        self._opsets = opsets
        self.running = "the model"  # the node at work, for messages
        self._steps: list[tuple[str, nn.Module, tuple[str, ...], tuple[str, ...]]] = []
        self._protos = list(graph.node)
        taken = {v for n in all_nodes(graph.node) for v in n.input} | set(self._outputs)
        taken |= {v.name for n in all_nodes(graph.node) for a in n.attribute for v in a.g.output}
        for value in graph.initializer:
            if value.name in taken:
                self._hold(value.name, weight_array(value))
        for i, proto in enumerate(graph.node):
            self._add(node_of(proto, i, opsets), proto)

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
            value = constant_value(proto)
            assert value is not None
            self._hold(proto.output[0], value)
            return
        op = operation_of(node)
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
        label = f"the node {node.name} ({node.op})"
        self._steps.append((label, module, tuple(proto.input), tuple(proto.output)))

    def _hold(self, name: str, array: NDArray[Any]) -> None:
        """Keep a weight under its own name, as far as a module can hold that."""
        if array.dtype.kind in "OSU":
            self._known[name] = Words()
            return
        if array.dtype.kind in "iub" and array.size <= _MOST_KNOWN:
            plain = known(array.astype(object)) if array.size else Known(array)
            self._known[name] = replace(plain, dtype=weight_tensor(array, name).dtype)
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
        owner.register_buffer(place, weight_tensor(array, name))
        self._weights[name] = owner, place

    def evaluated(self, held: Mapping[str, Any], *values: Any) -> list[Any]:
        """Its outputs; `held` are the values around it."""
        held = dict(held) | dict(zip(self._given, values, strict=False))
        held |= self.known()
        for label, module, taken, made in self._steps:
            self.running = label
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
