"""The search: presets first, then what Optuna's sampler proposes, until the budget is spent."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hermesc.api.notebook import Program
from hermesc.studies.jobs.execution import CELLS, Execution, check_outputs
from hermesc.studies.sweep.job import Figures
from hermesc.studies.sweep.plan import Compilation
from hermesc.studies.sweep.report import check_table
from hermesc.studies.sweep.source import ProgramSource
from hermesc.studies.tune.evaluate import Evaluation
from hermesc.studies.tune.objectives import Aims, parse_aims
from hermesc.studies.tune.report import TuneReport
from hermesc.studies.tune.search import PRUNING, Pruning, Search, SearchPlan, Watch
from hermesc.studies.tune.space import space_of
from hermesc.studies.tune.storage import SAMPLERS, Sampler, open_study, quiet, take_up
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import METHODS, Method
from hermesrt.errors import OptionError
from hermesrt.files.atomic import write_atomically
from hermesrt.nearest import did_you_mean
from hermesrt.units import parse_age


def tune(
    model: Any,
    example_inputs: Any = None,
    *,
    budget: float | str = "10m",
    trials: int | None = None,
    objective: str | Sequence[str] | None = None,
    inputs: str | Path | None = None,
    chip: str | ChipSpec = "hermes",
    calibration: Any = None,
    labels: Any = None,
    name: str | None = None,
    age: str = "0s",
    draws: int = 3,
    seed: int = 0,
    methods: Sequence[str] | None = None,
    sampler: Sampler = "tpe",
    pruning: Pruning = "dominated",
    storage: str | Path | None = None,
    output: str | Path | None = None,
    plot: str | Path | None = None,
    cells: Path = CELLS,
    progress: Watch | None = None,
) -> TuneReport:
    """Settings that are best for some objectives at once, by Optuna.

    model: as `compile` takes it, or its file.
    budget: seconds that the search may take, or a text such as "10m".
    trials: how many points at most, those of a search that goes on among them.
    objective: of accuracy, error, energy, latency, interval and cores; a text with commas too.
        Accuracy and energy, or error and energy where there are no labels, if not given.
    inputs: an .npz file of inputs by name, and `labels`; the program's examples, if not given.
    age: since programming, at which the chips are read.
    draws: chips that each point is read on; their mean counts.
    seed: of the search, and of the first chip.
    methods: how weights may be programmed; pulse by pulse too where the model has few cores, if
        not given.
    sampler: one of tpe, nsga2, nsga3, random and gp.
    pruning: whether a point that its first chip shows to be dominated is read on no other.
    storage: where Optuna keeps the study, which goes on from there: a file, NAME.tune.db if not
        given, a journal, or a database's address.
    output: the table of all points is written to this .csv, .json or .parquet file.
    plot: the front and the sensitivity of layers are drawn to this .svg, .png or .pdf file.
    cells: folder of finished readings.
    progress: gets the seconds spent and all seconds.

    The defaults and each preset are read first, so that nothing found is worse.
    Raises: OptionError, InputError, ModelError, ChipError, CapacityError.
    """
    plan = SearchPlan(_seconds(budget), trials, draws, seed, sampler, pruning)
    _check(plan, methods)
    table, picture, data = (None if p is None else Path(p) for p in (output, plot, inputs))
    check_outputs(table, picture, inputs=data)
    if table is not None:
        check_table(table)
    source = ProgramSource(model, example_inputs, chip, calibration, labels, name)
    _refuse_program(source)
    evaluation = Evaluation(source, data, age, Execution(jobs=1, cells=cells))
    parse_age(age)
    program = _by_default(source)
    aims = _aims(objective, labelled=evaluation.check_inputs(program))
    space = space_of(program.artifact, cast(Sequence[Method] | None, methods))
    identity = {
        "program": program.sha256, "inputs": evaluation.inputs, "objective": ",".join(aims.names),
        "draws": draws, "age": age, "seed": seed, "methods": ",".join(space.methods),
    }  # fmt: skip
    with quiet():
        place = storage or f"{source.called}.tune.db"
        study = open_study(place, source.called, len(aims.names), identity)
        again = take_up(study)
        search = Search(study, space, aims, evaluation, plan)
        search.enqueue_presets()
        search.run(progress)
        report = TuneReport(
            source.called, aims, search.tried(), draws, str(place), space.layers, again,
            search.fresh(),
        )  # fmt: skip
    if not report.sound:
        raise OptionError(f"no point could be read; the first: {report.tried[0].failed}")
    _write(report, table, picture)
    return report


def _refuse_program(source: ProgramSource) -> None:
    if source.compiled:
        raise OptionError(
            f"{source.called} is a compiled program, and a search compiles anew: give the model"
        )


def _by_default(source: ProgramSource) -> Program:
    """The model, compiled without a word said.

    Raises: OptionError where it does not compile.
    """
    program = source.program(Compilation())
    if isinstance(program, Figures):
        raise OptionError(program.failed)
    return program


def _aims(objective: str | Sequence[str] | None, *, labelled: bool) -> Aims:
    if objective is None:
        objective = "accuracy,energy" if labelled else "error,energy"
    return parse_aims(objective, labelled=labelled)


def _write(report: TuneReport, table: Path | None, picture: Path | None) -> None:
    if table is not None:
        write_atomically(table, report.points.written(table.suffix))
    if picture is not None:
        from hermesc.studies.tune.plot import tune_picture

        write_atomically(picture, tune_picture(report, picture.suffix.lstrip(".")))


def _seconds(budget: float | str) -> float:
    """Raises: OptionError for what is no time above 0."""
    try:
        seconds = parse_age(budget) if isinstance(budget, str) else float(budget)
    except OptionError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise OptionError(
            f"--budget {budget}: give the time that the search may take, such as 90s, 10m or 2h"
        )
    return seconds


def _check(plan: SearchPlan, methods: Sequence[str] | None) -> None:
    if not 1 <= plan.draws <= 1000:
        raise OptionError(f"--draws {plan.draws}: give from 1 to 1,000 chips")
    if plan.trials is not None and plan.trials < 1:
        raise OptionError(f"--trials {plan.trials}: give 1 or more")
    for what, value, known in (
        ("sampler", plan.sampler, SAMPLERS),
        ("pruning", plan.pruning, PRUNING),
        *(("methods", method, METHODS) for method in methods or ()),
    ):
        if value not in known:
            raise OptionError(
                f"--{what} {value}: there is none{did_you_mean(value, known)}; there are "
                f"{', '.join(known)}"
            )
    if methods is not None and not methods:
        raise OptionError(f"--methods: give at least one of {', '.join(METHODS)}")
