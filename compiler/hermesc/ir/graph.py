"""The graph: operations in dependence order, the captured nodes they come from, and weights."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hermesc.ir.ops import Digital, Input, Mvm, Op, takes, weights_of
from hermesrt.errors import Location

Weights = Mapping[str, Tensor]


def device_of(weights: Weights) -> str:
    """Where the weights are: `meta` where they are shapes alone."""
    return "meta" if any(weight.is_meta for weight in weights.values()) else "cpu"


def is_same(one: Tensor, other: Tensor) -> bool:
    """Whether two weights of one name are equal; of shapes alone, whether these are."""
    if one.shape != other.shape:
        return False
    return one.is_meta or torch.equal(one, other)


def apart_from(weights: Weights, others: Iterable[Tensor]) -> dict[str, Tensor]:
    """The weights, copied where their memory is that of the others."""
    taken = {other.untyped_storage().data_ptr() for other in others if not other.is_meta}
    return {
        name: w.clone() if not w.is_meta and w.untyped_storage().data_ptr() in taken else w
        for name, w in weights.items()
    }


@dataclass(frozen=True, slots=True)
class Captured:
    """A node as torch.export gave it, for the account of where each one went.

    name: of the node.
    op: the operation, such as `aten.linear.default`.
    location: where it stands in the user's model.
    """

    name: str
    op: str
    location: Location


@dataclass(frozen=True, slots=True)
class Removed:
    """A captured node that no operation of the graph stands for any more, and why.

    name: of the node.
    reason: in words.
    into: the captured node whose operation does its work, if one does.
    """

    name: str
    reason: str
    into: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Operations in an order in which each comes after those it takes.

    ops: in that order.
    outputs: names of the results that the model returns.
    captured: the nodes that torch.export gave.
    removed: those of them that no operation stands for, and why.
    stays: those of them that a pass looked at and left digital, and why.
    """

    ops: tuple[Op, ...]
    outputs: tuple[str, ...]
    captured: tuple[Captured, ...] = ()
    removed: tuple[Removed, ...] = ()
    stays: tuple[Removed, ...] = ()

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The model's inputs, in the order of its arguments."""
        return tuple(op for op in self.ops if isinstance(op, Input))

    @property
    def mvms(self) -> tuple[Mvm, ...]:
        """Products with a fixed matrix, in order, second ones of time steps too."""
        ops = (op for op in self.ops if isinstance(op, Mvm))
        return tuple(product for op in ops for product in op.products)

    @property
    def digital(self) -> tuple[Digital, ...]:
        """ATen operations, in order."""
        return tuple(op for op in self.ops if isinstance(op, Digital))

    def slots(self) -> dict[str, str]:
        """What tells each product from the others, by its name: the layer's label, with a number
        where the layer is used again; that of all slices of a layer is the same."""
        counts: Counter[str] = Counter()
        found = {}
        for op in self.mvms:
            counts[op.label] -= op.slice is not None and op.slice.number > 0
            again = counts[op.label]
            found[op.name] = f"{op.label}#{again}" if again else op.label
            counts[op.label] += 1
        return found

    def users(self) -> dict[str, list[str]]:
        """For each result the operations that take it; an output counts as the user ''."""
        users: dict[str, list[str]] = {op.name: [] for op in self.ops}
        for op in self.ops:
            for name in takes(op):
                users[name].append(op.name)
        for name in self.outputs:
            users[name].append("")
        return users

    def live_weights(self, weights: Weights) -> dict[str, Tensor]:
        """The weights that an operation still names."""
        return {name: weights[name] for op in self.ops for name in weights_of(op)}
