"""Cells under programming: the compiled functions beside torch, and products beside exact ones."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hermes_sim.fold import converters_of
from hermes_sim.kernel import pulses as compiled
from hermes_sim.kernel.load import kernel
from hermes_sim.programmed_cells import CoreConverters, ProgrammedCells, Programming
from hermes_sim.torch_pulses import TorchPulses, misread
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Pulses
from hermesrt.reads import numbered

ROWS, COLUMNS = 40, 21  # neither is a multiple of what the kernel takes at once
KINDS = ("set", "reset", "iterative")

ChipWith = Callable[[dict[str, str]], ChipSpec]


def read(g: Tensor) -> Tensor:
    """A variance of a read of about the devices' own."""
    return (0.02 * g).square() + 1e-16


def cells_of(chip: ChipSpec, *, stuck: bool = False) -> ProgrammedCells:
    """All RESET to zero, with SET levels of their own."""
    draw = torch.Generator().manual_seed(1)
    shape = (2, 2, ROWS, COLUMNS)
    level = torch.randn(shape, generator=draw).mul_(0.45).exp_().half()
    held = torch.full(shape, torch.nan)
    held[torch.rand(shape, generator=draw) < 0.05] = 9e-6
    devices = torch.zeros(shape)
    return ProgrammedCells.of(chip, devices, level, held if stuck else None, read)


def converters(chip: ChipSpec, mode: str) -> CoreConverters:
    shared = replace(converters_of(chip, mode), rounding=None)  # type: ignore[arg-type]
    draw = torch.Generator().manual_seed(2)
    gain, zero = 1 + 0.02 * torch.randn(2, COLUMNS, generator=draw)
    return CoreConverters(shared, chip.input_levels, chip.adc_count.count_siemens, gain, zero)


def send(programming: Programming, number: int) -> None:
    """Pulses of a kind for some cells; products are taken in between, and kept from then on."""
    draw = torch.Generator().manual_seed(number)
    cells = torch.randperm(ROWS * COLUMNS, generator=draw)[: 100 + number].sort().values
    device = torch.randint(0, 4, cells.shape, generator=draw)
    ampere = torch.rand(cells.shape, generator=draw) * 800e-6
    noise = torch.randn(cells.shape, generator=draw)
    programming.pulse(Pulses(KINDS[number % 3], cells, device, ampere), noise)  # type: ignore[arg-type]


def compiled_pulses(cells: ProgrammedCells) -> Programming:
    found, library = kernel(), compiled.functions()
    if found is None or library is None:
        pytest.skip("no kernel is compiled here")
    return compiled.KernelPulses(found, library, cells)


@pytest.mark.parametrize("mode", ["4-phase", "1-phase"])
@pytest.mark.parametrize("stuck", [False, True])
@pytest.mark.parametrize(
    "settings", [{}, {"effects.programming_noise": "false"}, {"effects.saturation": "false"}]
)
def test_compiled_functions_have_the_bits_of_torch(
    chip_with: ChipWith, mode: str, stuck: bool, settings: dict[str, str]
) -> None:
    chip = chip_with(settings)
    ours, theirs = cells_of(chip, stuck=stuck), cells_of(chip, stuck=stuck)
    first, second = TorchPulses(ours), compiled_pulses(theirs)
    read_with = converters(chip, mode)
    x = torch.rand(9, ROWS, generator=torch.Generator().manual_seed(3)) * 2 - 1
    for number in range(12):
        send(first, number)
        send(second, number)
        assert torch.equal(ours.devices, theirs.devices)
        if number > 3:
            counts = (p.counts(read_with, x, 5 + number, numbered(9)) for p in (first, second))
            assert torch.equal(*counts)
            assert torch.equal(first.variance, second.variance)
            noise = torch.randn(2, ROWS, COLUMNS, generator=torch.Generator().manual_seed(number))
            reads = (p.verify(1e-14, 1.3e-7, noise.clone()) for p in (first, second))
            assert torch.equal(*reads)


@pytest.mark.parametrize("made", [TorchPulses, compiled_pulses])
def test_what_is_kept_from_pulse_to_pulse_equals_what_is_made_anew(
    chip_with: ChipWith, made: Callable[[ProgrammedCells], Programming]
) -> None:
    chip = chip_with({})
    cells, read_with = cells_of(chip), converters(chip, "4-phase")
    programming, x = made(cells), torch.eye(ROWS)
    for number in range(9):
        send(programming, number)
        kept = programming.counts(read_with, x, number, numbered(ROWS))
    anew = made(cells)
    assert torch.equal(anew.counts(read_with, x, 8, numbered(ROWS)), kept)
    assert torch.equal(anew.variance, programming.variance)


def test_counts_are_those_of_the_conductances_and_as_noisy(chip_with: ChipWith) -> None:
    """Over many reads of vectors that saturate nothing: means within the standard errors and the
    steps, deviations within what the steps of variances allow."""
    chip = chip_with({"effects.count_code": "false"})
    cells, read_with = cells_of(chip), converters(chip, "4-phase")
    programming = TorchPulses(cells)
    for number in range(30):
        send(programming, number)
    reads = 4000
    x = torch.rand(1, ROWS, generator=torch.Generator().manual_seed(4)) * 0.6 - 0.3
    counts = programming.counts(read_with, x.expand(reads, -1), 7, numbered(reads))
    codes = (x * chip.input_levels).round() / chip.input_levels
    plus, minus = cells.devices.sum(0)
    unit = read_with.gain / read_with.count_siemens
    exact = (codes @ (plus - minus))[0] * unit + read_with.zero
    variance = read(cells.devices).sum((0, 1))
    deviation = (codes.square() @ variance)[0].sqrt() * unit
    assert ((counts.mean(0) - exact).abs() < 4 * deviation / reads**0.5 + 0.05).all()
    assert (counts.std(0) / deviation - 1).abs().max() < 0.12
    assert abs(float((counts.std(0) / deviation).mean()) - 1) < 0.03


def test_a_table_of_variances_is_close_to_what_it_was_made_from(chip_with: ChipWith) -> None:
    table = cells_of(chip_with({})).table
    g = torch.logspace(-8, -4.2, 500)
    torch.testing.assert_close(misread(table, g), read(g), rtol=1e-3, atol=0)
    assert misread(table, torch.tensor([1.0])).isfinite().all()
