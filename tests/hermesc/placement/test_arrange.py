"""Cores of the chip for places along the snake."""

import pytest

from hermesc.placement.arrange import arrange
from hermesc.placement.pack import Spot
from hermesrt.chip.fabric import snake
from hermesrt.chip.load import load_chip

CHIP = load_chip("hermes")


def _chain(*cores):
    return tuple(Spot(core, 0, 0) for core in cores)


@pytest.mark.parametrize("closed", [frozenset(), frozenset({0, 1, 5}), frozenset(range(20))])
def test_closed_places_stay_empty_where_cascades_must_be_strung_together(closed):
    free = [core for core in range(64) if core not in closed]
    chains = (_chain(free[0], free[9]), _chain(free[9], free[30]))  # far apart along the snake
    found = arrange(chains, CHIP, closed)
    shut = {snake(CHIP)[place] for place in closed}
    used = {spot.core for chain in found for spot in chain}
    assert len(used) == 3 and used.isdisjoint(shut)
    assert found[0][1].core == found[1][0].core


def test_a_cascade_over_two_chips_stays_on_both():
    chains = (_chain(3, 40, 64 + 5), _chain(40, 20))
    found = arrange(chains, CHIP)
    assert [spot.core // 64 for spot in found[0]] == [0, 0, 1]
    assert found[0][1].core == found[1][0].core
