"""Measure a run block by block: accuracy against labels, error against the FP32 reference."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.cost import Cost
from hermesrt.data import Samples
from hermesrt.device import Method, ReadSettings
from hermesrt.metrics import RelativeError, nonfinite_rows, predictions, tells_a_class
from hermesrt.run_report import OutputReport, RunReport

BlockOutputs = tuple[slice, tuple[Tensor, ...], tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the chip was programmed and read.

    method: how the weights were written.
    seed: of everything random about the device.
    read: age in s, read mode, ideal or not.
    """

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

    def _count(self, output: Tensor, reference: Tensor, labels: NDArray[Any]) -> None:
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
