"""The search: presets first, then what Optuna's sampler proposes, until the budget is spent."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import stdev
from typing import Any, Literal, cast

from hermesc.studies.jobs.execution import CELLS, Execution, check_outputs
from hermesc.studies.sweep.job import Figures
from hermesc.studies.sweep.plan import Compilation
from hermesc.studies.sweep.report import check_table
from hermesc.studies.sweep.source import ProgramSource
from hermesc.studies.tune.evaluate import Evaluation, mean_of
from hermesc.studies.tune.objectives import Aims, dominates, parse_aims
from hermesc.studies.tune.report import Tried, TuneReport
from hermesc.studies.tune.space import DEFAULTS, Space, settings
from hermesc.studies.tune.storage import SAMPLERS, Sampler, ask, open_study, quiet, take_up
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import METHODS, Method
from hermesrt.errors import OptionError
from hermesrt.files.atomic import write_atomically
from hermesrt.nearest import did_you_mean
from hermesrt.units import parse_age

Pruning = Literal["dominated", "none"]
PRUNING: tuple[Pruning, ...] = ("dominated", "none")
MOST_LAYERS = 24  # that are set one by one
FEW_CORES = 4  # on which pulse-by-pulse methods are quick
_PULSED: tuple[Method, ...] = ("published", "gdp", "verify")
_SURE = 3.0  # standard deviations
Watch = Callable[[int, int], None]


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
    seconds = _seconds(budget)
    _check(draws, trials, sampler, pruning, methods)
    table, picture, data = (None if p is None else Path(p) for p in (output, plot, inputs))
    check_outputs(table, picture, inputs=data)
    if table is not None:
        check_table(table)
    source = ProgramSource(model, example_inputs, chip, calibration, labels, name)
    if source.compiled:
        raise OptionError(
            f"{source.called} is a compiled program, and a search compiles anew: give the model"
        )
    evaluation = Evaluation(source, data, age, Execution(jobs=1, cells=cells))
    parse_age(age)
    program = source.program(Compilation())
    if isinstance(program, Figures):
        raise OptionError(program.failed)
    labelled = evaluation.check_inputs(program)
    if objective is None:
        objective = "accuracy,energy" if labelled else "error,energy"
    aims = parse_aims(objective, labelled=labelled)
    space = Space(
        _layers(program.artifact), _methods(program.artifact, methods), _whole(program.artifact)
    )
    identity = {
        "program": program.sha256, "inputs": evaluation.inputs, "objective": ",".join(aims.names),
        "draws": draws, "age": age, "seed": seed, "methods": ",".join(space.methods),
    }  # fmt: skip
    with quiet():
        place = storage or f"{source.called}.tune.db"
        study = open_study(place, source.called, len(aims.names), identity)
        again = take_up(study)
        for label, choices in space.presets():
            study.enqueue_trial(choices, user_attrs={"preset": label}, skip_if_exists=True)
        search = _Search(study, space, aims, evaluation, draws, seed, sampler, pruning)
        search.run(seconds, trials, progress)
        report = TuneReport(
            source.called, aims, search.tried(), draws, str(place), space.layers, again,
            search.fresh(),
        )  # fmt: skip
    if not report.sound:
        raise OptionError(f"no point could be read; the first: {report.tried[0].failed}")
    if table is not None:
        write_atomically(table, report.points.written(table.suffix))
    if picture is not None:
        from hermesc.studies.tune.plot import tune_picture

        write_atomically(picture, tune_picture(report, picture.suffix.lstrip(".")))
    return report


class _Search:
    """A study under way."""

    def __init__(
        self,
        study: Any,
        space: Space,
        aims: Aims,
        evaluation: Evaluation,
        draws: int,
        seed: int,
        sampler: Sampler,
        pruning: Pruning,
    ) -> None:
        self._study, self._space, self._aims = study, space, aims
        self._evaluation, self._draws, self._seed = evaluation, draws, seed
        self._sampler, self._pruning = sampler, pruning

    def run(self, seconds: float, trials: int | None, progress: Watch | None) -> None:
        """Point after point, until the time or the number of points is reached."""
        start = time.monotonic()
        while (spent := time.monotonic() - start) < seconds:
            if trials is not None and len(self._ended()) >= trials:
                return
            if progress is not None:
                progress(round(spent), round(seconds))
            self._one()

    def _one(self) -> None:
        import optuna

        trial = ask(self._study, self._sampler, self._seed)
        choices = self._space.choose(trial)
        said = settings(choices, self._space)
        trial.set_user_attr("settings", said)
        chips: list[Figures] = []
        for draw in range(self._draws):
            seed = self._seed + draw
            found = self._evaluation.read(self._evaluation.point(trial.number, said, seed))
            if found.failed:
                trial.set_user_attr("failed", found.failed)
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                return
            chips.append(found)
            trial.set_user_attr("chips", [asdict(c) for c in chips])
            if draw + 1 < self._draws and self._hopeless(trial, found):
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return
        self._study.tell(trial, self._aims.losses(mean_of(chips)))

    def _hopeless(self, trial: Any, first: Figures) -> bool:
        """Whether a point is dominated even if its first chip is a bad one of its kind."""
        if self._pruning == "none" or "preset" in trial.user_attrs:
            return False
        slack = self._slack()
        likely = tuple(a - b for a, b in zip(self._aims.losses(first), slack, strict=True))
        return any(dominates(t.losses, likely) for t in map(self._tried, self._complete()))

    def _slack(self) -> tuple[float, ...]:
        """How much one chip may be worse than the mean: by how far the defaults' chips differ."""
        for trial in self._complete():
            if trial.user_attrs.get("preset") == DEFAULTS:
                chips = [self._aims.losses(_figures(c)) for c in trial.user_attrs["chips"]]
                return tuple(
                    _SURE * stdev(v) if len(v) > 1 else math.inf for v in zip(*chips, strict=True)
                )
        return tuple(math.inf for _ in self._aims.names)

    def tried(self) -> tuple[Tried, ...]:
        """All points that ended, in order."""
        return tuple(self._tried(t) for t in self._ended())

    def fresh(self) -> dict[int, Figures]:
        """The points of the front on chips that the search has not seen."""
        found = {}
        for point in TuneReport.front_of(self.tried()):
            chips = []
            for draw in range(self._draws, 2 * self._draws):
                said = dict(point.settings)
                place = self._evaluation.point(point.number, said, self._seed + draw)
                chips.append(self._evaluation.read(place))
            if not any(c.failed for c in chips):
                found[point.number] = mean_of(chips)
        return found

    def _tried(self, trial: Any) -> Tried:
        chips = [_figures(c) for c in trial.user_attrs.get("chips", ())]
        said = dict(trial.user_attrs.get("settings", {}))
        whole = trial.state.name == "COMPLETE"
        figures = mean_of(chips) if chips else Figures(failed="it did not end")
        failed = trial.user_attrs.get("failed", "")
        point = self._evaluation.point(trial.number, said, self._seed)
        return Tried(
            number=trial.number,
            preset=trial.user_attrs.get("preset", ""),
            settings=tuple(said.items()),
            figures=Figures(failed=failed) if failed else figures,
            losses=self._aims.losses(figures) if whole else (),
            state=trial.state.name.lower(),
            failed=failed,
            command=self._evaluation.command(point),
        )

    def _ended(self) -> list[Any]:
        ended = self._study.get_trials(deepcopy=False)
        return [t for t in ended if t.state.is_finished() and "settings" in t.user_attrs
                and (t.state.name != "FAIL" or "failed" in t.user_attrs)]  # fmt: skip

    def _complete(self) -> list[Any]:
        return [t for t in self._ended() if t.state.name == "COMPLETE"]


def _figures(plain: dict[str, Any]) -> Figures:
    return Figures(**(plain | {"errors": tuple((n, v) for n, v in plain["errors"])}))


def _layers(artifact: Artifact) -> tuple[str, ...]:
    """Labels of the layers on crossbars, the largest if there are many; a comma cannot be said."""
    sizes: dict[str, int] = {}
    for m in artifact.manifest.matrices:
        sizes[m.label] = sizes.get(m.label, 0) + m.rows * m.columns
    known = [label for label in sizes if "," not in label]
    largest = sorted(known, key=lambda label: -sizes[label])[:MOST_LAYERS]
    return tuple(label for label in known if label in largest)


def _whole(artifact: Artifact) -> frozenset[str]:
    """Recurrent layers, which cannot be sliced."""
    steps = (step for step in artifact.mvms if step.name in artifact.timed)
    return frozenset(artifact.matrices[step.matrix].label for step in steps)


def _methods(artifact: Artifact, given: Sequence[str] | None) -> tuple[Method, ...]:
    if given is not None:
        return cast(tuple[Method, ...], tuple(dict.fromkeys(given)))
    return _PULSED if len(artifact.cores) <= FEW_CORES else _PULSED[:1]


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


def _check(
    draws: int, trials: int | None, sampler: str, pruning: str, methods: Sequence[str] | None
) -> None:
    if not 1 <= draws <= 1000:
        raise OptionError(f"--draws {draws}: give from 1 to 1,000 chips")
    if trials is not None and trials < 1:
        raise OptionError(f"--trials {trials}: give 1 or more")
    for what, value, known in (
        ("sampler", sampler, SAMPLERS),
        ("pruning", pruning, PRUNING),
        *(("methods", method, METHODS) for method in methods or ()),
    ):
        if value not in known:
            raise OptionError(
                f"--{what} {value}: there is none{did_you_mean(value, known)}; there are "
                f"{', '.join(known)}"
            )
    if methods is not None and not methods:
        raise OptionError(f"--methods: give at least one of {', '.join(METHODS)}")
