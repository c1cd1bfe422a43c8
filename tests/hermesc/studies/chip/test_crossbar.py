"""The product error of a full crossbar against published figures."""

import math

import pytest

from hermesc.studies.chip.crossbar import ageing, equivalent_bits, ideal_errors
from hermesrt.chip.load import load_chip


@pytest.fixture(scope="module")
def curve() -> dict[int, float]:
    return ideal_errors()


def test_ideal_weights_err_as_stated(curve: dict[int, float]) -> None:
    assert [curve[bits] for bits in (3, 4, 5)] == pytest.approx([0.167, 0.072, 0.035], abs=0.002)


def test_equivalent_bits_invert_the_curve(curve: dict[int, float]) -> None:
    assert equivalent_bits(curve[4], curve) == pytest.approx(4)
    assert 3 < equivalent_bits(math.sqrt(curve[3] * curve[4]), curve) < 4
    assert equivalent_bits(math.sqrt(curve[3] * curve[4]), curve) == pytest.approx(3.5)
    assert math.isnan(equivalent_bits(1.0, curve))
    assert math.isnan(equivalent_bits(1e-6, curve))


def test_fresh_and_aged_crossbars_err_as_published() -> None:
    for found in ageing(load_chip("hermes")):
        assert found.lifted[0] == pytest.approx(found.targets[0], abs=0.005), found.cells
        assert found.lifted == pytest.approx(found.targets, abs=0.02), found.cells
        assert found.bits_lifted[0] > found.bits_lifted[-1]
