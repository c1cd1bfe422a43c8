"""The study of the Long Range Arena from its examples to its report."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from hermesc.studies.experiment.measure import Setup
from hermesc.studies.jobs.execution import Execution
from hermesc.studies.jobs.runner import JobKind
from hermesc.studies.lra.examples import Examples
from hermesc.studies.lra.mapping import MappingLine, mapped
from hermesc.studies.lra.parts import (
    CHIPS,
    NONE,
    TRAININGS,
    ChipJob,
    Scope,
    Source,
    Trained,
    TrainingJob,
    options_of,
    remove_checkpoint,
)
from hermesc.studies.lra.report import AccuracyLine, LraStudy, SeedScores
from hermesc.studies.lra.tasks import ARENA, TASKS, SizeName, Task
from hermesc.studies.statistics import over_chips, spread
from hermesc.training.recipes import recipe_of
from hermesrt.chip.load import load_chip
from hermesrt.errors import OptionError

J = TypeVar("J")
R = TypeVar("R")
_PARTS = 5  # of a seed: two trainings, three evaluations
_Key = tuple[Task, int]


def study_lra(
    *,
    data: Path | None = None,
    tasks: Sequence[Task] = TASKS,
    size: SizeName = "small",
    recipe: str = "rasch",
    seeds: int = 1,
    chips: int = 5,
    trained: bool = True,
    costs: SizeName | None = "public",
    setup: Setup | None = None,
    settings: tuple[str, ...] = (),
    execution: Execution | None = None,
) -> LraStudy:
    """Performers of the arena trained in FP32 and for the chip, their accuracy on it, their cost.

    data: folder of the public files, or of .npz files; small sets are made, if not given.
    tasks: of the arena.
    size: tiny, small, or public as the benchmark.
    recipe: of the training for the chip.
    seeds: trainings of each task.
    chips: simulated for each of them.
    trained: whether anything is trained; without, the mapping alone.
    costs: the size whose lengths cores, time and energy are for; None for no such table.
    setup: the chip and its state; the chip `hermes`, newly programmed, if not given.
    settings: words that the report shows after the chip's name.
    execution: where parts run.
    Raises: OptionError, InputError, ChipError, CapacityError.
    """
    setup, execution = setup or Setup(load_chip("hermes")), execution or Execution()
    _check_recipe(recipe)
    start = time.perf_counter()
    plan = _Plan(data, tuple(tasks), size, recipe, seeds, chips, setup)
    lines, kept = _accuracy(plan, execution) if trained else ((), 0)
    return LraStudy(
        chip=setup.chip.name,
        settings=settings,
        mode=setup.mode,
        size=size,
        recipe=recipe,
        accuracy=lines,
        mapping=() if costs is None else _mapping(plan, costs),
        chips=chips,
        kept=kept,
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is trained."""

    data: Path | None
    tasks: tuple[Task, ...]
    size: SizeName
    recipe: str
    seeds: int
    chips: int
    setup: Setup

    @property
    def keys(self) -> list[_Key]:
        """Each training."""
        return [(task, seed) for task in self.tasks for seed in range(self.seeds)]


def _mapping(plan: _Plan, size: SizeName) -> tuple[MappingLine, ...]:
    """Each task's placements."""
    chip, mode = plan.setup.chip, plan.setup.mode
    return tuple(line for task in plan.tasks for line in mapped(task, size, chip, mode))


class _Parts:
    """Runs jobs phase after phase, on one bar."""

    def __init__(self, execution: Execution, total: int) -> None:
        self._execution, self._total, self._done, self.kept = execution, total, 0, 0

    def run(
        self, work: JobKind[J, R], jobs: Mapping[_Key, J], blobs: Mapping[str, bytes]
    ) -> dict[_Key, R]:
        """The results of a phase."""
        before, observe = self._done, self._execution.progress

        def progress(done: int, _jobs: int) -> None:
            if observe is not None:
                observe(before + done, self._total)

        watched = replace(self._execution, progress=progress)
        found, kept = watched.finished(work, list(jobs.values()), blobs)
        self._done, self.kept = before + len(jobs), self.kept + kept
        return {key: found[job] for key, job in jobs.items()}


def _accuracy(plan: _Plan, execution: Execution) -> tuple[tuple[AccuracyLine, ...], int]:
    sources, read = {}, {}
    for task in plan.tasks:
        found = Source(task, plan.size, plan.data, "").read()
        sources[task] = Source(task, plan.size, plan.data, found.digest)
        read[task] = found
    parts = _Parts(execution, _PARTS * len(plan.keys))
    first = _trained(plan, parts, sources, execution.cells, NONE, {})
    tuned = _trained(plan, parts, sources, execution.cells, plan.recipe, first)

    def chips(models: Mapping[_Key, Trained], scope: Scope) -> dict[_Key, tuple[float, ...]]:
        jobs = {
            key: ChipJob(sources[key[0]], model.digest, scope, plan.chips, plan.setup)
            for key, model in models.items()
        }
        return parts.run(CHIPS, jobs, {m.digest: m.blob() for m in models.values()})

    attention, plain, chip = chips(first, "projections"), chips(first, "all"), chips(tuned, "all")
    scores = {
        key: SeedScores(
            first[key].accuracy, tuned[key].accuracy, attention[key], plain[key], chip[key],
            (first[key].steps, tuned[key].steps), (first[key].seconds, tuned[key].seconds),
        )
        for key in plan.keys
    }  # fmt: skip
    return tuple(_line(task, plan, read[task], scores) for task in plan.tasks), parts.kept


def _trained(
    plan: _Plan,
    parts: _Parts,
    sources: Mapping[Task, Source],
    cells: Path,
    recipe: str,
    start: Mapping[_Key, Trained],
) -> dict[_Key, Trained]:
    jobs = {
        (task, seed): TrainingJob(
            sources[task], seed, recipe,
            start[task, seed].digest if start else "",
            options_of(task, plan.size, seed, recipe), plan.setup, cells,
        )
        for task, seed in plan.keys
    }  # fmt: skip
    found = parts.run(TRAININGS, jobs, {m.digest: m.blob() for m in start.values()})
    for job in jobs.values():
        remove_checkpoint(job)
    return found


def _line(
    task: Task, plan: _Plan, data: Examples, scores: Mapping[_Key, SeedScores]
) -> AccuracyLine:
    own, arena = [scores[task, seed] for seed in range(plan.seeds)], ARENA[task]
    chosen, labels = arena.sizes[plan.size], data.tested.labels
    return AccuracyLine(
        task=task,
        data=data.name,
        recipe=plan.recipe,
        length=data.length,
        patch=data.patch,
        learned=data.learned.count,
        tested=data.tested.count,
        epochs=chosen.epochs,
        tuned=min(chosen.tuned, data.learned.count),
        chance=100 * float(torch.bincount(labels).max()) / len(labels),
        fp=spread(s.fp for s in own),
        aware=spread(s.aware for s in own),
        attention=over_chips([s.attention for s in own]),
        plain=over_chips([s.plain for s in own]),
        chip=over_chips([s.chip for s in own]),
        published_fp=arena.fp,
        published_aware=arena.aware,
        seeds=tuple(own),
    )


def _check_recipe(recipe: str) -> None:
    if recipe_of(recipe).idle:
        raise OptionError(f"--recipe {recipe}: it has nothing of the chip; choose rasch or paper")
