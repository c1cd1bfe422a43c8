"""Route: find the links that each cascade's partial sums travel.

In: Placed. Out: Routed. Method: shortest path in the chip's link graph (networkx) between the cores
of consecutive stages. Cost: one breadth-first search for each stage that is not a neighbour.
"""

from itertools import pairwise

import networkx as nx

from hermesc.errors import CapacityError
from hermesc.ir.stages import Placed, Placement, Route, Routed
from hermesc.target.fabric import link_graph
from hermesc.target.spec import ChipSpec


def route(placed: Placed, chip: ChipSpec) -> Routed:
    """Every hop of every cascade.

    Raises: CapacityError when the chip has no path between two cores of a cascade.
    """
    links = link_graph(chip)
    cascades: dict[tuple[str, tuple[int, int]], list[Placement]] = {}
    for p in placed.placements:
        cascades.setdefault((p.matrix, p.block.columns), []).append(p)
    routes = []
    for (matrix, columns), stages in cascades.items():
        stages.sort(key=lambda p: p.stage)
        for here, there in pairwise(stages):
            try:
                cores = tuple(nx.shortest_path(links, here.core, there.core))
            except nx.NetworkXNoPath:
                raise CapacityError(
                    f"{matrix}: its partial sums must go from core {here.core} to {there.core}, "
                    f"and the chip `{chip.name}` has no links between them; raise "
                    "links.row_reach or links.column_reach in its description"
                ) from None
            routes.append(Route(matrix, columns, there.stage, cores))
    return Routed(placed, tuple(routes))
