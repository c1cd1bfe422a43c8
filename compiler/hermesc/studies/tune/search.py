"""A search under way: points that Optuna proposes, read on chips, until the budget is spent."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import stdev
from typing import Any, Literal, get_args

from hermesc.studies.sweep.job import Figures
from hermesc.studies.tune.evaluate import Evaluation, mean_of
from hermesc.studies.tune.objectives import Aims, dominates
from hermesc.studies.tune.report import Tried, TuneReport
from hermesc.studies.tune.space import DEFAULTS, Space, settings
from hermesc.studies.tune.storage import Sampler, ask

Pruning = Literal["dominated", "none"]
PRUNING: tuple[Pruning, ...] = get_args(Pruning)
Watch = Callable[[int, int], None]
_SURE = 3.0  # standard deviations


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How a search goes, and when it ends.

    seconds: that it may take.
    trials: how many points at most, those of earlier runs among them.
    draws: chips that each point is read on.
    seed: of the search, and of the first chip.
    sampler: Optuna's.
    pruning: whether a point that its first chip shows to be dominated is read on no other.
    """

    seconds: float
    trials: int | None
    draws: int
    seed: int
    sampler: Sampler
    pruning: Pruning


class Search:
    """The points of one study."""

    def __init__(
        self,
        study: Any,
        space: Space,
        aims: Aims,
        evaluation: Evaluation,
        plan: SearchPlan,
    ) -> None:
        self._study, self._space, self._aims = study, space, aims
        self._evaluation, self._plan = evaluation, plan

    def enqueue_presets(self) -> None:
        """The defaults and each preset come first."""
        for label, choices in self._space.presets():
            said = {"preset": label}
            self._study.enqueue_trial(choices, user_attrs=said, skip_if_exists=True)

    def run(self, progress: Watch | None) -> None:
        """Point after point, until the time or the number of points is reached."""
        start, seconds, trials = time.monotonic(), self._plan.seconds, self._plan.trials
        while (spent := time.monotonic() - start) < seconds:
            if trials is not None and len(self._ended()) >= trials:
                return
            if progress is not None:
                progress(round(spent), round(seconds))
            self._one()

    def _one(self) -> None:
        import optuna

        trial = ask(self._study, self._plan.sampler, self._plan.seed)
        choices = self._space.choose(trial)
        said = settings(choices, self._space)
        trial.set_user_attr("settings", said)
        chips: list[Figures] = []
        for draw in range(self._plan.draws):
            seed = self._plan.seed + draw
            found = self._evaluation.read(self._evaluation.point(trial.number, said, seed))
            if found.failed:
                trial.set_user_attr("failed", found.failed)
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                return
            chips.append(found)
            trial.set_user_attr("chips", [asdict(c) for c in chips])
            if draw + 1 < self._plan.draws and self._hopeless(trial, found):
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return
        self._study.tell(trial, self._aims.losses(mean_of(chips)))

    def _hopeless(self, trial: Any, first: Figures) -> bool:
        """Whether a point is dominated even if its first chip is a bad one of its kind."""
        if self._plan.pruning == "none" or "preset" in trial.user_attrs:
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
            for draw in range(self._plan.draws, 2 * self._plan.draws):
                said = dict(point.settings)
                place = self._evaluation.point(point.number, said, self._plan.seed + draw)
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
        point = self._evaluation.point(trial.number, said, self._plan.seed)
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
