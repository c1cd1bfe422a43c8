"""Schedule: the order in which host and chip serve the operations.

In: Routed. Out: Scheduled. Method: a topological order of the dependences (networkx) in which,
among operations that are ready, the one with most MVMs on a path after it goes first; ties go by
the model's own order, so the result is deterministic. Cost: n log n in operations.
"""

import networkx as nx

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Mvm, takes
from hermesc.ir.stages import Routed, Scheduled


def schedule(routed: Routed) -> Scheduled:
    """Every operation once, after what it takes."""
    graph = routed.graph
    dependences = _dependences(graph)
    position = {op.name: i for i, op in enumerate(graph.ops)}
    remaining = _mvms_after(graph, dependences)

    def urgency(name: str) -> tuple[int, int]:
        return -remaining[name], position[name]

    return Scheduled(routed, tuple(nx.lexicographical_topological_sort(dependences, key=urgency)))


def _dependences(graph: Graph) -> "nx.DiGraph[str]":
    dependences: nx.DiGraph[str] = nx.DiGraph()
    dependences.add_nodes_from(op.name for op in graph.ops)
    dependences.add_edges_from((name, op.name) for op in graph.ops for name in takes(op))
    return dependences


def _mvms_after(graph: Graph, dependences: "nx.DiGraph[str]") -> dict[str, int]:
    """For each operation the number of MVMs on the longest path from it to an output."""
    own = {op.name: int(isinstance(op, Mvm)) for op in graph.ops}
    after: dict[str, int] = {}
    for name in reversed(list(nx.topological_sort(dependences))):
        after[name] = own[name] + max((after[n] for n in dependences.successors(name)), default=0)
    return after
