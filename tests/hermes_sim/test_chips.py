"""The chips that were never built: an on-chip vector unit, and a mesh of larger tiles."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermes_sim.engine import bounded_cost, cost
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.pricing import function_prices
from hermesrt.program import Program


class Features(nn.Module):
    """One matrix and a cosine, for each token."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 512, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).cos()


def compiled(chip: str) -> Program:
    torch.manual_seed(0)
    return hermesc.compile(Features(), torch.randn(4, 64), chip=chip)


@pytest.mark.parametrize("chip", ["hermes-dpu", "mesh2d"])
def test_it_says_that_it_is_hypothetical_and_runs(chip: str) -> None:
    program = compiled(chip)
    assert program.artifact.chip.hypothetical
    report = program.deploy(hermesc.simulate(chip)).report()
    assert "hypothetical" not in report.artifact.chip.name
    assert report.cost.latency_ps > 0
    assert "host" not in report.cost.energy_by


def test_a_vector_unit_works_by_its_published_times() -> None:
    """512 values: 38 ns for a function, 24 ns for each way; Büchel et al. 2025, as derived."""
    chip = load_chip("hermes-dpu")
    found = cost(chip, compiled("hermes-dpu").workload(), "4-phase")
    assert found.latency_by["vector_unit"] == 38_000
    assert found.energy_by["vector_unit"] == pytest.approx(19.0, rel=1e-4)
    moved = 2 * 64 + 512  # the inputs to both cores, the outputs back
    assert found.energy_by["transport"] == pytest.approx(moved * 25.9 / 512, rel=1e-4)
    assert found.latency_by["transport"] == 64 * 24_000 // 512


def test_the_mesh_has_its_published_peak() -> None:
    """512 x 512 in 40 ns at 100 TOPS/W; Burr et al. 2023."""
    chip = load_chip("mesh2d")
    program = hermesc.compile(nn.Linear(512, 512, bias=False), torch.randn(2, 512), chip=chip)
    assert len(program.artifact.cores) == 1
    found = cost(chip, program.workload(), "4-phase")
    operations = 2 * 512 * 512
    assert found.latency_by["array"] == 40_000
    assert operations / found.energy_by["array"] == pytest.approx(100.0)


@pytest.mark.parametrize("chip", ["hermes", "hermes-dpu"])
def test_either_chip_tells_both_bounds(chip: str) -> None:
    """The digital part on the host and on the chip: each as the other chip's own cost."""
    work = compiled(chip).workload()
    on_host, on_chip = bounded_cost(load_chip(chip), work, "4-phase").bounds
    for name, bound in (("hermes", on_host), ("hermes-dpu", on_chip)):
        found = cost(load_chip(name), compiled(name).workload(), "4-phase")
        assert (bound.latency_ps, bound.interval_ps) == (found.latency_ps, found.interval_ps)
        assert bound.energy_pj == pytest.approx(found.energy_pj)
        assert bound.assumed_energy == pytest.approx(found.assumed_share["energy"])
    assert on_host.assumed_energy > 0.5
    assert on_chip.assumed_energy == 0


def test_a_chip_without_prices_of_a_unit_has_no_bounds(chip: ChipSpec) -> None:
    bare = replace(chip, on_chip_bound=None)
    assert bounded_cost(bare, compiled("hermes").workload(), "4-phase").bounds == ()


def test_the_chips_own_digital_unit_lies_between_the_two_prices_of_a_cosine(
    chip: ChipSpec,
) -> None:
    """Host 10 x 211 pJ, assumed; LDPU output 194 pJ, from Table I; unit 19 pJ / 512."""
    host, ldpu, unit = (price.pj for price in function_prices(chip))
    assert host == pytest.approx(2110)
    assert unit == pytest.approx(19 / 512, rel=1e-4)
    assert host > 10 * ldpu > 1000 * unit


def test_without_the_host_a_token_takes_less() -> None:
    hermes, dpu = (
        cost(load_chip(name), compiled(name).workload(), "4-phase")
        for name in ("hermes", "hermes-dpu")
    )
    assert dpu.latency_ps < hermes.latency_ps
    assert dpu.energy_pj < hermes.energy_pj
