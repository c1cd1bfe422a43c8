"""Demote: move the layers whose noise hurts most off the chip, until a budget of accuracy holds.

Method: simulate the program on a few chips; where it loses more than the budget, simulate it with
each layer in turn computed exactly, and leave them digital in the order of what that recovers, one
layer at a time, each time compiled and simulated anew. Greedy, not a search of all subsets: layers
whose noises only help together are found late. Simulated runs: seeds x
(1 + layers + layers left digital).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil, inf
from statistics import fmean, stdev
from typing import Any

import numpy as np
from torch import Tensor

from hermes_sim.device import SimulatedDevice
from hermesc.pipeline import ModelSource, Options, StageObserver, compile_model
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.defects import DefectMap
from hermesrt.chip.spec import ChipSpec, limits
from hermesrt.data import Samples, check_samples, example_samples
from hermesrt.errors import OptionError
from hermesrt.program import Chip, Program
from hermesrt.report.text.terminal import facts, table
from hermesrt.units import PS_PER_NS, plural, si

SEEDS = (0, 1, 2, 3, 4)
_MOST_ROWS = 1024
_ROUND_OFF = 1e-6  # a digital program differs from its FP32 reference by the order of sums

FallbackProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FallbackOptions:
    """The mean loss on simulated chips that a program may have: points of accuracy, or per cent of
    relative output error where there are no labels. Infinite: no layer is looked for."""

    max_accuracy_drop: float = limits(0.0, 100.0, inf)


@dataclass(frozen=True, slots=True)
class Loss:
    """What some chips lose against FP32, mean and standard deviation over their seeds.

    `points` is in points of accuracy, or in per cent of the outputs' norm where nothing is
    classified; `accuracy` is a share, None then; `relative_error` is that of the worst output.
    """

    points: float
    points_spread: float
    accuracy: float | None
    relative_error: float


@dataclass(frozen=True, slots=True)
class FallbackStep:
    """One program on the way: the layer that was left digital to get there, None at the start."""

    layer: str | None
    loss: Loss
    latency_ns: float
    energy_nj: float


@dataclass(frozen=True)
class DigitalFallback:
    """The program within the budget, and how it was reached.

    `alone` says what is lost when that layer alone is computed exactly; empty where the budget
    holds from the start.
    """

    artifact: Artifact
    budget_points: float
    steps: tuple[FallbackStep, ...]
    alone: Mapping[str, Loss]
    reference_accuracy: float | None
    data: str
    rows: int
    runs: int

    @property
    def program(self) -> Program:
        """The program to deploy."""
        return Program.of(self.artifact)

    def undominated(self, step: FallbackStep) -> bool:
        """Whether no other step is as good in loss, latency and energy, and better in one."""
        mine = _price(step)
        return not any(
            _price(s) != mine and all(a <= b for a, b in zip(_price(s), mine, strict=True))
            for s in self.steps
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data: `digital_fallback` has an entry for each program on the way."""
        return {
            "digital_fallback": [
                {
                    "layer": step.layer,
                    "drop": step.loss.points,
                    "drop_std": step.loss.points_spread,
                    "accuracy": step.loss.accuracy,
                    "relative_error": step.loss.relative_error,
                    "latency_ns": step.latency_ns,
                    "energy_nj": step.energy_nj,
                    "undominated": self.undominated(step),
                    "within_budget": within(step.loss, self.budget_points),
                }
                for step in self.steps
            ],
            "digital_fallback_basis": {
                "budget": self.budget_points,
                "unit": self._unit,
                "data": self.data,
                "rows": self.rows,
                "seeds": list(SEEDS),
                "runs": self.runs,
                "reference_accuracy": self.reference_accuracy,
                "exact_alone": {
                    label: {"drop": loss.points, "relative_error": loss.relative_error}
                    for label, loss in self.alone.items()
                },
            },
        }

    def __str__(self) -> str:
        lost = "accuracy lost" if self.reference_accuracy is not None else "relative error"
        basis = (
            f"budget {self.budget_points:g} {self._unit} on {plural(self.rows, 'row')} of "
            f"{self.data}, mean of {len(SEEDS)} chips; {plural(self.runs, 'simulated run')}"
        )
        head = facts([("Fallback", basis)])
        header = ("to digital", lost, "if it alone were exact", "latency", "energy", "Pareto")
        return f"{head}\n{table(header, map(self._row, self.steps))}"

    @property
    def _unit(self) -> str:
        if self.reference_accuracy is None:
            return "% of relative output error (there are no labels)"
        return "points of accuracy"

    def _row(self, step: FallbackStep) -> tuple[str, ...]:
        loss, alone = step.loss, self.alone.get(step.layer or "")
        return (
            step.layer or "nothing",
            f"{loss.points:.2f} ± {loss.points_spread:.2f}",
            "" if alone is None else f"{alone.points:.2f}",
            si(step.latency_ns * 1e-9, "s"),
            si(step.energy_nj * 1e-9, "J"),
            "yes" if self.undominated(step) else "no",
        )


def within(loss: Loss, budget_points: float) -> bool:
    """Whether a mean loss is in the budget, up to round-off."""
    return loss.points <= budget_points + 100 * _ROUND_OFF


def digital_fallback(
    source: ModelSource,
    chip: ChipSpec,
    options: Options,
    budget: FallbackOptions,
    observe: StageObserver | None = None,
    progress: FallbackProgress | None = None,
    defects: DefectMap | None = None,
) -> DigitalFallback:
    """The program whose mean loss on simulated chips is within `budget.max_accuracy_drop`.

    `observe` sees every compilation's stages; `progress` gets the simulated runs so far and how
    many there are at most. With `defects` the program is for chips that have them.
    Raises: as `compile_model`; OptionError when not even the digital program is within the budget.
    """
    return _Search(source, chip, options, budget, observe, progress, defects).run()


class _Search:
    def __init__(
        self,
        source: ModelSource,
        chip: ChipSpec,
        options: Options,
        budget: FallbackOptions,
        observe: StageObserver | None,
        progress: FallbackProgress | None,
        defects: DefectMap | None,
    ) -> None:
        self._source, self._chip, self._options = source, chip, options
        self._observe, self._progress, self._defects = observe, progress, defects
        self._budget = budget.max_accuracy_drop
        self._runs = 0
        self._most_runs = len(SEEDS)
        self._reference: float | None = None

    def run(self) -> DigitalFallback:
        kept = self._options.partition.digital
        artifact = self._compiled(kept)
        data, self._samples = _samples(artifact, self._source)
        labels = _labels(artifact)
        self._most_runs = len(SEEDS) * (1 + 2 * len(labels))
        steps = [self._step(artifact, None)]
        alone: dict[str, Loss] = {}
        if not self._holds(steps[-1]):
            alone = {label: self._loss(artifact, frozenset([label]))[0] for label in labels}
        while not self._holds(steps[-1]):
            left = _labels(artifact)
            if not left:
                raise OptionError(_hopeless(self._budget, steps[-1]))
            worst = min(left, key=lambda label: _rank(alone, label))
            kept = (*kept, worst)
            artifact = self._compiled(kept)
            steps.append(self._step(artifact, worst))
        return DigitalFallback(
            artifact,
            self._budget,
            tuple(steps),
            alone,
            self._reference,
            data,
            self._samples.count,
            self._runs,
        )

    def _compiled(self, digital: tuple[str, ...]) -> Artifact:
        part = replace(self._options.partition, digital=digital)
        options = replace(self._options, partition=part)
        return compile_model(
            self._source, self._chip, options, self._observe, defects=self._defects
        )

    def _holds(self, step: FallbackStep) -> bool:
        return within(step.loss, self._budget)

    def _step(self, artifact: Artifact, layer: str | None) -> FallbackStep:
        loss, latency_ns, energy_nj = self._loss(artifact, frozenset())
        return FallbackStep(layer, loss, latency_ns, energy_nj)

    def _loss(self, artifact: Artifact, exact: frozenset[str]) -> tuple[Loss, float, float]:
        """Loss on all seeds, and latency and energy of a sample."""
        program = Program.of(artifact)
        points, errors, accuracies = [], [], []
        for seed in SEEDS:
            device = SimulatedDevice(self._chip, seed, self._defects)
            deployed = Chip(program, device)
            deployed.program("published")
            report = deployed.measured(self._samples, deployed.run(self._samples, exact=exact))
            errors.append(max((o.relative_error for o in report.outputs.values()), default=0.0))
            self._reference = report.reference_accuracy
            if report.accuracy is not None and report.reference_accuracy is not None:
                accuracies.append(report.accuracy)
                points.append(100 * (report.reference_accuracy - report.accuracy))
            self._runs += 1
            if self._progress is not None:
                self._progress(self._runs, self._most_runs)
        points = points or [100 * error for error in errors]
        accuracy = fmean(accuracies) if accuracies else None
        loss = Loss(fmean(points), stdev(points), accuracy, fmean(errors))
        return loss, report.cost.latency_ps / PS_PER_NS, report.cost.energy_pj / 1000


def _labels(artifact: Artifact) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m.label for m in artifact.manifest.matrices))


def _rank(alone: Mapping[str, Loss], label: str) -> tuple[float, float, str]:
    """The least lost with that layer exact comes first; what was not measured comes last."""
    loss = alone.get(label)
    return (inf, inf, label) if loss is None else (loss.points, loss.relative_error, label)


def _price(step: FallbackStep) -> tuple[float, float, float]:
    return step.loss.points, step.latency_ns, step.energy_nj


def _samples(artifact: Artifact, source: ModelSource) -> tuple[str, Samples]:
    """Calibration data if its labels are known, else examples with labels, else what there is."""
    arrays = _calibration(artifact, source)
    if arrays is None:
        return "the example inputs", _thinned(example_samples(artifact))
    labels = source.calibration_labels
    rows = max((len(t) for t in arrays.values() if t.dim()), default=0)
    if labels is None and source.labels is not None and len(source.labels) == rows:
        labels = source.labels
    if labels is None and artifact.labels is not None:
        return "the example inputs", _thinned(example_samples(artifact))
    given = None if labels is None else labels.detach().cpu().numpy()
    if given is not None and artifact.manifest.classes:
        given = np.array(artifact.manifest.classes)[given]
    calibration = {name: tensor.detach().cpu().numpy() for name, tensor in arrays.items()}
    samples = check_samples(artifact, calibration, given, "calibration data")
    return "the calibration data", _thinned(samples)


def _calibration(artifact: Artifact, source: ModelSource) -> Mapping[str, Tensor] | None:
    if source.calibration is None or isinstance(source.calibration, Mapping):
        return source.calibration
    names = [spec.name for spec in artifact.manifest.inputs]
    return dict(zip(names, source.calibration, strict=True))


def _thinned(samples: Samples) -> Samples:
    """Rows at equal distances, so that the time of a run is bounded."""
    every = ceil(samples.count / _MOST_ROWS)
    inputs = {n: t[::every] if t.dim() else t for n, t in samples.inputs.items()}
    labels = None if samples.labels is None else np.ascontiguousarray(samples.labels[::every])
    return Samples(inputs, labels)


def _hopeless(budget: float, last: FallbackStep) -> str:
    return (
        f"--set partition.max_accuracy_drop={budget:g}: with every layer digital the loss is still "
        f"{last.loss.points:.3g}; give a larger budget"
    )
