"""Route: find the links that each cascade's partial sums travel.

In: Remapped. Out: Routed. Method: shortest path in the chip's link graph (networkx) between the
cores of consecutive stages. Cost: one breadth-first search for each stage that is not a neighbour.
"""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from hermesc.ir.stages import Remapped, Routed
from hermesrt.artifact.schema import Route, Tile
from hermesrt.chip.fabric import link_graph, linked
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import CapacityError

if TYPE_CHECKING:
    import networkx as nx

    Links = Callable[[], nx.DiGraph[int]]


def route(remapped: Remapped, chip: ChipSpec) -> Routed:
    """Every hop of every cascade.

    Raises: CapacityError when the chip has no path between two cores of a cascade.
    """
    links = cache(lambda: link_graph(chip))  # made for the first cascade that needs a search
    cascades: dict[tuple[str, int, tuple[int, int]], list[Tile]] = {}
    for matrix, tiles in remapped.placed.tiles.items():
        for tile in tiles:
            cascades.setdefault((matrix, tile.copy, tile.columns), []).append(tile)
    routes = []
    for (matrix, copy, columns), stages in cascades.items():
        stages.sort(key=lambda tile: tile.stage)
        for here, there in pairwise(stages):
            cores = _path(links, chip, here.core, there.core)
            if not cores:
                raise CapacityError(
                    f"{matrix}: its partial sums must go from core {here.core} to {there.core}, "
                    f"and the chip `{chip.name}` has no links between them; raise "
                    "links.row_reach or links.column_reach in its description, or place the "
                    "cascade on one chip"
                )
            routes.append(Route(matrix, copy, columns, there.stage, cores))
    return Routed(remapped, tuple(routes))


def _path(links: "Links", chip: ChipSpec, here: int, there: int) -> tuple[int, ...]:
    """The shortest way over links of one chip; empty where there is none."""
    if here == there or linked(chip, here, there):
        return (here,) if here == there else (here, there)
    number, start = divmod(here, chip.cores)
    if there // chip.cores != number:
        return ()
    import networkx as nx  # here, for cascades of neighbours

    try:
        way = nx.shortest_path(links(), start, there % chip.cores)
    except nx.NetworkXNoPath:
        return ()
    return tuple(number * chip.cores + core for core in way)
