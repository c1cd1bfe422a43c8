"""The simulated chip beside published figures of the real one.

    python tools/truth.py

Time, energy and throughput are those of Le Gallo 2023, Table I, which leaves the host out. The
energies were fitted to that table (`tools/table1.py`), the times were not. The published time of
the LSTM step contains 60 ns of a unit that our chip does not have; they are added here. The errors
of a crossbar are those of the published device statistics, two devices a polarity.
"""

import torch
from torch import nn

import hermesc
from hermesc.studies.crossbar import AGES_S, ageing
from hermesc.target.load import load_chip
from hermesc.target.spec import ChipSpec, Mode
from hermesrt.cost import Cost
from hermesrt.program import Program

FREE = (
    "host_link_time.byte_ns",
    "host_time.op_ns",
    "host_energy.op_pj",
    "host_link_energy.byte_pj",
)
GDPU_NS = 60
YEAR_S = 360 * 86400.0


def main() -> None:
    """Eight lines."""
    torch.set_num_threads(1)
    chip = load_chip("hermes", [(key, "0.0") for key in FREE])
    print(f"{'':<42}{'published':>14}{'simulated':>14}{'deviation':>11}")
    layer, step, full = (product(chip, *size) for size in ((2016, 224), (1008, 2016), (2048, 2048)))
    found = cost(layer, chip, "1-phase")
    line("ResNet-9 layer on 8 cores, 1-phase: time", 1131, found.latency_ps / 1000, "ns")
    line("  its energy", 970, found.energy_pj / 1000, "nJ")
    found = cost(step, chip, "4-phase")
    line("LSTM step on 32 cores, 4-phase: time", 1430, found.latency_ps / 1000 + GDPU_NS, "ns")
    line("  its energy", 5240, found.energy_pj / 1000, "nJ")
    found = cost(full, chip, "1-phase")
    array_ns, operations = found.latency_by["array"] / 1000, 2 * 2048 * 2048
    mvms_pj = found.energy_by["array"] + chip.idle_power.chip_mw * array_ns
    line("64 full cores, 1-phase: throughput", 63.1, operations / array_ns / 1000, "TOPS", 1)
    line("  their efficiency", 9.76, operations / mvms_pj, "TOPS/W", 2)
    (curve,) = (c for c in ageing("hermes", ()) if c.cells == "TDP")
    for words, age_s in (("fresh", 0.0), ("after 360 days", YEAR_S)):
        at = AGES_S.index(age_s)
        errors = 100 * curve.targets[at], 100 * curve.lifted[at]
        line(f"MVM error of one crossbar, {words}", *errors, "%", 1)


def product(chip: ChipSpec, rows: int, columns: int) -> Program:
    """A product with one matrix, compiled."""
    layer = nn.Linear(rows, columns, bias=False)
    return hermesc.compile(layer, torch.randn(2, rows), chip=chip)


def cost(program: Program, chip: ChipSpec, mode: Mode) -> Cost:
    """Time and energy of one sample."""
    return program.deploy(hermesc.simulate(chip)).device.cost(program.workload(), mode)


def line(what: str, published: float, simulated: float, unit: str, digits: int = 0) -> None:
    """One line of the table."""
    values = (f"{value:,.{digits}f} {unit}" for value in (published, simulated))
    row = "".join(f"{value:>14}" for value in values)
    deviation = round(simulated / published - 1, 3) + 0.0  # never "-0.0 %"
    print(f"{what:<42}{row}{deviation:>+11.1%}")


if __name__ == "__main__":
    main()
