"""How long devices last, by the pulses that a method may send to one of them."""

from dataclasses import replace

import pytest

from hermesrt.chip.load import load_chip
from hermesrt.device import Method
from hermesrt.programming.endurance import lifetime
from hermesrt.programming.loop import ProgrammingOptions, phases_of


def test_the_chips_own_programming_takes_a_pulse_a_round_and_three_to_start() -> None:
    """30 rounds and 3 pulses of 10^9 cycles: 30.3 million programmings, 83,000 years of days."""
    found = lifetime(load_chip("hermes"), "published", 0)
    assert found is not None
    assert found.pulses == 33
    assert found.programmings == pytest.approx(1e9 / 33)
    assert found.years == pytest.approx(82_967, rel=1e-3)


@pytest.mark.parametrize(("method", "pulses"), [("verify", 33), ("gdp", 113), ("oneshot", 5)])
def test_a_method_takes_its_rounds(method: Method, pulses: int) -> None:
    chip = load_chip("hermes")
    rounds = len(phases_of(method, chip, ProgrammingOptions()))
    found = lifetime(chip, method, rounds)
    assert found is not None
    assert found.pulses == pulses


def test_what_is_not_written_lasts_and_a_chip_may_not_say() -> None:
    chip = load_chip("hermes")
    assert lifetime(chip, "ideal", 0) is None
    assert lifetime(replace(chip, endurance=None), "verify", 31) is None


def test_devices_that_endure_less_last_shorter() -> None:
    weak = lifetime(load_chip("hermes", [("endurance.cycles", "1e6")]), "published", 0)
    assert weak is not None
    assert weak.years == pytest.approx(83, rel=0.01)
