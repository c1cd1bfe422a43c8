"""hermesc study ageing, end to end, and the chip that it is about."""

import json
import tomllib
from pathlib import Path

import pytest
import torch

import hermes_chip
import hermesc
from hermes_sim.engine import cost
from hermesc.studies.ageing.model import accuracy, digits, trained
from hermesc.studies.ageing.study import AGES_S
from hermesc.studies.experiment.measure import ProjectionModule
from hermesrt.chip.load import load_chip

from ....command_line import exit_code

CHIP = str(hermes_chip.pcm_14nm())


def test_recalibration_keeps_what_drift_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shape of Chen et al. 2025: a small drop when programmed (1.8 points there), a loss over
    30 days (about 5 there) that recalibration brings to about a point (less than 1 there)."""
    first, *_, last = AGES_S
    monkeypatch.setattr("hermesc.studies.ageing.study.AGES_S", (first, last))
    assert exit_code("study", "ageing", "--seeds", 1, "--chip", CHIP, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chip"] == "pcm-14nm"
    assert found["ages_s"][-1] == 30 * 86400
    assert len(found["lines"]) == 6
    for line in found["lines"]:
        assert line["reference_accuracy"] > 0.9
        assert line["drop"] < 0.02
    lost = {(n["training"], n["treatment"]): n["lost"] for n in found["lines"]}
    for training in ("with noise", "without noise"):
        nothing, tile, columns = (
            lost[training, t] for t in ("nothing", "a factor a tile", "every column again")
        )
        assert nothing > 0.05
        assert tile < 0.5 * nothing
        assert columns < 0.02


def test_the_network_is_the_same_for_a_seed() -> None:
    data = digits()
    first, again = (trained(data, 0.05, seed=1, epochs=1).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert 0 <= accuracy(torch.eye(10)[data.test_labels % 10], data.test_labels) == 1


def test_the_chip_holds_what_was_mapped_and_its_published_peak() -> None:
    """7.1 M weights in 79.4 % of the chip (Chen et al. 2025); 20.0 TOPS/W a tile (Ambrogio et al.
    2023)."""
    chip = load_chip(CHIP)
    assert not chip.hypothetical
    assert 0.794 * chip.cores * chip.cells_per_core == pytest.approx(7.1e6, rel=0.01)
    program = hermesc.compile(
        ProjectionModule(torch.randn(512, 512)), torch.randn(2, 512), chip=chip
    )
    alone = cost(chip, program.workload(), None).mvms_alone
    assert alone.tops_per_watt == pytest.approx(20.0, rel=0.01)


def test_every_installed_chip_is_a_function_of_the_package() -> None:
    project = Path(__file__).parents[4] / "pyproject.toml"
    named = tomllib.loads(project.read_text())["project"]["entry-points"]["hermesc.chips"]
    for name, place in named.items():
        module, _, function = place.partition(":")
        assert module == "hermes_chip"
        assert load_chip(str(getattr(hermes_chip, function)())).name == name
