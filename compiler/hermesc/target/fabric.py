"""The chip's links as a graph: which core can hand partial sums to which."""

from typing import TYPE_CHECKING

from hermesc.target.spec import ChipSpec

if TYPE_CHECKING:
    import networkx as nx


def link_graph(chip: ChipSpec) -> "nx.DiGraph[int]":
    """Directed graph of the cores; an edge is a link from one core to another.

    Cores are numbered row by row. Source: Le Gallo 2023, Extended Data Fig. 1b (links along a row
    at distance 1 and 2, along a column at distance 1), as the chip's `links` table says.
    """
    import networkx as nx  # here, for commands that only read a program start without it

    rows, columns = chip.grid.rows, chip.grid.columns
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(rows * columns))
    for row in range(rows):
        for column in range(columns):
            core = row * columns + column
            for step in range(1, chip.links.row_reach + 1):
                if column + step < columns:
                    graph.add_edges_from([(core, core + step), (core + step, core)])
            for step in range(1, chip.links.column_reach + 1):
                if row + step < rows:
                    below = core + step * columns
                    graph.add_edges_from([(core, below), (below, core)])
    return graph


def snake(chip: ChipSpec) -> tuple[int, ...]:
    """All cores in an order in which each is the neighbour of the one before it."""
    columns = chip.grid.columns
    order: list[int] = []
    for row in range(chip.grid.rows):
        cores = range(row * columns, (row + 1) * columns)
        order.extend(cores if row % 2 == 0 else reversed(cores))
    return tuple(order)
