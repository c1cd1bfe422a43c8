"""A simulated chip with broken devices, whether the program knows of them or not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesrt.chip.defects import DefectMap, random_defects
from hermesrt.chip.load import load_chip
from hermesrt.errors import ChipError

CHIP = load_chip("hermes")
METHODS = ("published", "ideal", "verify", "gdp", "oneshot")


def _quiet(chip=CHIP):
    """The chip without read noise, so that cells can be looked at."""
    return replace(chip, effects=replace(chip.effects, read_noise=False))


def _data(rows=48, columns=20):
    draw = torch.Generator().manual_seed(0)
    layer = nn.Linear(rows, columns, bias=False)
    nn.init.normal_(layer.weight, generator=draw)
    return layer, torch.randn(128, rows, generator=draw)


def _error(program, defects, seed=0, method="published"):
    chip = program.deploy(hermesc.simulate(CHIP, seed, defects), method)
    return chip.report(DATA).outputs["output_0"].relative_error


LAYER, DATA = _data()
MAP = random_defects(CHIP, 0.05, 2)


@pytest.fixture(scope="module")
def unaware():
    return hermesc.compile(LAYER, DATA, calibration=DATA)


@pytest.fixture(scope="module")
def aware():
    return hermesc.compile(LAYER, DATA, calibration=DATA, defects=MAP)


@pytest.mark.parametrize("method", METHODS)
def test_stuck_devices_hold_what_they_are_stuck_at_whatever_programs_them(unaware, method):
    chip = unaware.deploy(hermesc.simulate(CHIP, 0, MAP), method)
    (core,) = chip.device.cores.values()
    held = torch.from_numpy(MAP.held(core.target.core))
    both = ~held.isnan().any(0)  # polarities with nothing free
    assert both.any()
    assert torch.allclose(core.conductance.sum(0)[both], held.sum(0)[both])


@pytest.mark.parametrize("method", METHODS)
def test_the_map_costs_less_error_than_not_knowing_it(unaware, aware, method):
    clean, unknown, known = (
        np.mean([_error(program, defects, seed, method) for seed in range(2)])
        for program, defects in ((unaware, None), (unaware, MAP), (aware, MAP))
    )
    assert known < unknown
    assert abs(known - clean) < 0.6 * (unknown - clean)


def test_a_program_brings_its_own_defects_where_the_chip_names_none(aware):
    assert _error(aware, None) == pytest.approx(_error(aware, MAP), rel=0.2)


def test_a_map_without_a_defect_changes_no_bit(unaware):
    empty = DefectMap("hermes", 64, 256, 256)
    assert _error(unaware, empty) == _error(unaware, None)
    again = hermesc.compile(LAYER, DATA, calibration=DATA, defects=empty)
    assert _error(again, empty) == _error(unaware, None)


def test_cells_without_a_defect_are_programmed_as_on_a_sound_chip(unaware):
    sound, broken = (
        unaware.deploy(hermesc.simulate(CHIP, 0, defects)).device.cores[0].conductance
        for defects in (None, MAP)
    )
    free = torch.from_numpy(np.isnan(MAP.held(0)).all((0, 1)))
    assert torch.equal(sound[..., free], broken[..., free])
    assert not torch.equal(sound, broken)


def test_a_dead_row_loses_its_input_and_a_dead_column_its_output(unaware):
    defects = DefectMap(
        "hermes", 64, 256, 256,
        dead_rows=np.array([[0, 3]], np.int32), dead_columns=np.array([[0, 5]], np.int32),
    )  # fmt: skip
    device = unaware.deploy(hermesc.simulate(_quiet(), 0, defects), "ideal").device
    pair = device.cores[0].now(0.0)[0]
    assert (pair[:, 3] == 0).all() and (pair[:, :, 5] == 0).all()
    assert (pair[:, 4, 6] != 0).any()


def test_devices_that_are_sound_though_the_program_believes_them_stuck_stay_reset(aware):
    empty = DefectMap("hermes", 64, 256, 256)
    device = aware.deploy(hermesc.simulate(CHIP, 0, empty), "ideal").device
    (core,) = device.cores.values()
    believed = (~core.target.stuck.held.isnan()).all(0)
    assert believed.any()
    assert (core.conductance.sum(0)[believed] == 0).all()


@pytest.mark.parametrize("model", ["hermes-msf", "pcm-like", "adc-count"])
def test_every_device_statistics_knows_stuck_devices(model):
    chip = replace(CHIP, statistics=replace(CHIP.statistics, model=model))
    errors = []
    for known in (None, MAP):
        program = hermesc.compile(LAYER, DATA, calibration=DATA, chip=chip, defects=known)
        device = hermesc.simulate(chip, 0, MAP)
        report = program.deploy(device).report(DATA)
        errors.append(report.outputs["output_0"].relative_error)
    assert errors[1] < 0.7 * errors[0]


def test_one_device_a_polarity_is_made_up_for_by_the_other_polarity():
    chip = replace(CHIP, unit_cell=replace(CHIP.unit_cell, devices_per_polarity=1))
    errors = []
    for known in (None, MAP):
        program = hermesc.compile(LAYER, DATA, calibration=DATA, chip=chip, defects=known)
        report = program.deploy(hermesc.simulate(chip, 0, MAP)).report(DATA)
        errors.append(report.outputs["output_0"].relative_error)
    assert errors[1] < 0.8 * errors[0]


def test_five_per_cent_of_stuck_cells_cost_less_accuracy_with_the_map_than_without():
    draw = torch.Generator().manual_seed(1)
    features, head = torch.randn(32, 256, generator=draw) * 0.3, torch.randn(256, 4, generator=draw)
    x = torch.randn(400, 32, generator=draw)

    class Kernel(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("features", features)
            self.register_buffer("head", head)

        def forward(self, x):
            return (x @ self.features).cos() @ self.head

    model = Kernel()
    labels = model(x).argmax(1)
    plain = hermesc.compile(model, x[:64], calibration=x)
    drops = {"clean": [], "unknown": [], "known": []}
    for seed in range(3):
        defects = random_defects(CHIP, 0.05, seed)
        informed = hermesc.compile(model, x[:64], calibration=x, defects=defects)
        for name, program, there in (
            ("clean", plain, None), ("unknown", plain, defects), ("known", informed, defects)
        ):  # fmt: skip
            report = program.deploy(hermesc.simulate(CHIP, seed, there)).report(x, labels=labels)
            drops[name].append(1 - report.accuracy)
    clean, unknown, known = (np.mean(drops[name]) for name in ("clean", "unknown", "known"))
    assert known - clean < 0.5 * (unknown - clean)
    assert max(drops["known"]) < min(drops["unknown"])


def test_a_map_of_another_chip_is_refused():
    with pytest.raises(ChipError, match="this is 'hermes'"):
        hermesc.simulate(CHIP, 0, replace(MAP, rows=128))
    with pytest.raises(ChipError, match="this is 'hermes'"):
        hermesc.compile(LAYER, DATA, defects=replace(MAP, chip="other"))
