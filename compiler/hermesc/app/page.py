"""The page about a program on a simulated chip."""

from hermes_sim.sensitivity import sensitivity
from hermesrt.chip.machine import load_machines
from hermesrt.data import Samples
from hermesrt.program import Chip
from hermesrt.report.page.render import Comparisons, page_html
from hermesrt.roofline import estimates
from hermesrt.run_report import RunReport
from hermesrt.snapshot import snapshot

_MACHINES = "a100,cpu"


def page_of(chip: Chip, samples: Samples | None = None, run: RunReport | None = None) -> str:
    """The page of a chip that holds a program, with a run's results where there was one."""
    program, mode = chip.compiled, chip.settings.mode
    work = program.workload(samples)
    beside = Comparisons(
        estimates(load_machines(_MACHINES), work), sensitivity(chip.device.chip, work, mode)
    )
    cost = chip.device.cost(work, None) if run is None else run.cost
    return page_html(program.artifact, cost, run, snapshot(chip), beside)
