"""The chip's links as a graph: which core can hand partial sums to which."""

from typing import TYPE_CHECKING

from hermesrt.chip.spec import ChipSpec

if TYPE_CHECKING:
    import networkx as nx


def linked(chip: ChipSpec, here: int, there: int) -> bool:
    """Whether the chip has a link from one core to another; cores are numbered row by row, chip
    after chip, and no link leaves a chip.

    Source: Le Gallo 2023, Extended Data Fig. 1b (links along a row at distance 1 and 2, along a
    column at distance 1), as the chip's `links` table says.
    """
    if min(here, there) < 0 or here // chip.cores != there // chip.cores or here == there:
        return False
    (row, column), (other_row, other_column) = (
        divmod(c % chip.cores, chip.grid.columns) for c in (here, there)
    )
    along_row = row == other_row and abs(column - other_column) <= chip.links.row_reach
    along_column = column == other_column and abs(row - other_row) <= chip.links.column_reach
    return along_row or along_column


def link_graph(chip: ChipSpec) -> "nx.DiGraph[int]":
    """Directed graph of one chip's cores; an edge is a link from one core to another."""
    import networkx as nx  # here, for commands that only read a program start without it

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(chip.cores))
    columns = chip.grid.columns
    for core in range(chip.cores):
        reachable = [core + step for step in range(1, min(chip.links.row_reach, columns) + 1)]
        rows = range(1, min(chip.links.column_reach, chip.grid.rows) + 1)
        reachable += [core + step * columns for step in rows]
        for other in reachable:
            if other < chip.cores and linked(chip, core, other):
                graph.add_edges_from([(core, other), (other, core)])
    return graph


def snake(chip: ChipSpec) -> tuple[int, ...]:
    """All cores in an order in which each is the neighbour of the one before it."""
    columns = chip.grid.columns
    order: list[int] = []
    for row in range(chip.grid.rows):
        cores = range(row * columns, (row + 1) * columns)
        order.extend(cores if row % 2 == 0 else reversed(cores))
    return tuple(order)
