"""Machines of the literature: headlines within 10 %, the same work on each, nothing invented."""

import csv
import io
import json
from pathlib import Path
from typing import Any, cast

import pytest

from hermesc.studies.accelerators import study as module
from hermesc.studies.accelerators import work
from hermesc.studies.accelerators.published import read_published
from hermesc.studies.accelerators.report import HEADLINES, study_csv
from hermesc.studies.accelerators.study import AcceleratorStudy, chip_headline, study_accelerators
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import Mode
from hermesrt.errors import InputError

PUBLISHED = read_published()
BUILT = [name for name, machine in PUBLISHED.items() if machine.chip]


@pytest.fixture(scope="module")
def study() -> AcceleratorStudy:
    """The whole study with little work and without full chips, which are tested apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "TOKENS", 16)
        patch.setattr(module, "chip_headline", lambda *_: module.PeakFigures(None, None, None))
        return study_accelerators()


@pytest.mark.parametrize("name", BUILT)
def test_published_headlines_are_reproduced_within_ten_percent(name: str) -> None:
    said = PUBLISHED[name]
    made = chip_headline(load_chip(said.chip), cast(Mode, said.mode))
    checked = [key for key in HEADLINES if getattr(said, key)]
    assert checked
    for key in checked:
        assert getattr(made, key) == pytest.approx(getattr(said, key), rel=0.1), key


def test_the_digital_machine_has_its_data_sheets_peak(study: AcceleratorStudy) -> None:
    (a100,) = (a for a in study.found if a.published.machine)
    assert a100.headline.tops == pytest.approx(a100.published.tops, rel=0.1)
    assert a100.headline.tops_per_watt == pytest.approx(a100.published.tops_per_watt, rel=0.1)


def test_a_derived_efficiency_follows_from_what_is_quoted() -> None:
    """101,780 cells, two a weight, two operations a weight; 1 us and 20 nJ."""
    flash = PUBLISHED["merrikh-bayat-2018"]
    assert ((784 + 1) * 64 + (64 + 1) * 10) * 2 == 101_780
    assert flash.tops == pytest.approx(101_780 / 1e-6 / 1e12)
    assert flash.tops_per_watt == pytest.approx(101_780 / 20e-9 / 1e12, rel=1e-3)


def test_every_machine_says_what_is_not_comparable_and_where_it_is_from() -> None:
    assert len(PUBLISHED) == 13
    for machine in PUBLISHED.values():
        assert len(machine.not_comparable) > 40 and machine.source and machine.publication


def test_machines_with_a_description_are_costed_and_the_others_are_not(
    study: AcceleratorStudy,
) -> None:
    for a in study.found:
        described = bool(a.published.chip or a.published.machine)
        for costed in a.tasks.values():
            assert (costed.latency_ns is not None) == (costed.energy_nj is not None) == described
            assert (costed.products_nj is not None) == bool(
                a.published.tops_per_watt and a.published.bits
            )


def test_single_bit_operations_are_counted_as_such(study: AcceleratorStudy) -> None:
    found = {a.name: a for a in study.found}
    mram, hermes = found["deaville-2023"], found["hermes"]
    for task in mram.tasks:
        ratio = cast(float, mram.tasks[task].products_nj) / cast(
            float, hermes.tasks[task].products_nj
        )
        assert ratio == pytest.approx(64 * 2.48 / 28.0)


def test_text_json_and_table_say_the_same(study: AcceleratorStudy) -> None:
    told: dict[str, Any] = json.loads(json.dumps(study.to_json()))
    rows = list(csv.DictReader(io.StringIO(study_csv(study.found))))
    assert [a["name"] for a in told["accelerators"]] == list(PUBLISHED)
    assert [row["name"] for row in rows] == list(PUBLISHED)
    for a, row in zip(told["accelerators"], rows, strict=True):
        energy = a["tasks"]["kernel map"]["energy_nj"]
        assert row["kernel_map_energy_nj"] == ("" if energy is None else str(energy))
        assert a["name"] in str(study)
    assert told["accelerators"][-1]["published"]["tops"] is None


def test_a_file_of_machines_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[mine]\npublication = "x"\nspeed = 3\n')
    with pytest.raises(InputError, match="speed"):
        read_published(file)


def test_the_picture_is_the_same_each_time(study: AcceleratorStudy) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from hermesc.studies.accelerators.plot import accelerators_picture

    assert accelerators_picture(study.found, "svg") == accelerators_picture(study.found, "svg")
