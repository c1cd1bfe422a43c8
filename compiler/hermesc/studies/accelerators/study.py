"""Machines of the literature in one table: what they publish, and the same work by one cost model.

A chip with a description is costed by the simulator's engine, a digital machine by the roofline.
The headline figures of both are computed anew beside those published. Of the others, only the
energy of products with fixed matrices follows, from their efficiency; nothing is fitted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

import hermesc
from hermes_sim.engine import cost
from hermesc.studies.accelerators.machine import Accelerator, Costed, PeakFigures
from hermesc.studies.accelerators.published import BUILT_IN, Published, read_published
from hermesc.studies.accelerators.report import study_csv, study_json, study_text
from hermesc.studies.accelerators.work import Task, tasks
from hermesrt.artifact.schema import MvmStep
from hermesrt.chip.load import load_chip
from hermesrt.chip.machine import load_machines
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.files.atomic import check_writable, write_atomically
from hermesrt.program import Program
from hermesrt.roofline import estimates, in_int8

_OP_PER_MAC = 2
_WORK_OF = "hermes"  # whose program says what a machine without a chip has to do


@dataclass(frozen=True, slots=True)
class AcceleratorStudy:
    """A finished study; `str()` of it is the terminal's text."""

    found: tuple[Accelerator, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data; times in ns, energies in nJ."""
        return study_json(self.found)

    def __str__(self) -> str:
        return study_text(self.found)


def study_accelerators(
    file: str | Path | None = None,
    csv: str | Path | None = None,
    plot: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AcceleratorStudy:
    """Compare machines of the literature by what they publish and by one cost model.

    file: another TOML file of machines.
    csv: where to write the table.
    plot: where to draw it; an .svg, .png or .pdf file.
    progress: gets the machines done, and all of them.
    Raises: InputError for a file that is wrong, OptionError for a chip or machine that is none.
    """
    targets = [Path(given) for given in (csv, plot) if given is not None]
    for target in targets:
        check_writable(target)
    machines = read_published(Path(file) if file else BUILT_IN)
    compiled = cache(partial(_compiled, tasks()))
    found: list[Accelerator] = []
    for name, published in machines.items():
        found.append(_accelerator(name, published, compiled))
        if progress is not None:
            progress(len(found), len(machines))
    study = AcceleratorStudy(tuple(found))
    if csv is not None:
        write_atomically(Path(csv), study_csv(study.found).encode())
    if plot is not None:
        from hermesc.studies.accelerators.plot import accelerators_picture

        kind = Path(plot).suffix.lstrip(".").lower() or "svg"
        write_atomically(Path(plot), accelerators_picture(study.found, kind))
    return study


def _compiled(work: Sequence[Task], chip: str) -> Mapping[str, Program]:
    """The tasks as programs for a chip, by name."""
    return {task.name: task.compiled(chip) for task in work}


def _accelerator(
    name: str, published: Published, compiled: Callable[[str], Mapping[str, Program]]
) -> Accelerator:
    if not published.chip:
        costs = {task: _elsewhere(p, published) for task, p in compiled(_WORK_OF).items()}
        return Accelerator(name, published, _machine_headline(published), costs)
    chip, mode = load_chip(published.chip), cast(Mode, published.mode)
    programs = compiled(published.chip)
    costs = {task: _on_chip(p, chip, mode, published) for task, p in programs.items()}
    return Accelerator(name, published, chip_headline(chip, mode), costs)


def _on_chip(program: Program, chip: ChipSpec, mode: Mode, published: Published) -> Costed:
    work = program.workload()
    found = cost(chip, work, mode)
    return Costed(
        latency_ns=found.latency_ps / 1000,
        energy_nj=found.energy_pj / 1000,
        products_nj=_products_nj(program, published),
        assumed=found.assumed_share["energy"],
    )


def _elsewhere(program: Program, published: Published) -> Costed:
    """On a digital machine, or where nothing but an efficiency is known."""
    products = _products_nj(program, published)
    if not published.machine:
        return Costed(None, None, products, None)
    (machine,) = load_machines(published.machine)
    found = in_int8(estimates((machine,), program.workload()))
    return Costed(found.latency_ns, found.energy_nj, products, None)


def _products_nj(program: Program, published: Published) -> float | None:
    """Operations of products with fixed matrices by the published efficiency."""
    if not published.tops_per_watt or not published.bits:
        return None
    sizes = {m.name: m.rows * m.columns for m in program.artifact.manifest.matrices}
    macs = sum(sizes[step.matrix] * count for step, count in _vectors(program))
    operations = _OP_PER_MAC * macs * published.operations_each / program.workload().samples
    return operations / published.tops_per_watt / 1000


def _vectors(program: Program) -> Iterator[tuple[MvmStep, int]]:
    yield from ((w.step, w.vectors) for w in program.workload().mvms)


def chip_headline(chip: ChipSpec, mode: Mode) -> PeakFigures:
    """What a chip does with all its arrays full of one matrix."""
    rows, columns = chip.crossbar.rows, chip.crossbar.columns * chip.cores
    full = nn.Linear(rows, columns, bias=False)
    program = hermesc.compile(full, torch.ones(2, rows), chip=chip, name="full chip")
    alone = cost(chip, program.workload(), mode).mvms_alone
    area = chip.area.chip_mm2 if chip.area else 0.0
    return PeakFigures(alone.tops, alone.tops_per_watt, alone.tops / area if area else None)


def _machine_headline(published: Published) -> PeakFigures:
    if not published.machine:
        return PeakFigures(None, None, None)
    (machine,) = load_machines(published.machine)
    tops = next(r.tops for r in machine.rates if r.precision == "INT8")
    watt, area = machine.power.static_w + machine.power.dynamic_w, published.area_mm2
    return PeakFigures(tops, tops / watt, tops / area if area else None)
