"""The experiment of every study of kernels: features, kernel error, ridge head, accuracy.

Products with fixed matrices run on the simulated chip, everything else in FP32; as on the real one
the non-linear functions are digital and the head is trained on FP32 features. Calibration inputs
are the training inputs. Rows are taken in blocks, so memory does not grow with their number.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

import hermesc
from hermesc.api.compiling import Prepared as Captured
from hermesc.api.compiling import prepare
from hermesc.frontend.torch.architecture import OncePerArchitecture
from hermesc.pipeline import Options
from hermesc.studies.data.datasets import Prepared
from hermesc.studies.data.measurements import Scores
from hermesc.studies.experiment.published import (
    ERROR_ROWS,
    RIDGE,
    count_correct,
    kernel_error,
    ridge_head,
    with_ones,
)
from hermesrt.chip.load import chip_tables
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.device import Method
from hermesrt.files.typed import encode
from hermesrt.program import Chip

_BLOCK_ROWS = 4096  # at least ERROR_ROWS
_EXAMPLE_ROWS = 8
_EXPORTER = OncePerArchitecture()

Function = Callable[[Tensor], Tensor]


class ProjectionModule(nn.Module):
    """x omega, the only product with a fixed matrix in the published experiment."""

    omega: Tensor

    def __init__(self, omega: Float[Tensor, "inputs features"]) -> None:
        super().__init__()
        self.register_buffer("omega", omega)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.omega


@dataclass(frozen=True, slots=True)
class Setup:
    """The chip, how it is compiled for, programmed, read, and how long after programming."""

    chip: ChipSpec
    mode: Mode = "4-phase"
    age_s: float = 0.0
    options: Options = field(default_factory=Options)
    method: Method = "published"

    def identity(self) -> dict[str, Any]:
        """All of it as plain data."""
        return dict(_identity(self))


@lru_cache(maxsize=8)
def _identity(setup: Setup) -> Mapping[str, Any]:
    """Worked out once for the many jobs of a setup."""
    return {
        "chip": chip_tables(setup.chip),
        "mode": setup.mode,
        "age_s": setup.age_s,
        "method": setup.method,
        "options": encode(setup.options),
    }


class KernelEstimate(NamedTuple):
    """A kernel: features from what a module gives, and the exact values they estimate."""

    features: Function
    exact: Callable[[Tensor, Tensor], Tensor]


def scores(
    in_fp32: Function,
    on_chip: Function,
    estimates: Sequence[KernelEstimate],
    data: Prepared,
    *,
    accuracy: bool = True,
) -> tuple[Scores, ...]:
    """Of each estimate from one module that runs in FP32 and on a chip.

    Without `accuracy` no head is trained, only the first test points run, and accuracies are NaN.
    """
    with torch.no_grad():
        if not accuracy:
            return _errors(in_fp32, on_chip, estimates, data.test[:ERROR_ROWS])
        trained = [_trained(estimate, in_fp32, data) for estimate in estimates]
        fp = _evaluated(trained, in_fp32, data)
        chip = _evaluated(trained, on_chip, data)
    return tuple(
        Scores(error_fp, error_chip, accuracy_fp, accuracy_chip)
        for (error_fp, accuracy_fp), (error_chip, accuracy_chip) in zip(fp, chip, strict=True)
    )


def _errors(
    in_fp32: Function, on_chip: Function, estimates: Sequence[KernelEstimate], rows: Tensor
) -> tuple[Scores, ...]:
    fp, chip = in_fp32(rows), on_chip(rows)
    found = []
    for features, kernel in estimates:
        exact = kernel(rows, rows)
        error_fp, error_chip = (kernel_error(exact, features(y)) for y in (fp, chip))
        found.append(Scores(error_fp, error_chip, math.nan, math.nan))
    return tuple(found)


def deployed(module: nn.Module, calibration: Sequence[Tensor], setup: Setup, seed: int) -> Chip:
    """The module on a simulated chip of that seed; `calibration` is a tensor for each input."""
    program = prepared(module, calibration).compiled(setup.chip, setup.options)
    programmed = program.deploy(hermesc.simulate(setup.chip, seed=seed), setup.method)
    return programmed.configure(mode=setup.mode, age_s=setup.age_s)


def prepared(module: nn.Module, calibration: Sequence[Tensor]) -> Captured:
    """The module as it is compiled; those of one architecture are exported once."""
    examples = [inputs[:_EXAMPLE_ROWS] for inputs in calibration]
    return prepare(module, examples, calibration, None, None, _EXPORTER)


class _Trained(NamedTuple):
    """An estimate with its ridge head and the exact kernel of the first test points."""

    features: Function
    head: Tensor
    exact: Tensor


def _trained(estimate: KernelEstimate, in_fp32: Function, data: Prepared) -> _Trained:
    targets = _targets(data.train_labels, data.classes)
    first = data.test[:ERROR_ROWS]
    columns = estimate.features(in_fp32(data.train[:1])).shape[1]
    blocks = _blocks(data.train, targets)
    found = ((estimate.features(in_fp32(x)), labels) for x, labels in blocks)
    head = wide_ridge_head(*_joined(found)) if columns >= len(data.train) else ridge_head(found)
    return _Trained(estimate.features, head, estimate.exact(first, first))


def _evaluated(
    trained: Sequence[_Trained], module: Function, data: Prepared
) -> list[tuple[float, float]]:
    """Kernel error and accuracy of each estimate on the test points, by that module."""
    errors, correct = [0.0] * len(trained), [0] * len(trained)
    for number, (x, labels) in enumerate(_blocks(data.test, data.test_labels)):
        found = module(x)
        for k, (features, head, exact) in enumerate(trained):
            z = features(found)
            correct[k] += count_correct(head, z, labels)
            if number == 0:
                errors[k] = kernel_error(exact, z[:ERROR_ROWS])
    return [(e, c / len(data.test)) for e, c in zip(errors, correct, strict=True)]


def _targets(labels: Tensor, classes: int) -> Tensor:
    """The labels 0 and 1 themselves; a column for each of more classes."""
    if classes == 2:
        return labels
    return nn.functional.one_hot(labels.long(), classes).float()


def wide_ridge_head(features: Tensor, targets: Tensor) -> Tensor:
    """The same head as `ridge_head`, by a system of as many equations as there are rows."""
    z = with_ones(features).double()
    inner = z @ z.T
    inner.diagonal().add_(RIDGE)
    wanted = targets.double().reshape(len(z), -1)
    solved = z.T @ torch.cholesky_solve(wanted, torch.linalg.cholesky(inner))
    return solved.float().reshape(-1, *targets.shape[1:])


def _joined(blocks: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    features, targets = zip(*blocks, strict=True)
    return torch.cat(features), torch.cat(targets)


def _blocks(rows: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield rows[start : start + _BLOCK_ROWS], labels[start : start + _BLOCK_ROWS]
