"""The links of the chip."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermesrt.chip.fabric import link_graph, snake


def test_hermes_has_320_links_between_cores(chip):
    # a row of 8: 7 at distance 1 and 6 at 2; a column of 8: 7; both ways
    assert link_graph(chip).number_of_edges() / 2 == 8 * (7 + 6) + 8 * 7 == 160
    assert link_graph(chip).number_of_edges() == 320
    assert link_graph(chip).number_of_nodes() == 64


@pytest.mark.parametrize(
    ("here", "there", "linked"),
    [
        (0, 1, True),
        (0, 2, True),
        (0, 3, False),
        (0, 8, True),
        (0, 16, False),
        (0, 9, False),
        (7, 8, False),
    ],
)
def test_a_link_joins_neighbours_of_a_row_and_of_a_column(chip, here, there, linked):
    links = link_graph(chip)
    assert links.has_edge(here, there) == linked
    assert links.has_edge(there, here) == linked


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 3), st.integers(0, 3))
def test_links_equal_the_rule_on_any_grid(chip_with, rows, columns, across, down):
    chip = chip_with(
        grid_rows=rows, grid_columns=columns, links_row_reach=across, links_column_reach=down
    )
    wanted = {
        (a, b)
        for a in range(rows * columns)
        for b in range(rows * columns)
        if (a // columns == b // columns and 0 < abs(a - b) <= across)
        or (a % columns == b % columns and 0 < abs(a // columns - b // columns) <= down)
    }
    assert set(link_graph(chip).edges) == wanted


@given(st.integers(1, 9), st.integers(1, 9))
def test_snake_visits_every_core_once_from_neighbour_to_neighbour(chip_with, rows, columns):
    chip = chip_with(grid_rows=rows, grid_columns=columns)
    order = snake(chip)
    assert sorted(order) == list(range(rows * columns))
    links = link_graph(chip)
    assert all(links.has_edge(a, b) for a, b in pairwise(order))
