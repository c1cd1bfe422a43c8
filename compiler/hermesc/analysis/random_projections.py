"""Which products are the random projections of attention, by what the graph does with them.

A matrix is one where two of its products, neither of which depends on the other, each go through a
function that is not linear (exp, cos, ReLU, a softmax and the like) and the results meet, each
alone, as the two operands of a product of activations: phi(Q) and phi(K) of phi(Q) (phi(K)' V). On
the way there may be anything that the host does, but no other product with a fixed matrix. So the
projections of FAVOR+ and of random Fourier features are found, whatever their names, also where the
matrix is a parameter; learned queries and keys are not, for these have a matrix each or share one
product. Layers that share a learned matrix for queries and keys look the same and are found too.
Source: Choromanski et al. 2021, equation 5; Peng et al. 2021. Cost: linear in operations, for
models whose matrices serve one product each; otherwise times the matrices that serve several.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Digital, Mvm, takes
from hermesrt.ops.table import base_name, op_class

_BENT = (
    "relu", "relu6", "leaky_relu", "prelu", "clamp", "clamp_min", "clip", "maximum", "fmax",
    "threshold", "hardtanh", "hardsigmoid", "hardswish", "abs", "absolute", "square", "sign",
    "heaviside", "softmax", "_softmax", "_safe_softmax", "where",
)  # fmt: skip
_TIMES = ("mul", "multiply", "addcmul")


@dataclass(frozen=True, slots=True)
class _Use:
    """One product with a matrix.

    matrix: the name of its weight.
    depth: how many products with it lie behind one another before this one.
    mvm: the product's name.
    """

    matrix: str
    depth: int
    mvm: str


@dataclass(frozen=True, slots=True)
class _Flow:
    """What reaches a value.

    depths: of each matrix, how many products with it lie behind one another.
    projected: products that reach it through linear operations alone.
    features: products that a function which is not linear came after.
    """

    depths: Mapping[str, int]
    projected: frozenset[_Use]
    features: frozenset[_Use]


_NOTHING = _Flow({}, frozenset(), frozenset())


def random_projections(graph: Graph) -> frozenset[str]:
    """Names of the Mvms that are random projections of attention."""
    uses = Counter(op.matrix for op in graph.mvms)
    shared = {matrix for matrix, count in uses.items() if count > 1}
    found: set[str] = set()
    flows: dict[str, _Flow] = {}
    for op in graph.ops if shared else ():
        taken = [flows[name] for name in takes(op)]
        match op:
            case Mvm():
                flows[op.name] = _after_product(op, taken[0], op.matrix in shared)
            case Digital():
                flows[op.name] = _after_host(op, taken)
                found.update(_met(op, taken))
            case _:
                flows[op.name] = _NOTHING
    return frozenset(op.name for op in graph.mvms if op.matrix in found)


def _after_product(op: Mvm, before: _Flow, shared: bool) -> _Flow:
    if not shared:
        return _Flow(before.depths, frozenset(), frozenset())
    depth = before.depths.get(op.matrix, 0)
    own = frozenset([_Use(op.matrix, depth, op.name)])
    return _Flow({**before.depths, op.matrix: depth + 1}, own, frozenset())


def _after_host(op: Digital, taken: list[_Flow]) -> _Flow:
    if not any(flow.depths for flow in taken):
        return _NOTHING
    depths = taken[0].depths
    if len(taken) > 1:
        depths = {}
        for flow in taken:
            depths |= {m: max(d, depths.get(m, 0)) for m, d in flow.depths.items()}
    features = _two_each(use for flow in taken for use in flow.features)
    projected = _two_each(use for flow in taken for use in flow.projected)
    kind = op_class(op.call.op)
    if kind == "transcendental" or base_name(op.call.op) in _BENT:
        return _Flow(depths, frozenset(), _two_each([*features, *projected]))
    return _Flow(depths, frozenset() if kind == "product" else projected, features)


def _two_each(uses: Iterable[_Use]) -> frozenset[_Use]:
    """At most two uses of each matrix and depth: enough to tell one from several."""
    kept: dict[tuple[str, int], list[_Use]] = {}
    for use in uses:
        held = kept.setdefault((use.matrix, use.depth), [])
        if use not in held and len(held) < 2:
            held.append(use)
    return frozenset(use for held in kept.values() for use in held)


def _met(op: Digital, taken: list[_Flow]) -> Iterator[str]:
    """Matrices whose features meet in a product of activations: one use on each side."""
    if op_class(op.call.op) != "product" and base_name(op.call.op) not in _TIMES:
        return
    for one, other in combinations([_alone(flow.features) for flow in taken], 2):
        yield from (key[0] for key, use in one.items() if other.get(key, use) != use)


def _alone(uses: Iterable[_Use]) -> dict[tuple[str, int], _Use]:
    """By matrix and depth, the use where there is just one."""
    found = list(uses)
    counts = Counter((use.matrix, use.depth) for use in found)
    return {k: u for u in found if counts[k := (u.matrix, u.depth)] == 1}
