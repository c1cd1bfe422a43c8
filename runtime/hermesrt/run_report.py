"""What one run told: accuracy, time, energy, and on what numbers they rest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import Mode
from hermesrt.cost import Cost
from hermesrt.data import Samples
from hermesrt.device import Method, ReadSettings
from hermesrt.metrics import RelativeError, nonfinite_rows, predictions, tells_a_class
from hermesrt.units import PS_PER_NS


@dataclass(frozen=True, slots=True)
class OutputReport:
    """One output: its shape over all samples, and its distance from the FP32 result.

    shape: over all samples.
    relative_error: where the FP32 result is finite.
    nonfinite_rows: rows with NaN or infinity on the chip.
    nonfinite_reference_rows: rows with NaN or infinity in FP32.
    """

    shape: tuple[int, ...]
    relative_error: float
    nonfinite_rows: int = 0
    nonfinite_reference_rows: int = 0


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that `hermesc run` reports; `str()` of it is the terminal summary."""

    artifact: Artifact
    method: Method
    seed: int
    age_s: float
    mode: Mode | None
    ideal: bool
    samples: int
    outputs: Mapping[str, OutputReport]
    accuracy: float | None
    reference_accuracy: float | None
    cost: Cost

    @property
    def read_mode(self) -> str:
        """The read mode, or `mixed` where layers have modes of their own."""
        return read_mode(self.artifact, self.mode)

    def to_json(self) -> dict[str, Any]:
        """Plain data under the command line's fixed names; times in ns, energies in nJ."""
        cost = self.cost
        return {
            "chip": self.artifact.chip.name,
            "method": "ideal" if self.ideal else self.method,
            "seed": self.seed,
            "age_s": self.age_s,
            "mode": self.read_mode,
            "ideal": self.ideal,
            "samples": self.samples,
            "outputs": {
                name: {
                    "shape": list(o.shape),
                    "relative_error": o.relative_error,
                    "nonfinite_rows": o.nonfinite_rows,
                    "nonfinite_reference_rows": o.nonfinite_reference_rows,
                }
                for name, o in self.outputs.items()
            },
            "accuracy": self.accuracy,
            "reference_accuracy": self.reference_accuracy,
            **cost_json(self.artifact, cost),
        }

    def __str__(self) -> str:
        from hermesrt.report.text.terminal import run_summary

        return run_summary(self)


def read_mode(artifact: Artifact, mode: Mode | None) -> str:
    """The read mode in force: the one given, all layers' own, or `mixed`."""
    modes = {mode} if mode else {m.mode for m in artifact.manifest.matrices}
    return "mixed" if len(modes) > 1 else next(iter(modes), None) or "4-phase"


def cost_json(artifact: Artifact, cost: Cost) -> dict[str, Any]:
    """Time in ns and energy in nJ of one sample, in all and in parts."""
    return {
        "latency_ns": cost.latency_ps / PS_PER_NS,
        "interval_ns": cost.interval_ps / PS_PER_NS,
        "energy_nj": cost.energy_pj / 1000,
        "latency_by": {k: v / PS_PER_NS for k, v in cost.latency_by.items()},
        "energy_by": {k: v / 1000 for k, v in cost.energy_by.items()},
        "assumed_share": cost.assumed_share,
        "cores_used": len(artifact.cores),
        "utilisation": artifact.utilisation,
        "mvms": cost.core_mvms,
        "layers": [
            {
                "label": layer.label,
                "analog": layer.analog,
                "vectors": layer.vectors,
                "mvms": layer.core_mvms,
                "latency_ns": layer.latency_ps / PS_PER_NS,
                "energy_nj": layer.energy_pj / 1000,
            }
            for layer in cost.layers
        ],
    }


BlockOutputs = tuple[slice, tuple[Tensor, ...], tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the chip was programmed and read."""

    method: Method
    seed: int
    read: ReadSettings


def measure(
    artifact: Artifact,
    settings: RunSettings,
    samples: Samples,
    blocks: Iterable[BlockOutputs],
    cost: Cost,
) -> RunReport:
    """Gather a run's blocks into a report, in memory that does not grow with the samples."""
    gathered = Gathered(samples, artifact.manifest.classes)
    for rows, outputs, references in blocks:
        gathered.add(rows, outputs, references)
    return RunReport(
        artifact=artifact,
        method=settings.method,
        seed=settings.seed,
        age_s=settings.read.age_s,
        mode=settings.read.mode,
        ideal=settings.read.ideal,
        samples=samples.count,
        outputs=gathered.outputs(),
        accuracy=gathered.accuracy(chip=True),
        reference_accuracy=gathered.accuracy(chip=False),
        cost=cost,
    )


class Gathered:
    """Running totals over the blocks of a run."""

    def __init__(self, samples: Samples, classes: tuple[int | float | str, ...] = ()) -> None:
        self._labels = samples.labels
        self._learnt = classes
        self._errors: list[RelativeError] = []
        self._shapes: list[tuple[int, ...]] = []
        self._nonfinite: list[list[int]] = []  # rows of each output, on the chip and in FP32
        self._right = [0, 0]
        self._counted = 0
        self._classifies = samples.labels is not None
        self._classes = np.unique(samples.labels) if samples.labels is not None else np.empty(0)

    def add(self, rows: slice, outputs: tuple[Tensor, ...], references: tuple[Tensor, ...]) -> None:
        """Take one block."""
        if not self._errors:
            self._errors = [RelativeError() for _ in outputs]
            self._shapes = [(0, *o.shape[1:]) if o.dim() else () for o in outputs]
            self._nonfinite = [[0, 0] for _ in outputs]
        for i, (y, reference) in enumerate(zip(outputs, references, strict=True)):
            self._errors[i].add(y, reference)
            for end, values in enumerate((y, reference)):
                self._nonfinite[i][end] += nonfinite_rows(values)
            if y.dim():
                self._shapes[i] = (self._shapes[i][0] + y.shape[0], *self._shapes[i][1:])
        if self._classifies and self._labels is not None:
            self._count(outputs[0], references[0], self._labels[rows])

    def _count(self, output: Tensor, reference: Tensor, labels: "np.ndarray[Any, Any]") -> None:
        self._counted += len(labels)
        for i, values in enumerate((output, reference)):
            found = predictions(values, self._classes, self._learnt)
            if found is None or found.shape != labels.shape:
                self._classifies = False
                return
            self._right[i] += int(((found == labels) & tells_a_class(values)).sum())

    def outputs(self) -> dict[str, OutputReport]:
        """Shape and error of each output."""
        found = zip(self._shapes, self._errors, self._nonfinite, strict=True)
        return {
            f"output_{i}": OutputReport(shape, error.value, *bad)
            for i, (shape, error, bad) in enumerate(found)
        }

    def accuracy(self, *, chip: bool) -> float | None:
        """Share of right classes on the chip or in FP32; None without labels or classes."""
        if not self._classifies or not self._counted:
            return None
        return self._right[0 if chip else 1] / self._counted
