"""The energy table and where its constants come from."""

from pathlib import Path

import pytest

from hermesrt.chip.load import load_chip
from hermesrt.pricing import Counts, dynamic_pj, energy_kinds, idle_pj, time_kinds

from ..command_line import script

TOOL = Path(__file__).parents[2] / "tools/table1.py"


def test_the_chips_constants_are_the_fit_to_the_published_table(tmp_path: Path) -> None:
    """Le Gallo 2023, Table I: ten energies, none off by more than 3.5 %."""
    lines = script(TOOL, cwd=tmp_path).splitlines()
    chip = load_chip("hermes")
    held = (
        chip.mvm_energy.one_phase_nj, chip.mvm_energy.four_phase_nj, chip.ldpu_energy.output_nj,
        chip.idle_power.core_mw, chip.idle_power.chip_mw,
    )  # fmt: skip
    assert held == pytest.approx([float(line.split()[0]) for line in lines[:5]], rel=0.005)
    off = [abs(float(line.split()[-1].rstrip("%"))) for line in lines[5:15]]
    assert len(off) == 10
    assert max(off) < 3.5


def test_counts_times_the_table() -> None:
    chip = load_chip("hermes")
    counts = Counts(
        one_phase_mvms=2, four_phase_mvms=1, ldpu_outputs=3, host_link_bytes=5, host_operations=7
    )
    found = dynamic_pj(chip, counts + counts * 2)
    energy = chip.mvm_energy
    array_nj = 6 * energy.one_phase_nj + 3 * energy.four_phase_nj
    assert found["array"] == pytest.approx(array_nj * 1000)
    assert found["ldpu"] == pytest.approx(9 * chip.ldpu_energy.output_nj * 1000)
    assert found["host_link"] == pytest.approx(15 * chip.host_link_energy.byte_pj)
    assert found["host"] == pytest.approx(21 * chip.host_energy.op_pj)


def test_idle_power_is_of_the_cores_in_use_and_of_the_chip() -> None:
    """5 cores on one chip, 45 mW, over 1 us are 45 nJ; on two chips 65."""
    chip = load_chip("hermes", [("idle_power.core_mw", "5"), ("idle_power.chip_mw", "20")])
    assert idle_pj(chip, 5, 1, 1_000_000) == pytest.approx(45_000)
    assert idle_pj(chip, 5, 2, 1_000_000) == pytest.approx(65_000)
    assert idle_pj(chip, 0, 0, 1_000_000) == 0


def test_each_chip_in_use_draws_its_own_power() -> None:
    """Two cores, 37 mW each, over 1 us: on two chips of 191 mW 456 nJ, on one 265."""
    chip = load_chip("hermes")
    assert idle_pj(chip, 2, 2, 1_000_000) == pytest.approx(456_000)
    assert idle_pj(chip, 2, 1, 1_000_000) == pytest.approx(265_000)


@pytest.mark.parametrize("name", ["hermes", "hermes-dpu", "mesh2d"])
def test_every_cause_has_a_pedigree(name: str) -> None:
    chip = load_chip(name)
    causes = set(dynamic_pj(chip, Counts(host_link_bytes=1)))
    assert causes <= set(energy_kinds(chip))
    assert causes <= set(time_kinds(chip))


def test_a_cause_is_as_weak_as_the_weakest_of_its_tables() -> None:
    chip = load_chip("hermes")
    assert time_kinds(chip)["links"] == "derived"
    guessed = load_chip("hermes", [("link_time.byte_ns", "5")])
    assert time_kinds(guessed)["links"] == "assumed"
