"""What crosses between chips is counted in bytes a sample."""

import torch
from torch import nn

import hermesc
from hermesc.pipeline import Options
from hermesc.placement.options import PlaceOptions
from hermesrt.chip.load import load_chip
from hermesrt.facts.placement import crossing_facts, placement_json
from hermesrt.interchip import InterchipTransfer, interchip_transfers


def _program(chips):
    chip = load_chip("hermes", [("grid.rows", "1"), ("grid.columns", "2")])
    net = nn.Sequential(nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(),
                        nn.Linear(256, 256)).eval()  # fmt: skip
    options = Options(place=PlaceOptions(chips=chips, objective="cores"))
    return hermesc.compile(net, torch.randn(2, 5, 256), chip=chip, options=options)


def test_inputs_that_come_from_another_chip_cross():
    program = _program(2)
    chips = {m.label: {t.core // 2 for t in m.tiles} for m in program.artifact.manifest.matrices}
    found = interchip_transfers(program.workload())
    steps = {
        m.label: step.name
        for m, step in zip(program.artifact.manifest.matrices, program.artifact.mvms, strict=True)
    }
    wanted = [
        InterchipTransfer(steps[label], label, tuple(chips[before]), *chips[label], 5 * 256)
        for before, label in (("0", "2"), ("2", "4"))
        if chips[before] != chips[label]
    ]
    assert list(found) == wanted
    assert found
    told = placement_json(program.artifact, program.workload())
    assert told["crossing_bytes"] == 5 * 256 * len(found)
    assert told["chips_used"] == 2
    (fact,) = crossing_facts(program.artifact, found)
    assert fact.name == "Chips"
    assert "1,280 bytes a sample cross" in fact.text


def test_on_one_chip_nothing_crosses():
    chip = load_chip("hermes")
    program = hermesc.compile(nn.Linear(16, 4), torch.randn(2, 16), chip=chip)
    assert interchip_transfers(program.workload()) == ()
    assert crossing_facts(program.artifact, ()) == ()
