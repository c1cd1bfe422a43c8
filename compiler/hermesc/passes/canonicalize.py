"""Canonicalize: fold constants, drop what has no effect, merge equal constants, prune.

In: a Graph as captured. Out: the Graph with the same outputs, in which a fixed operand *is* a
Constant, however it was written (transposed, scaled, concatenated, sliced). Every captured node
that vanishes is noted as Removed with its reason. Cost: one visit of each node, and one run of each
folded operation. Does not touch arithmetic on activations.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermesc.ir.graph import Graph, Removed, Weights
from hermesc.ir.ops import Constant, Digital, Input, Mvm, Op, takes
from hermesc.ir.types import TensorType
from hermesrt.ops.call import Arg, Call, Ref, run
from hermesrt.ops.table import row_of

_FOLDED = "folded: depends on constants only"
_NO_EFFECT = "no effect in evaluation"
_LOOKED_AT = 16  # numbers of a tensor, before it is compared as a whole
_UNUSED = "unused: no output depends on it"
_LARGEST_FOLD = 2**27  # elements; a larger result stays an operation


def canonicalize(graph: Graph, weights: Weights) -> tuple[Graph, dict[str, Tensor]]:
    """The graph with constants folded and without operations that do nothing."""
    folder = _Folder(graph, weights)
    for op in graph.ops:
        folder.visit(op)
    merged, kept = _merge_equal(folder.graph(), folder.weights)
    pruned = _prune(merged)
    return pruned, pruned.live_weights(kept)


class _Folder:
    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._source = graph
        self.weights = dict(weights)
        self._ops: list[Op] = []
        self._known: dict[str, Any] = {}  # values that do not depend on the inputs
        self._names: dict[str, str] = {}  # dropped result -> the result that stands for it
        self._types = {op.name: op.type for op in graph.ops}
        self._removed = list(graph.removed)
        self._roots: dict[str, str] = {}  # folded result -> the weight it was made from
        self._emitted: set[str] = set()

    def graph(self) -> Graph:
        outputs = tuple(self._names.get(name, name) for name in self._source.outputs)
        for name in outputs:
            self._emit_constant(name)
        return replace(
            self._source, ops=tuple(self._ops), outputs=outputs, removed=tuple(self._removed)
        )

    def visit(self, op: Op) -> None:
        match op:
            case Input() | Mvm():
                self._ops.append(op)
            case Constant():
                self._known[op.name] = self.weights[op.weight]
                self._roots[op.name] = op.weight
            case Digital():
                self._digital(replace(op, call=op.call.rename(self._names)))
            case _:
                assert_never(op)

    def _digital(self, op: Digital) -> None:
        same = self._identity(op)
        if same is not None:
            self._names[op.name] = same
            if same in self._roots:
                self._roots[op.name] = self._roots[same]
            self._removed.append(Removed(op.origin, _NO_EFFECT))
        elif all(name in self._known for name in op.call.refs()) and self._fold(op):
            self._removed.append(Removed(op.origin, _FOLDED))
        else:
            self._ops.append(self._with_known_arguments(op))

    def _identity(self, op: Digital) -> str | None:
        """The argument that the operation hands on unchanged, if it does."""
        row, args = row_of(op.call.op), op.call.args
        if row is None or not args or not isinstance(args[0], Ref):
            return None
        if row.passes == "always":
            return args[0].name
        same = isinstance(op.type, TensorType) and self._types.get(args[0].name) == op.type
        whole_slice = row.name == "slice" and args[2:] in ((0, 2**63 - 1), (None, None), ())
        return args[0].name if same and (whole_slice or row.passes == "typed") else None

    def _fold(self, op: Digital) -> bool:
        result = op.type
        if isinstance(result, TensorType):
            dims = [d for d in result.dims if isinstance(d, int)]
            if len(dims) < len(result.dims) or torch.Size(dims).numel() > _LARGEST_FOLD:
                return False
        self._known[op.name] = run(op.call, self._known)
        roots = [self._roots[n] for n in op.call.refs() if n in self._roots]
        if roots:
            largest = max(roots, key=lambda r: self.weights[r].numel() if r in self.weights else 0)
            self._roots[op.name] = largest
        return True

    def _with_known_arguments(self, op: Digital) -> Digital:
        """Known numbers become literals; known tensors become Constants before the operation."""
        literals = {n: self._known[n] for n in op.call.refs() if n in self._known}
        numbers = {n: v for n, v in literals.items() if isinstance(v, bool | int | float)}
        for name in literals:
            if name not in numbers:
                self._emit_constant(name)
        return replace(op, call=_substitute(op.call, numbers)) if numbers else op

    def _emit_constant(self, name: str) -> None:
        value = self._known.get(name)
        if name in self._emitted or not isinstance(value, Tensor):
            return
        self._emitted.add(name)
        root = self._roots.get(name)
        weight = root if root and self.weights.get(root) is value else _folded_name(root, name)
        self.weights[weight] = value.detach().contiguous()
        dtype = str(value.dtype).removeprefix("torch.")
        self._ops.append(Constant(name, weight, TensorType(tuple(value.shape), dtype)))


def _folded_name(root: str | None, name: str) -> str:
    return f"{root}~{name}" if root else f"~{name}"


def _substitute(call: Call, numbers: Mapping[str, Any]) -> Call:
    def swap(arg: Arg) -> Arg:
        if isinstance(arg, Ref):
            known: Arg = numbers.get(arg.name, arg)
            return known
        return tuple(swap(a) for a in arg) if isinstance(arg, tuple) else arg

    return Call(
        call.op, tuple(swap(a) for a in call.args), tuple((k, swap(v)) for k, v in call.kwargs)
    )


def _merge_equal(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """Constants of equal content become one, so that tied weights are stored once."""
    alike = Counter(_look(weights[op.weight]) for op in graph.ops if isinstance(op, Constant))
    by_content: dict[str, Constant] = {}
    names: dict[str, str] = {}
    ops: list[Op] = []
    for op in graph.ops:
        match op:
            case Constant():
                value = weights[op.weight]
                single = alike[_look(value)] == 1
                first = op if single else by_content.setdefault(_content(value), op)
                if first is op:
                    ops.append(op)
                else:
                    names[op.name] = first.name
            case Digital():
                ops.append(replace(op, call=op.call.rename(names)))
            case _:
                ops.append(op)
    outputs = tuple(names.get(name, name) for name in graph.outputs)
    return replace(graph, ops=tuple(ops), outputs=outputs), weights


def _look(value: Tensor) -> str:
    """What equal tensors have in common, and others hardly."""
    return f"{value.dtype} {tuple(value.shape)} {_bytes(value.reshape(-1)[:_LOOKED_AT]).tobytes()}"


def _content(value: Tensor) -> str:
    return f"{value.dtype} {tuple(value.shape)} {hashlib.sha256(_bytes(value)).hexdigest()}"


def _bytes(value: Tensor) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = value.contiguous().reshape(-1).view(torch.uint8).numpy()
    return found


def _prune(graph: Graph) -> Graph:
    """Drop what no output depends on; inputs stay, for they are the model's signature."""
    needed = set(graph.outputs)
    kept: list[Op] = []
    removed = list(graph.removed)
    for op in reversed(graph.ops):
        if op.name in needed or isinstance(op, Input):
            needed.update(takes(op))
            kept.append(op)
        elif isinstance(op, Digital):
            removed.append(Removed(op.origin, _UNUSED))
    return replace(graph, ops=tuple(reversed(kept)), removed=tuple(removed))
