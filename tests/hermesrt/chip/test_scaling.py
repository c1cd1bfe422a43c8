"""Numbers of a chip follow its bits, size and clocks by laws, and say that they do."""

import re
from pathlib import Path
from typing import Any

import pytest

from hermesrt.chip.laws import Measured
from hermesrt.chip.load import chip_from_tables, chip_tables, load_chip
from hermesrt.chip.scaling import extrapolated, point_of, scaled_numbers
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import ChipError


def hermes(*settings: tuple[str, str]) -> ChipSpec:
    return load_chip("hermes", settings)


@pytest.mark.parametrize("name", ["hermes", "hermes-dpu", "mesh2d"])
def test_where_it_was_measured_no_number_of_a_chip_moves(name: str) -> None:
    chip = load_chip(name)
    assert chip.laws
    assert scaled_numbers(chip) == ()
    assert extrapolated(chip) == ""
    assert chip.measured is not None
    assert point_of(chip) == chip.measured


def test_the_published_numbers_are_those_of_the_tables_to_the_last_bit() -> None:
    chip = hermes()
    assert (chip.mvm_time.one_phase_ns, chip.mvm_time.four_phase_ns) == (133.0, 520.0)
    assert (chip.mvm_energy.one_phase_nj, chip.mvm_energy.four_phase_nj) == (13.0, 51.4)
    assert chip.adc_count.count_siemens == 0.52157e-6
    assert chip.mvm_time.pedigree.kind == "quoted"


def test_pulses_of_six_bits_take_a_quarter_of_the_steps_of_eight() -> None:
    """PWM of 2^(bits - 1) steps of 1 ns: 32 instead of 128, beside 5 and 8 ns that stay."""
    chip = hermes(("input.input_bits", "6"))
    assert chip.mvm_time.one_phase_ns == pytest.approx(32 + 5)
    assert chip.mvm_time.four_phase_ns == pytest.approx(4 * 32 + 8)


def test_a_counter_keeps_its_full_scale_as_its_bits_change() -> None:
    built, six = hermes(), hermes(("adc.counter_bits", "6"))
    assert six.adc_count.count_siemens == pytest.approx(64 * built.adc_count.count_siemens)
    assert 2**6 * six.adc_count.count_siemens == pytest.approx(
        2**12 * built.adc_count.count_siemens
    )


def test_a_shorter_read_counts_fewer_edges_a_siemens() -> None:
    built, six = hermes(), hermes(("input.input_bits", "6"))
    assert six.adc_count.count_siemens == pytest.approx(built.adc_count.count_siemens * 127 / 31)


def test_a_six_bit_counter_saves_its_edges_and_half_of_its_ripple() -> None:
    """35 % of the energy are edges: 64 times fewer; 2.5 of 133 ns are its ripple: half."""
    chip = hermes(("adc.counter_bits", "6"))
    assert chip.mvm_time.one_phase_ns == pytest.approx(133 - 1.25)
    share = 0.10 + 0.35 + 0.10  # that follows the time
    expected = 13 * (1 - 0.35 * 63 / 64 - share * 1.25 / 133)
    assert chip.mvm_energy.one_phase_nj == pytest.approx(expected)


def test_an_array_of_twice_the_lines_costs_more_than_twice_and_less_than_four_times() -> None:
    built = hermes()
    chip = hermes(("crossbar.rows", "512"), ("crossbar.columns", "512"))
    for mode in ("1-phase", "4-phase"):
        assert 2 < chip.mvm_nj[mode] / built.mvm_nj[mode] < 4
        assert chip.mvm_ns[mode] > built.mvm_ns[mode]
    assert chip.area is not None
    assert built.area is not None
    assert 2 < chip.area.core_mm2 / built.area.core_mm2 < 4
    cores = 64 * (chip.area.core_mm2 - built.area.core_mm2)
    assert chip.area.chip_mm2 == pytest.approx(144 + cores)


def test_a_clock_of_twice_the_rate_halves_what_takes_clocks() -> None:
    chip = hermes(("clock.ldpu_mhz", "800"))
    assert chip.ldpu_time.output_interval_ns == 1.25
    assert chip.stage_time.stage_ns == 27.5
    assert chip.link_time.byte_ns == 1.25
    assert chip.mvm_time.one_phase_ns == 133


def test_the_energy_follows_a_read_time_that_is_set_by_hand() -> None:
    chip = hermes(("mvm_time.one_phase_ns", "66.5"))
    assert chip.mvm_energy.one_phase_nj == pytest.approx(13 * (1 - 0.55 / 2))
    assert chip.mvm_energy.four_phase_nj == 51.4


def test_a_read_that_takes_no_time_costs_what_does_not_follow_it() -> None:
    chip = hermes(("mvm_time.one_phase_ns", "0"))
    assert chip.mvm_energy.one_phase_nj == pytest.approx(13 * 0.45)
    law = LAW | {"scales": "hop_time.hop_ns", "inversely_with": ["one_phase_time"]}
    tables = chip_tables(hermes()) | {"laws": [law]}
    tables["mvm_time"] = tables["mvm_time"] | {"one_phase_ns": 0}
    with pytest.raises(ChipError, match="from 10, as measured, to inf"):
        chip_from_tables(tables, "bad")


def test_a_number_set_by_hand_is_still_that_of_the_measured_point() -> None:
    chip = hermes(("mvm_energy.one_phase_nj", "26"), ("crossbar.columns", "512"))
    one = hermes(("crossbar.columns", "512"))
    assert chip.mvm_energy.one_phase_nj == pytest.approx(2 * one.mvm_energy.one_phase_nj)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ((("crossbar.rows", "512"),), "measured at 256x256 and 12 bits; extrapolated"),
        ((("adc.counter_bits", "6"),), "measured at 256x256 and 12 bits; extrapolated"),
        (
            (("input.input_bits", "6"),),
            "measured at 256x256, 12 bits and 8 input bits; extrapolated",
        ),
        (
            (("clock.ldpu_mhz", "200"),),
            "measured at 256x256, 12 bits and an LDPU clock of 400 MHz; extrapolated",
        ),
        ((("mvm_time.one_phase_ns", "50"),), "measured at 256x256 and 12 bits; extrapolated"),
        ((("grid.rows", "4"),), ""),
        ((("host_time.op_ns", "1"),), ""),
    ],
)
def test_one_line_says_where_numbers_were_measured(
    settings: tuple[tuple[str, str], ...], told: str
) -> None:
    assert extrapolated(hermes(*settings)) == told


def test_a_scaled_number_is_as_weak_as_its_law() -> None:
    bits = hermes(("input.input_bits", "6"))
    assert bits.mvm_time.pedigree.kind == "derived"
    assert "one_phase_ns was measured as 133" in bits.mvm_time.pedigree.note
    assert bits.mvm_energy.pedigree.kind == "assumed"
    rows = hermes(("crossbar.rows", "512"))
    assert rows.mvm_time.pedigree.kind == "assumed"
    assert rows.ldpu_time.pedigree.kind == "quoted"


def test_beyond_what_a_law_covers_it_is_assumed() -> None:
    assert hermes(("adc.counter_bits", "4")).adc_count.pedigree.kind == "derived"
    assert hermes(("adc.counter_bits", "25")).adc_count.pedigree.kind == "assumed"


def test_the_description_follows_the_numbers() -> None:
    chip = hermes(("crossbar.rows", "512"), ("crossbar.columns", "128"), ("grid.rows", "4"))
    assert "32 PCM cores of 512x128" in chip.description
    assert "64 PCM cores of 256x256" in hermes().description


@pytest.mark.parametrize(
    "settings",
    [(), (("adc.counter_bits", "6"),), (("crossbar.rows", "512"), ("input.input_bits", "5"))],
)
def test_tables_of_a_scaled_chip_are_those_of_its_file(
    settings: tuple[tuple[str, str], ...],
) -> None:
    chip = hermes(*settings)
    tables = chip_tables(chip)
    assert tables["mvm_time"]["one_phase_ns"] == 133.0
    assert "{rows}" in tables["description"]
    assert "nominal" not in tables
    assert chip_from_tables(tables, "again") == chip


def test_a_chip_of_its_own_that_gives_a_table_whole_has_no_law_for_it(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'base = "hermes"\n'
        '[crossbar]\nkind = "assumed"\nsource = "mine"\nrows = 512\ncolumns = 512\n'
        '[mvm_time]\nkind = "quoted"\nsource = "mine"\none_phase_ns = 100\nfour_phase_ns = 400\n'
    )
    chip = load_chip(str(own))
    assert chip.mvm_time.one_phase_ns == 100
    assert chip.mvm_energy.one_phase_nj > 2 * 13


def test_a_chip_without_laws_is_as_its_tables_say() -> None:
    """Programs of before there were laws hold such chips."""
    tables = chip_tables(hermes())
    for name in ("laws", "measured", "clock", "area"):
        del tables[name]
    tables["crossbar"] = tables["crossbar"] | {"rows": 512}
    chip = chip_from_tables(tables, "old")
    assert chip.mvm_energy.one_phase_nj == 13
    assert extrapolated(chip) == ""


LAW = {"scales": "mvm_time.one_phase_ns", "kind": "assumed", "source": "x"}


@pytest.mark.parametrize(
    ("law", "message"),
    [
        (LAW | {"scales_with": ["weather"]}, "`laws[0].scales_with[0]` is 'weather'; it must be"),
        (LAW, "the law of `mvm_time.one_phase_ns` says neither `scales_with` nor"),
        (LAW | {"scales": "mvm_time", "scales_with": ["rows"]}, "`laws` scales 'mvm_time', which"),
        (LAW | {"scales": "grid.rows", "scales_with": ["rows"]}, "'grid.rows', which is no number"),
        (LAW | {"scales": "name.x", "scales_with": ["rows"]}, "'name.x', which is no number"),
        (LAW | {"scales": "effects.drift", "scales_with": ["rows"]}, "'effects.drift', which is"),
        (LAW | {"part": -1.0}, "`laws[0].part` is -1.0; it must lie between 0"),
        (LAW | {"whole": 0.0}, "`laws[0].whole` is 0.0; it must lie between 1e-09"),
        (LAW | {"kind": "guess"}, "`laws[0].kind` is 'guess'; it must be one of quoted"),
    ],
)
def test_a_law_that_says_nothing_is_refused(law: dict[str, Any], message: str) -> None:
    tables = chip_tables(hermes()) | {"laws": [law]}
    with pytest.raises(ChipError, match=re.escape(message)):
        chip_from_tables(tables, "bad")


def test_laws_need_a_measured_point() -> None:
    tables = chip_tables(hermes())
    del tables["measured"]
    with pytest.raises(ChipError, match="`laws` need the table `measured`"):
        chip_from_tables(tables, "bad")


def test_a_law_that_leads_out_of_the_range_is_refused() -> None:
    message = "the laws take `adc_count.count_siemens` from 5.2157e-07, as measured, to 0.06"
    with pytest.raises(ChipError, match=re.escape(message)):
        hermes(("adc.counter_bits", "2"), ("input.input_bits", "2"))


def test_what_laws_worked_out_is_no_key_of_a_file() -> None:
    tables = chip_tables(hermes()) | {"nominal": []}
    with pytest.raises(ChipError, match="`nominal` is not a known key"):
        chip_from_tables(tables, "bad")


def test_every_number_of_the_measured_point_is_one_that_a_chip_has() -> None:
    point = point_of(hermes(("crossbar.rows", "8"), ("adc.counter_bits", "7")))
    assert isinstance(point, Measured)
    assert (point.rows, point.columns, point.counter_bits) == (8, 256, 7)
