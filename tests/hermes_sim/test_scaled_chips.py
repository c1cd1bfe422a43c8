"""A chip of other bits has the accuracy, time and energy of one that was built so."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.chip.spec import ChipSpec
from hermesrt.run_report import RunReport


@pytest.fixture(scope="module")
def run(
    product: type[nn.Module],
    sparse_uniform: tuple[Tensor, Tensor],
    chip_with: Callable[..., ChipSpec],
) -> Callable[..., RunReport]:
    """One product of 256x256 on a chip with other numbers."""
    matrix, x = sparse_uniform

    def report(settings: dict[str, str]) -> RunReport:
        spec = chip_with(settings)
        program = hermesc.compile(product(matrix), x[:64], chip=spec)
        return program.deploy(hermesc.simulate(spec)).report(x[:512])

    return report


def error(report: RunReport) -> float:
    return report.outputs["output_0"].relative_error


@pytest.fixture(scope="module")
def built(run: Callable[..., RunReport]) -> RunReport:
    return run({})


def test_six_counter_bits_are_coarser_faster_and_cheaper_and_still_multiply(
    run: Callable[..., RunReport], built: RunReport
) -> None:
    six = run({"adc.counter_bits": "6"})
    assert 1.2 * error(built) < error(six) < 0.5
    assert six.cost.latency_ps < built.cost.latency_ps
    assert six.cost.energy_by["array"] < 0.7 * built.cost.energy_by["array"]
    assert "measured at 256x256 and 12 bits; extrapolated" in str(six)
    assert "extrapolated" not in str(built)
    assert six.to_json()["extrapolated"] == "measured at 256x256 and 12 bits; extrapolated"
    assert built.to_json()["extrapolated"] is None


def test_fewer_counter_bits_are_never_better(run: Callable[..., RunReport]) -> None:
    errors = [error(run({"adc.counter_bits": bits})) for bits in ("12", "8", "6", "4")]
    assert errors == sorted(errors)


def test_six_bit_inputs_take_a_quarter_of_the_pulses(
    run: Callable[..., RunReport], built: RunReport
) -> None:
    six = run({"input.input_bits": "6"})
    assert built.cost.latency_by["array"] - six.cost.latency_by["array"] == 4 * 96_000
    assert error(six) > error(built)


def test_a_scaled_chip_is_programmed_by_its_own_counts(
    run: Callable[..., RunReport], built: RunReport
) -> None:
    """Without converters' rounding a count's size cancels out but for the spread of their zero."""
    off = {"effects.count_code": "off", "effects.converter_spread": "off"}
    twelve, six = run(off), run(off | {"adc.counter_bits": "6"})
    assert error(six) == pytest.approx(error(twelve), rel=1e-3)
    assert torch.isfinite(torch.tensor(error(built)))
