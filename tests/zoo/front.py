"""Models taken as far as the partition; each of the zoo once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.frontend.torch.capture import capture
from hermesc.frontend.torch.convert import convert
from hermesc.ir import verify
from hermesc.ir.graph import Graph
from hermesc.ir.stages import Partitioned
from hermesc.passes.canonicalize import canonicalize
from hermesc.passes.convolve import ConvolveOptions, convolve
from hermesc.passes.decompose import decompose
from hermesc.passes.partition import PartitionOptions, partition
from hermesc.passes.recur import recur
from hermesc.passes.roll import roll
from hermesrt.chip.load import load_chip

from .case import Case
from .images import CONVOLUTIONS
from .networks import NETWORKS, NOT_PRODUCTS
from .products import PRODUCTS
from .repeated import REPEATED

ALL_PRODUCTS = (*PRODUCTS, *REPEATED, *CONVOLUTIONS)
ALL = (*ALL_PRODUCTS, *NOT_PRODUCTS, *NETWORKS)
_BY_NAME = {case.name: case for case in ALL}
assert len(_BY_NAME) == len(ALL), "each model has a name of its own"


@dataclass(frozen=True)
class Front:
    """A model taken as far as the partition."""

    model: nn.Module
    partitioned: Partitioned
    weights: Mapping[str, Tensor]
    eager: tuple[Tensor, ...] = field(repr=False)

    @property
    def graph(self) -> Graph:
        return self.partitioned.graph

    def named(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        return dict(zip([i.name for i in self.graph.inputs], inputs, strict=True))


def run_front(
    model: nn.Module,
    inputs: Sequence[Tensor],
    options: PartitionOptions | None = None,
    dynamic: Any = None,
) -> Front:
    captured = capture(model, inputs, dynamic)
    graph, weights = convert(captured.exported)
    verify.verify_graph(graph, weights, "convert")
    graph, weights = canonicalize(graph, weights)
    verify.verify_graph(graph, weights, "canonicalize")
    chip = load_chip("hermes")
    graph, weights = convolve(graph, weights, chip, ConvolveOptions())
    verify.verify_graph(graph, weights, "convolve")
    graph, weights = recur(*roll(graph, weights))
    verify.verify_graph(graph, weights, "recur")
    graph, weights = decompose(graph, weights)
    verify.verify_graph(graph, weights, "decompose")
    partitioned, weights = partition(graph, weights, options or PartitionOptions())
    verify.verify_graph(partitioned.graph, weights, "partition")
    verify.verify_partitioned(partitioned)
    return Front(model, partitioned, weights, captured.eager_outputs)


def front_of(case: Case) -> Front:
    """A model of the zoo, partitioned; each is compiled once."""
    return _front_of(case.name)


@cache
def _front_of(name: str) -> Front:
    case = _BY_NAME[name]
    torch.manual_seed(0)
    return run_front(case.build().eval(), case.inputs(), dynamic=case.dynamic)
