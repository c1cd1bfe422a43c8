"""Put the chip into a captured training graph: operands and results of its products alone change.

In: a lifted graph and a plan. Out: a graph module that takes the step and the ranges besides. The
rest of the graph, and how the fixed operand is made from parameters, stays as it is, so everything
keeps its gradient. A product of the graph is one of the plan when its fixed operand is made from
the same parameters and buffers; several such are taken in order.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import getitem
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import GraphModule, Node

from hermesc.frontend.torch.expand import op_name
from hermesc.training.plan import ProductPlan, elements, leaves, operands_of, recurrent_weights
from hermesc.training.product import ChipOutput, ChipProduct
from hermesc.training.recipes import Recipe
from hermesc.training.weight_noise import Largest, NoisyWeight, TrainingDevice
from hermesrt.errors import ModelError
from hermesrt.ops.table import base_name

_DROPS = ("dropout", "feature_dropout", "alpha_dropout")
_SPREADS = ("expand", "repeat", "unsqueeze", "view", "reshape", "contiguous", "clone", "alias")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingGraph:
    """A training graph with the chip in it.

    module: takes tensors by `sources`, then the user's inputs, the step and the ranges.
    sources: names of parameters and buffers, or the constant tensors themselves.
    out_spec: how its results are put together for the user.
    unmatched: labels of the plan's layers that it has no product for.
    """

    module: GraphModule
    sources: tuple[str | Tensor, ...]
    out_spec: Any
    unmatched: tuple[str, ...]


def rewritten(
    exported: ExportedProgram,
    products: Sequence[ProductPlan],
    recurrent: Sequence[ProductPlan],
    recipe: Recipe,
    device: TrainingDevice,
) -> TrainingGraph:
    """The graph with the chip at its products, and noise in the weights of recurrent layers.

    Raises: ModelError for a model that takes more than tensors.
    """
    graph, root = exported.graph, exported.graph_module
    sources = _sources(exported)
    last = [n for n in graph.nodes if n.op == "placeholder"][-1]
    with graph.inserting_after(last):
        step = graph.placeholder("hermesc_step")
    limits, at = [], step
    for i in range(len(products)):
        with graph.inserting_after(at):
            at = graph.placeholder(f"hermesc_limit_{i}")
        limits.append(at)
    fixed = leaves(exported)
    waiting: Mapping[frozenset[str], deque[int]] = defaultdict(deque)
    for i, plan in enumerate(products):
        waiting[plan.sources].append(i)
    for node in list(graph.nodes):
        found = operands_of(node, fixed)
        if found is None or not waiting[fixed[found[1]]]:
            continue
        layer = waiting[fixed[found[1]]].popleft()
        _Site(root, node, found, products[layer], recipe, device, layer).write(limits[layer], step)
    _Recurrent(root, recurrent, recipe, device, len(products)).write(step, fixed)
    graph.lint()
    root.recompile()
    left = tuple(products[i].label for queue in waiting.values() for i in queue)
    return TrainingGraph(root, sources, exported.call_spec.out_spec, left)


def _sources(exported: ExportedProgram) -> tuple[str | Tensor, ...]:
    found: list[str | Tensor] = []
    for spec in exported.graph_signature.input_specs:
        match spec.kind:
            case InputKind.PARAMETER | InputKind.BUFFER:
                found.append(str(spec.target))
            case InputKind.CONSTANT_TENSOR:
                value = exported.constants[str(spec.target)]
                assert isinstance(value, Tensor)
                found.append(value)
            case InputKind.USER_INPUT:
                pass
            case _:
                raise ModelError(f"the model holds {spec.target}, which is no tensor")
    return tuple(found)


class _Recurrent:
    """The weights of recurrent layers, which stay one operation each."""

    def __init__(
        self,
        root: GraphModule,
        plans: Sequence[ProductPlan],
        recipe: Recipe,
        device: TrainingDevice,
        first: int,
    ) -> None:
        self._root, self._recipe, self._device = root, recipe, device
        self._plans = {plan.sources: (first + i, plan) for i, plan in enumerate(plans)}

    def write(self, step: Node, fixed: Mapping[Node, frozenset[str]]) -> None:
        """Put noise on them."""
        if self._recipe.weights is None:
            return
        for node in list(self._root.graph.nodes):
            for place, weight in recurrent_weights(node):
                if fixed.get(weight) in self._plans:
                    noisy = self._noisy(node, weight, step, *self._plans[fixed[weight]])
                    node.args = _replaced(node.args, (2, place), noisy)

    def _noisy(self, node: Node, weight: Node, step: Node, layer: int, plan: ProductPlan) -> Node:
        graph, root = node.graph, self._root
        root.add_module(f"hermesc_largest_{layer}", Largest(plan))
        noise = NoisyWeight(plan, self._recipe, self._device, layer)
        root.add_module(f"hermesc_weight_{layer}", noise)
        with graph.inserting_before(node):
            largest = graph.call_module(f"hermesc_largest_{layer}", (weight,))
            both = graph.call_module(f"hermesc_weight_{layer}", (weight, largest, step))
            return graph.call_function(getitem, (both, 0))


class _Site:
    """One product in the graph."""

    def __init__(
        self,
        root: GraphModule,
        node: Node,
        operands: tuple[tuple[int, ...], Node, tuple[int, ...]],
        plan: ProductPlan,
        recipe: Recipe,
        device: TrainingDevice,
        layer: int,
    ) -> None:
        self._root, self._node, self._plan = root, node, plan
        self._x, self._operand, self._place = operands
        self._recipe, self._device, self._layer = recipe, device, layer

    def write(self, limit: Node, step: Node) -> None:
        """Put the converters and the noise around it."""
        noisy, largest, of_mean = self._weights(step)
        product = ChipProduct(
            self._plan, self._recipe, self._device, self._layer, self._node.target, self._x,
            self._place,
        )  # fmt: skip
        graph, node = self._node.graph, self._node
        args = (limit, step, self._operand, largest, of_mean)
        args += _replaced(node.args, self._place, noisy)
        with graph.inserting_before(node):
            new = self._module(f"hermesc_product_{self._layer}", product, args)
            new.kwargs = node.kwargs
        end = _end(node, self._plan)
        node.replace_all_uses_with(new)
        new.meta = dict(node.meta)
        end = new if end is node else end
        graph.erase_node(node)
        if self._recipe.outputs is not None:
            self._output(end, product.kept_dims() if end is new else ())

    def _weights(self, step: Node) -> tuple[Node, Node, Node]:
        """The operand with noise, the largest weights of its columns, and what noise adds to the
        mean; where the model spreads it over a batch, noise comes before that, for there is one
        matrix."""
        operand, source, layer = self._operand, self._operand, self._layer
        while elements(source) != self._plan.weight_size and _spreads(source):
            source = source.all_input_nodes[0]
        if elements(source) != self._plan.weight_size:
            source = operand
        noise = NoisyWeight(self._plan, self._recipe, self._device, layer)
        with operand.graph.inserting_before(self._node):
            largest = of_source = self._module(
                f"hermesc_largest_{layer}", Largest(self._plan), (operand,)
            )
            if source is not operand:
                of_source = operand.graph.call_module(f"hermesc_largest_{layer}", (source,))
            both = self._module(f"hermesc_weight_{layer}", noise, (source, of_source, step))
            noisy, of_mean = (operand.graph.call_function(getitem, (both, i)) for i in (0, 1))
            for link in _chain(operand, source):
                noisy = _copied(link, noisy)
        return noisy, largest, of_mean

    def _output(self, end: Node, kept: tuple[int, ...]) -> None:
        with end.graph.inserting_after(end):
            code = ChipOutput(self._device, kept)
            out = self._module(f"hermesc_output_{self._layer}", code, (end,))
        end.replace_all_uses_with(out, delete_user_cb=lambda user: user is not out)

    def _module(self, name: str, module: torch.nn.Module, args: tuple[Any, ...]) -> Node:
        self._root.add_module(name, module)
        made: Node = self._node.graph.call_module(name, args)
        return made


def _end(node: Node, plan: ProductPlan) -> Node:
    """The last of the operations that the layer's LDPU does, as far as the training graph has
    them."""
    at = node
    for name in plan.absorbed:
        user = _only_user(at)
        while user is not None and base_name(op_name(user)) in _DROPS:
            user = _only_user(user)
        if user is None or base_name(op_name(user)).removesuffix("_") != name.removesuffix("_"):
            break
        at = user
    return at


def _only_user(node: Node) -> Node | None:
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].op == "call_function" else None


def _spreads(node: Node) -> bool:
    return node.op == "call_function" and base_name(op_name(node)) in _SPREADS


def _chain(operand: Node, source: Node) -> list[Node]:
    """The operations from the source to the operand, in order."""
    links = []
    while operand is not source:
        links.append(operand)
        operand = operand.all_input_nodes[0]
    return links[::-1]


def _copied(link: Node, source: Node) -> Node:
    """The same operation on another operand."""
    own = link.all_input_nodes[0]
    return link.graph.node_copy(link, lambda node: source if node is own else node)


def _replaced(args: Any, place: tuple[int, ...], value: Any) -> Any:
    i, *rest = place
    new = _replaced(args[i], tuple(rest), value) if rest else value
    parts = [new if j == i else a for j, a in enumerate(args)]
    return tuple(parts) if isinstance(args, tuple) else parts
