"""Schedule: the order in which host and chip serve the operations.

In: Routed. Out: Scheduled. Method: a topological order of the dependences in which, among
operations that are ready, the one with most MVMs on a path after it goes first; ties go by the
model's own order, so the result is deterministic. Cost: n log n in operations.
"""

import heapq
from collections.abc import Mapping, Sequence

from hermesc.ir.graph import Graph
from hermesc.ir.ops import Mvm, takes
from hermesc.ir.stages import Routed, Scheduled


def schedule(routed: Routed) -> Scheduled:
    """Every operation once, after what it takes."""
    graph = routed.graph
    followers = _followers(graph)
    remaining = _mvms_after(graph, followers)
    position = {op.name: i for i, op in enumerate(graph.ops)}
    missing = {op.name: len(set(takes(op))) for op in graph.ops}
    ready = [
        (-remaining[name], position[name], name) for name, count in missing.items() if not count
    ]
    heapq.heapify(ready)
    order = []
    while ready:
        *_, name = heapq.heappop(ready)
        order.append(name)
        for next_one in followers[name]:
            missing[next_one] -= 1
            if not missing[next_one]:
                heapq.heappush(ready, (-remaining[next_one], position[next_one], next_one))
    return Scheduled(routed, tuple(order))


def _followers(graph: Graph) -> dict[str, list[str]]:
    """What takes each operation's result, each once."""
    followers: dict[str, list[str]] = {op.name: [] for op in graph.ops}
    for op in graph.ops:
        for name in dict.fromkeys(takes(op)):
            followers[name].append(op.name)
    return followers


def _mvms_after(graph: Graph, followers: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """For each operation the number of MVMs on the longest path from it to an output."""
    after: dict[str, int] = {}
    for op in reversed(graph.ops):
        own = int(isinstance(op, Mvm))
        after[op.name] = own + max((after[name] for name in followers[op.name]), default=0)
    return after
