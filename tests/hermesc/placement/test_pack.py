"""Rectangles lie apart, cascades side by side."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hermesc.placement.arrange import arrange
from hermesc.placement.pack import ORDERS, Piece, SharingRule, Spot, cores_of, pack
from hermesc.placement.skyline import Skyline
from hermesrt.chip.fabric import linked

SIZES = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=30)


@given(SIZES)
def test_a_skyline_hands_out_every_cell_once_at_most(sizes):
    skyline = Skyline(16, 20)
    taken = set()
    for height, width in sizes:
        place = skyline.find(height, width)
        if place is None:
            continue
        top, left = place
        cells = {(r, c) for r in range(top, top + height) for c in range(left, left + width)}
        assert not cells & taken
        assert all(0 <= r < 16 and 0 <= c < 20 for r, c in cells)
        taken |= cells
        skyline.put(place, height, width)
        assert skyline.free == 16 * 20 - len(taken)


def test_a_skyline_takes_what_fits_exactly():
    skyline = Skyline(4, 4)
    for wanted in ((0, 0), (0, 2), (2, 0), (2, 2)):
        assert skyline.find(2, 2) == wanted
        skyline.put(wanted, 2, 2)
    assert skyline.find(1, 1) is None


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 16), st.integers(1, 16)), max_size=12))
def test_cascades_stay_on_linked_cores_of_one_chip(chip_with, sizes):
    chip = chip_with(grid_rows=2, grid_columns=2, crossbar_rows=16, crossbar_columns=16)
    chains = [(Piece(height, width),) * stages for stages, height, width in sizes]
    for order in ORDERS:
        spots = arrange(pack(chains, chip, SharingRule(), order), chip)
        for chain in spots:
            assert all(linked(chip, a.core, b.core) for a, b in pairwise(chain))


def test_closed_cores_stay_empty(chip_with):
    chip = chip_with(grid_rows=1, grid_columns=4)
    chains = [(Piece(256, 256),)] * 2
    spots = pack(chains, chip, SharingRule(), ORDERS[0], frozenset({0, 2}))
    assert sorted(s.core for (s,) in spots) == [1, 3]


def test_pieces_that_may_be_under_way_together_part_under_a_quiet_rule(chip):
    """The first two MVMs may run at once; the third begins when both are over."""
    pieces = [Piece(8, 8, (), 1, 0b011), Piece(8, 8, (), 2, 0b011), Piece(8, 8, (), 4, 0b100)]
    chains = [(piece,) for piece in pieces]
    assert cores_of(pack(chains, chip, SharingRule())) == 1
    spots = pack(chains, chip, SharingRule(quiet=True))
    assert cores_of(spots) == 2
    assert spots[0][0].core != spots[1][0].core


def test_cores_of_a_cascade_are_strung_together_wherever_they_were(chip):
    """Cores 0 and 9 are no neighbours along the snake; after it they are."""
    spots = ((Spot(0, 0, 0), Spot(9, 0, 0), Spot(4, 0, 0)),)
    ((a, b, c),) = arrange(spots, chip)
    assert linked(chip, a.core, b.core)
    assert linked(chip, b.core, c.core)
