"""Figures that a chip is known by, against the published ones."""

import pytest

from hermesrt.chip.headline import headlines
from hermesrt.chip.load import chip_from_tables, chip_tables, load_chip


def test_hermes_has_its_published_throughput_and_efficiencies() -> None:
    """Le Gallo 2023, Table I: 63.1 and 16.1 TOPS, 9.76 and 2.48 TOPS/W, 1.55 and 0.40 TOPS/mm2."""
    one, four = headlines(load_chip("hermes"))
    assert (one.mode, four.mode) == ("1-phase", "4-phase")
    assert (one.tops, four.tops) == pytest.approx((63.1, 16.1), rel=0.005)
    assert (one.tops_watt, four.tops_watt) == pytest.approx((9.76, 2.48), rel=0.01)
    assert (one.tops_mm2, four.tops_mm2) == pytest.approx((1.55, 0.40), rel=0.01)


def test_mesh2d_has_its_projected_efficiencies() -> None:
    """Burr 2023: 100 TOPS/W and 10.9 TOPS/mm2 of a tile."""
    found = headlines(load_chip("mesh2d"))[0]
    assert found.tops_watt == pytest.approx(100, rel=0.01)
    assert found.tops_mm2 == pytest.approx(10.9, rel=0.01)


def test_a_chip_without_an_area_has_no_figure_by_area() -> None:
    tables = chip_tables(load_chip("hermes"))
    for name in ("laws", "measured", "area"):
        del tables[name]
    assert [h.tops_mm2 for h in headlines(chip_from_tables(tables, "bare"))] == [None, None]
