"""Time and energy as reports tell them, beside what publications say."""

import re

import pytest
import torch
from torch import nn

import hermesc
from hermesrt.chip.spec import Mode
from hermesrt.program import Program
from hermesrt.report.page.render import page_html

TOLERANCE = 0.03


@pytest.fixture(scope="module")
def full_chip() -> Program:
    """A matrix that fills all cells of 64 cores."""
    torch.manual_seed(0)
    layer = nn.Linear(2048, 2048, bias=False)
    return hermesc.compile(layer, torch.randn(2, 2048), chip="hermes")


@pytest.mark.parametrize(
    ("mode", "energy_nj", "tops", "tops_per_watt"),
    [("1-phase", 860, 63.1, 9.76), ("4-phase", 3380, 16.1, 2.48)],
)
def test_a_report_holds_the_published_figures_of_full_cores(
    full_chip: Program, mode: Mode, energy_nj: float, tops: float, tops_per_watt: float
) -> None:
    """Le Gallo 2023, Table I, MVM only, with the host and the LDPUs in the report beside it."""
    report = hermesc.cost(full_chip, mode=mode)
    told = report.to_json()
    alone = told["mvms_alone"]
    assert alone["energy_nj"] == pytest.approx(energy_nj, rel=TOLERANCE)
    assert alone["tops"] == pytest.approx(tops, rel=TOLERANCE)
    assert alone["tops_per_watt"] == pytest.approx(tops_per_watt, rel=TOLERANCE)
    assert told["energy_nj"] > 3 * alone["energy_nj"], "the whole chip and the host take more"
    for text in (str(report), page_html(report.artifact, report.cost)):
        plain = re.sub(r"<[^>]*>", "", text)
        (found,) = re.findall(r"([\d.]+) TOPS, ([\d.]+) TOPS/W", plain)
        assert float(found[0]) == pytest.approx(tops, rel=TOLERANCE)
        assert float(found[1]) == pytest.approx(tops_per_watt, rel=TOLERANCE)
