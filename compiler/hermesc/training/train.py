"""`hermesc train`: from a model's file and samples to weights that are trained for the chip."""

import copy
import inspect
import io
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hermes_sim.device import SimulatedDevice
from hermesc.frontend.load import load_model, make_source
from hermesc.frontend.request import ModelRequest, ModelSource
from hermesc.pipeline import Options
from hermesc.training.build import harden
from hermesc.training.data import TrainingData, read_training_data, split
from hermesc.training.evaluation import learned_ranges, program_of
from hermesc.training.fit import FitOptions, Progress, fit, outputs_of
from hermesc.training.hardening import hardening_of
from hermesc.training.norms import settle_norms
from hermesc.training.plain import plain_of
from hermesc.training.recipes import Recipe, recipe_of
from hermesc.training.redraw import fix_features
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import InputError, ModelError
from hermesrt.files.atomic import check_writable, write_atomically

AGES: tuple[tuple[str, float], ...] = (("0 s", 0.0), ("1 d", 86400.0), ("30 d", 30 * 86400.0))
_CALIBRATED = 1024  # samples at most
_TESTED = 2000  # held-out samples that run on each chip, at most


@dataclass(frozen=True, slots=True)
class Score:
    """Accuracy of classes, or relative error of values, over simulated chips, per cent.

    age: as a text.
    mean: over the chips.
    spread: their standard deviation.
    """

    age: str
    mean: float
    spread: float


@dataclass(frozen=True, slots=True)
class TrainReport:
    """A finished training.

    output: the file of weights.
    recipe: its name.
    measure: accuracy or relative error.
    before: of the model as it was, in FP32, per cent.
    trained: of the trained model in FP32.
    before_on_chip: of the model as it was, at the ages.
    on_chip: of the trained model, at the ages.
    chips: how many were simulated.
    samples: held-out samples that were tested on each.
    steps: of the optimizer.
    epochs: finished.
    stopped: whether it stopped early.
    resumed: the step it went on from; 0 for none.
    seconds: wall time.
    input_ranges: learned, by layer.
    """

    output: Path
    recipe: str
    measure: str
    before: float
    trained: float
    before_on_chip: tuple[Score, ...]
    on_chip: tuple[Score, ...]
    chips: int
    samples: int
    steps: int
    epochs: int
    stopped: bool
    resumed: int
    seconds: float
    input_ranges: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """All of it."""

        def scores(found: tuple[Score, ...]) -> dict[str, dict[str, float]]:
            return {s.age: {"mean": s.mean, "std": s.spread} for s in found}

        return {
            "output": str(self.output),
            "recipe": self.recipe,
            "measure": self.measure,
            "fp32": self.before,
            "trained": self.trained,
            "fp32_on_chip": scores(self.before_on_chip),
            "on_chip": scores(self.on_chip),
            "chips": self.chips,
            "samples": self.samples,
            "steps": self.steps,
            "epochs": self.epochs,
            "stopped_early": self.stopped,
            "resumed_at_step": self.resumed,
            "seconds": self.seconds,
            "input_ranges": dict(self.input_ranges),
        }

    def __str__(self) -> str:
        ages = " ".join(f"{'chip ' + s.age:>14}" for s in self.on_chip)
        early = ", stopped early" if self.stopped else ""
        return "\n".join(
            (
                f"{self.output}: recipe {self.recipe}, {self.steps:,} steps, {self.epochs} epochs"
                f"{early}, {self.seconds:.1f} s",
                f"{self.measure} in %, {self.samples:,} held-out samples, {self.chips} simulated "
                "chips (mean ± standard deviation)",
                f"{'':>10} {'FP32':>8} {ages}",
                f"{'before':>10} {self.before:>8.2f} {_row(self.before_on_chip)}",
                f"{'trained':>10} {self.trained:>8.2f} {_row(self.on_chip)}",
            )
        )


def _row(scores: tuple[Score, ...]) -> str:
    return " ".join(f"{f'{s.mean:.2f} ± {s.spread:.2f}':>14}" for s in scores)


def train(
    model: Any,
    data: str | Path,
    output: str | Path,
    *,
    recipe: str | Recipe = "rasch",
    example_inputs: Any = None,
    chip: str | ChipSpec = "hermes",
    options: Options | Mapping[str, Any] | None = None,
    settings: FitOptions | None = None,
    holdout: float = 0.2,
    chips: int = 5,
    lora: int = 0,
    redraw_every: int = 0,
    observe: Callable[[Progress], None] = lambda _: None,
) -> TrainReport:
    """Train a model for the chip and write its weights.

    The weights are a state dictionary of the user's names, as torch.save writes it, with the
    learned ranges in its metadata; `compile(..., weights=output)` takes both. A run that was killed
    goes on from `output` with `.checkpoint` behind its name, with the same result.

    model: an nn.Module, or a file of one (`model.py`).
    data: an .npz file with an array for each input and `labels`.
    recipe: a name, several with + between, or a Recipe.
    chip: a name, or a TOML file's path.
    options: of the compiler's passes.
    settings: of the loop.
    holdout: share of the samples that it does not learn from.
    chips: how many simulated chips the result is tested on.
    lora: rank of adapters that train in place of the weights; they are in the file's metadata.
    redraw_every: steps between two draws of random features; the last draw stays as long.
    observe: gets the progress after each step.
    Raises: as `compile`; InputError for unfit samples, a loss that is not finite, and a checkpoint
        of another run.
    """
    start, target, file = time.monotonic(), Path(output), Path(data)
    check_writable(target, data=file)
    settings = settings or FitOptions()
    if not 0 < holdout < 1:
        raise InputError(f"holdout is {holdout}; it is a share between 0 and 1")
    spec = load_chip(chip) if isinstance(chip, str) else chip
    source = _source(model, example_inputs)
    names = _names(source)
    samples = read_training_data(file, names)
    learned, tested = split(samples, holdout, settings.seed)
    chosen = recipe_of(recipe)
    assert isinstance(source.model, nn.Module)
    hardened = harden(
        source.model, dict(names), chip=spec, recipe=chosen, seed=settings.seed, options=options,
        calibration={n: t[:_CALIBRATED] for n, t in learned.inputs.items()},
        dynamic_shapes=source.dynamic_shapes, lora=lora, redraw_every=redraw_every,
    )  # fmt: skip
    first = copy.deepcopy(hardened)
    fix_features(first)
    kept = target.with_name(target.name + ".checkpoint")
    progress = fit(hardened, learned, tested, settings, kept, observe)
    settle_norms(hardened, learned.take(torch.arange(min(_CALIBRATED, learned.count))).inputs)
    write_weights(hardened, target)
    some = tested.take(torch.arange(min(_TESTED, tested.count)))
    report = TrainReport(
        output=target,
        recipe=chosen.name,
        measure="accuracy" if tested.classes else "relative error",
        before=_plain_score(first, tested),
        trained=_plain_score(hardened, tested),
        before_on_chip=on_chips(first, some, chips, ranges=False),
        on_chip=on_chips(hardened, some, chips),
        chips=chips,
        samples=some.count,
        steps=progress.step,
        epochs=progress.epoch,
        stopped=progress.stopped,
        resumed=progress.resumed,
        seconds=time.monotonic() - start,
        input_ranges=learned_ranges(hardened),
    )
    kept.unlink(missing_ok=True)
    return report


def on_chips(
    model: Any, data: TrainingData, chips: int, *, ranges: bool = True
) -> tuple[Score, ...]:
    """A hardened model's scores on simulated chips of different seeds, at the ages."""
    program = program_of(model, ranges=ranges)
    found: dict[str, list[float]] = {text: [] for text, _ in AGES}
    inputs = list(data.inputs.values())
    for seed in range(chips):
        chip = program.deploy(SimulatedDevice(hardening_of(model).chip, seed))
        for text, age_s in AGES:
            outputs = chip.configure(age_s=age_s)(*inputs)
            first = outputs if isinstance(outputs, Tensor) else outputs[0]
            found[text].append(data.score(first))
    return tuple(
        Score(text, statistics.fmean(scores), statistics.stdev(scores) if chips > 1 else 0.0)
        for text, scores in found.items()
    )


def write_weights(model: Any, path: Path) -> None:
    """A hardened model's weights under the user's names, learned ranges in the metadata."""
    stream = io.BytesIO()
    torch.save(model.state_dict(), stream)
    write_atomically(path, stream.getvalue())


def _plain_score(model: Any, data: TrainingData) -> float:
    plain = copy.deepcopy(plain_of(model)).eval()
    with torch.no_grad():
        return data.score(outputs_of(plain, data))


def _source(model: Any, example_inputs: Any) -> ModelSource:
    request = ModelRequest(model, example_inputs)
    is_file = isinstance(model, str | Path)
    source = load_model(str(model), request) if is_file else make_source(request)
    if not isinstance(source.model, nn.Module):
        raise ModelError("only an nn.Module can be trained; give the .py file that makes it")
    return replace(source, model=source.model)


def _names(source: ModelSource) -> dict[str, Tensor]:
    """The example inputs by the model's names of its arguments."""
    assert isinstance(source.model, nn.Module)
    if source.arguments is not None:
        return dict(zip(source.arguments.names, source.arguments.tensors, strict=True))
    names = inspect.signature(source.model.forward).parameters
    return dict(zip(names, source.example_inputs, strict=False))
