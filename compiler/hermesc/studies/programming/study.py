"""What the methods of weight programming reach on one crossbar, for three kinds of matrices.

Uniform with zeros is the test of Le Gallo 2023, Fig. 2; the random features are those of kernel
approximation (truncated at three standard deviations). Errors are relative, of products with
uniform inputs, columns corrected as the LDPU does it. The read-noise floor is that of exact
conductances: no programming gets below it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

import hermesc
from hermesc.studies.experiment.measure import ProjectionModule
from hermesrt.chip.load import chip_from_tables, chip_tables, load_chip, override
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import METHODS, Method
from hermesrt.program import Chip, Program
from hermesrt.programming.cost import joules, seconds
from hermesrt.programming.mvm_error import mvm_errors
from hermesrt.report.text.terminal import table
from hermesrt.units import percent, plural, si

_CALIBRATION = 1024
_MATRICES = 3
_QUIET = (("effects.read_noise", "off"),)


@dataclass(frozen=True, slots=True)
class Reached:
    """One matrix programmed by one method: its MVM error as read, and without read noise; pulses,
    and time and energy on the chip (none for a method without pulses)."""

    matrix: str
    method: Method
    error: float
    error_quiet: float
    pulses: int
    chip_seconds: float
    chip_joules: float


def matrices(rows: int, columns: int, seed: int) -> dict[str, Tensor]:
    """The matrices by name."""
    draw = torch.Generator().manual_seed(seed)
    uniform = torch.rand(rows, columns, generator=draw) * 2 - 1
    kept = torch.rand(rows, columns, generator=draw) >= 0.3
    features = min(columns, 252)
    return {
        "Gaussian": torch.randn(rows, columns, generator=draw),
        "uniform, 30 % zeros": uniform * kept,
        "random features, d = 16": _truncated(min(rows, 16), features, draw),
    }


def _truncated(rows: int, columns: int, draw: torch.Generator) -> Tensor:
    """Normal numbers within three standard deviations."""
    edge = torch.special.ndtr(torch.tensor(3.0, dtype=torch.float64))
    share = torch.rand(rows, columns, generator=draw, dtype=torch.float64)
    normal: Tensor = torch.special.ndtri((1 - edge) + (2 * edge - 1) * share)
    return normal.float()


def reached(chip: ChipSpec, seeds: int) -> Iterator[tuple[Reached, ...]]:
    """The methods' results matrix by matrix, each the mean of some chips."""
    tables = chip_tables(chip)
    quiet = chip_from_tables(override(tables, _QUIET), chip.name)
    for name, matrix in matrices(chip.crossbar.rows, chip.crossbar.columns, 0).items():
        program = _compiled(matrix, chip)
        yield tuple(_measured(name, program, m, chip, quiet, seeds) for m in METHODS)


def _compiled(matrix: Tensor, chip: ChipSpec) -> Program:
    draw = torch.Generator().manual_seed(1)
    x = torch.rand(_CALIBRATION, matrix.shape[0], generator=draw) * 2 - 1
    return hermesc.compile(ProjectionModule(matrix), x[:8], chip=chip, calibration=x)


def _measured(
    name: str, program: Program, method: Method, chip: ChipSpec, quiet: ChipSpec, seeds: int
) -> Reached:
    errors, quiets, pulses, times, energies = [], [], [], [], []
    for seed in range(seeds):
        made = program.deploy(hermesc.simulate(chip, seed), method)
        saturated = Chip(program, hermesc.simulate(quiet, seed))
        saturated.device.restore(made.device.state())
        errors.append(fmean(mvm_errors(made.device, program.artifact).values()))
        quiets.append(fmean(mvm_errors(saturated.device, program.artifact).values()))
        if made.iterations:
            counts = made.iterations[-1].counts
            pulses.append(counts.pulses)
            times.append(seconds(chip, counts, len(program.artifact.cores)))
            energies.append(joules(chip, counts))
    return Reached(
        name, method, fmean(errors), fmean(quiets),
        round(fmean(pulses or [0])), fmean(times or [0.0]), fmean(energies or [0.0]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProgrammingStudy:
    """A finished study; `str()` of it is the terminal's text.

    chip: the chip's name.
    seeds: chips averaged.
    found: each matrix by each method.
    """

    chip: str
    seeds: int
    found: tuple[Reached, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data; times in s, energies in J."""
        return _json(self)

    def __str__(self) -> str:
        return _text(self)


def study_programming(
    chip: str | ChipSpec = "hermes",
    seeds: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> ProgrammingStudy:
    """Compare the methods of weight programming on one crossbar.

    chip: a name, or a TOML file's path.
    seeds: chips to average.
    progress: gets the matrices done, and all of them.
    """
    spec = load_chip(chip) if isinstance(chip, str) else chip
    found: list[Reached] = []
    for done, results in enumerate(reached(spec, seeds), start=1):
        found.extend(results)
        if progress is not None:
            progress(done, _MATRICES)
    return ProgrammingStudy(spec.name, seeds, tuple(found))


def _text(study: ProgrammingStudy) -> str:
    rows = [
        (
            r.matrix,
            "exact (the floor)" if r.method == "ideal" else r.method,
            percent(r.error),
            percent(r.error_quiet),
            f"{r.pulses:,}" if r.pulses else "",
            si(r.chip_seconds, "s") if r.pulses else "",
            si(r.chip_joules, "J") if r.pulses else "",
        )
        for r in study.found
    ]
    header = ("matrix", "method", "MVM error", "no read noise", "pulses", "time", "energy")
    note = (
        "Pulses miss by assumed amounts (write_noise) and GDP's settings are assumed; `published` "
        "is the chip's own\nprogramming as it was measured. Time is without the control's overhead."
    )
    return f"One crossbar, mean of {plural(study.seeds, 'chip')}:\n{table(header, rows)}\n{note}"


def _json(study: ProgrammingStudy) -> dict[str, Any]:
    return {
        "chip": study.chip,
        "seeds": study.seeds,
        "results": [
            {
                "matrix": r.matrix,
                "method": r.method,
                "mvm_error": r.error,
                "mvm_error_without_read_noise": r.error_quiet,
                "pulses": r.pulses,
                "chip_seconds": r.chip_seconds,
                "chip_joules": r.chip_joules,
            }
            for r in study.found
        ],
    }
