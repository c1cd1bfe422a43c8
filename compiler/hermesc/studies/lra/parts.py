"""The parts of the study: trainings, and evaluations on chips. Each is a job whose result is kept.

A training starts from drawn weights and learns in FP32, or starts from trained ones and learns for
the chip by a recipe; it keeps a checkpoint beside the results, so one that was killed goes on with
the same bits. An evaluation compiles trained weights and runs the test on several simulated chips.
"""

import base64
import hashlib
import io
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

import hermesc
from hermesc.pipeline import Options, parse_options
from hermesc.studies.experiment.measure import Setup
from hermesc.studies.jobs.blobs import held
from hermesc.studies.jobs.result_cache import software
from hermesc.studies.jobs.runner import JobKind
from hermesc.studies.lra.examples import Examples, examples
from hermesc.studies.lra.model import PairPerformer, Performer
from hermesc.studies.lra.tasks import ARENA, TASKS, SizeName, Task
from hermesc.training import FitOptions, harden, learned_ranges, set_chip, settle_norms
from hermesc.training.fit import fit, outputs_of
from hermesc.training.recipes import recipe_of
from hermesrt.errors import InputError
from hermesrt.files.typed import encode

Scope = Literal["projections", "all"]
SCOPES: Mapping[Scope, tuple[tuple[str, str], ...]] = {
    "projections": (("partition.scope", "projections"), ("place.objective", "cores")),
    "all": (("place.objective", "cores"),),
}
_CALIBRATED = 64  # examples
_SETTLED = 256  # examples of the statistics of norms
_TESTED_ROWS = 64  # of the loss after each epoch
_TUNED_RATE = 0.1  # of the rate in FP32, where the recipe has no share of its own
_GRADIENT = 1.0
_BLOCK = 50
NONE = "none"


@dataclass(frozen=True, slots=True)
class Source:
    """The examples of a job.

    task: of the arena.
    size: its name.
    data: folder of the files, if any.
    digest: of the examples, as they were read once.
    """

    task: Task
    size: SizeName
    data: Path | None
    digest: str

    def read(self) -> Examples:
        """The examples.

        Raises: InputError where they are not those that the study was started with.
        """
        found = _examples(self.task, self.size, self.data)
        if self.digest and found.digest != self.digest:
            raise InputError(
                f"{self.data}: other examples of {self.task} than where the study was started; "
                "give all machines the same files"
            )
        return found


@lru_cache(maxsize=len(TASKS))
def _examples(task: Task, size: SizeName, data: Path | None) -> Examples:
    return examples(task, size, data)


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One training.

    source: of the examples.
    seed: of weights, order and noise.
    recipe: none in FP32.
    weights: digest of those to start from; drawn ones, if empty.
    options: of the loop.
    setup: the chip and its state.
    kept: folder of checkpoints.
    """

    source: Source
    seed: int
    recipe: str
    weights: str
    options: FitOptions
    setup: Setup
    kept: Path


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model.

    weights: its state dictionary, as torch.save writes it.
    ranges: where inputs of layers clip, as learned.
    accuracy: on the test in FP32, per cent.
    loss: of the last step.
    steps: of the optimizer.
    seconds: that it took since it was started last.
    """

    weights: bytes
    ranges: Mapping[str, float]
    accuracy: float
    loss: float
    steps: int
    seconds: float

    @property
    def digest(self) -> str:
        """Of weights and ranges: a name for what chips hold."""
        text = json.dumps(dict(self.ranges), sort_keys=True)
        return hashlib.sha256(self.weights + text.encode()).hexdigest()

    def blob(self) -> bytes:
        """All that a chip needs."""
        return json.dumps(_to_json(self)).encode()


@dataclass(frozen=True, slots=True)
class ChipJob:
    """The test on several chips.

    source: of the examples.
    weights: digest of the trained model.
    scope: what goes on crossbars.
    chips: of the seeds from 0.
    setup: the chip and its state.
    """

    source: Source
    weights: str
    scope: Scope
    chips: int
    setup: Setup


def options_of(task: Task, size: SizeName, seed: int, recipe: str) -> FitOptions:
    """Of the loop in FP32, or for the chip: passes over the examples or over some of them."""
    found, tuned = ARENA[task].sizes[size], recipe != NONE
    own = recipe_of(recipe).learning_rate != 1.0 or not tuned
    return FitOptions(
        epochs=max(1, found.tuned // found.train) if tuned else found.epochs,
        batch=found.batch,
        learning_rate=found.rate * (1.0 if own else _TUNED_RATE),
        seed=seed,
        schedule="cosine",
        largest_gradient=_GRADIENT,
    )


def network(task: Task, length: int, patch: int, seed: int) -> nn.Module:
    """A task's model with drawn weights."""
    arena = ARENA[task]
    kind = Performer if arena.inputs == 1 else PairPerformer
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(arena.shape, arena.tokens(length, patch), arena.classes, seed)


def train(job: TrainingJob) -> Trained:
    """Train, or go on with it."""
    start, data = time.perf_counter(), job.source.read()
    model, learned = network(job.source.task, data.length, data.patch, job.seed), data.learned
    if job.weights:
        model.load_state_dict(_state(trained_of(held(job.weights))))
        tuned = ARENA[job.source.task].sizes[job.source.size].tuned
        learned = learned.take(torch.arange(min(tuned, learned.count)))
    some = data.learned.take(torch.arange(_CALIBRATED))
    hardened = harden(
        model, dict(data.learned.take(torch.arange(4)).inputs), chip=job.setup.chip,
        recipe=job.recipe, calibration=dict(some.inputs), seed=job.seed, options=job.setup.options,
    )  # fmt: skip
    kept = job.kept / f"{_name(job)}.checkpoint"
    kept.parent.mkdir(parents=True, exist_ok=True)
    watched = data.tested.take(torch.arange(min(_TESTED_ROWS, data.tested.count)))
    progress = fit(hardened, learned, watched, job.options, kept)
    if job.recipe != NONE:
        settle_norms(
            hardened, dict(learned.take(torch.arange(min(_SETTLED, learned.count))).inputs)
        )
    set_chip(hardened, active=False)
    with torch.no_grad():
        accuracy = data.tested.score(outputs_of(hardened.eval(), data.tested, _BLOCK))
    stream = io.BytesIO()
    torch.save(dict(hardened.state_dict()), stream)
    return Trained(
        stream.getvalue(), learned_ranges(hardened), accuracy, progress.loss, progress.step,
        time.perf_counter() - start,
    )  # fmt: skip


def remove_checkpoint(job: TrainingJob) -> None:
    """A training whose result is kept needs none."""
    (job.kept / f"{_name(job)}.checkpoint").unlink(missing_ok=True)


def on_chips(job: ChipJob) -> tuple[float, ...]:
    """The accuracy on each chip, per cent."""
    data, trained = job.source.read(), trained_of(held(job.weights))
    model = network(job.source.task, data.length, data.patch, 0)
    model.load_state_dict(_state(trained))
    some = data.learned.take(torch.arange(_CALIBRATED))
    options = scoped(job.setup.options, job.scope)
    program = hermesc.compile(
        model.eval(), {n: t[:4] for n, t in some.inputs.items()}, chip=job.setup.chip,
        calibration=dict(some.inputs), options=options,
        input_ranges=trained.ranges if job.scope == "all" else None,
    )  # fmt: skip
    return tuple(_on_chip(program, data, job.setup, seed) for seed in range(job.chips))


def _on_chip(program: Any, data: Examples, setup: Setup, seed: int) -> float:
    deployed = program.deploy(hermesc.simulate(setup.chip, seed), setup.method)
    chip = deployed.configure(mode=setup.mode, age_s=setup.age_s)
    inputs = list(data.tested.inputs.values())
    with torch.no_grad():
        parts = [
            chip(*(t[first : first + _BLOCK] for t in inputs))
            for first in range(0, data.tested.count, _BLOCK)
        ]
    return data.tested.score(torch.cat(parts))


def scoped(options: Options, scope: Scope) -> Options:
    """The options with what goes on crossbars, on as few cores as that takes."""
    wanted = parse_options(SCOPES[scope])
    partition = wanted.partition if scope == "projections" else options.partition
    return replace(options, partition=partition, place=wanted.place)


def _state(trained: Trained) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(io.BytesIO(trained.weights), weights_only=True)
    return found


def training_identity(job: TrainingJob) -> Mapping[str, Any]:
    """All that determines a trained model."""
    return (
        software()
        | {
            "study": "lra training", "task": job.source.task, "size": job.source.size,
            "digest": job.source.digest, "seed": job.seed, "recipe": job.recipe,
            "weights": job.weights, "loop": encode(job.options),
        }
        | job.setup.identity()
    )  # fmt: skip


def chip_identity(job: ChipJob) -> Mapping[str, Any]:
    """All that determines accuracies on chips."""
    return (
        software()
        | {
            "study": "lra chips", "task": job.source.task, "size": job.source.size,
            "digest": job.source.digest, "weights": job.weights, "scope": job.scope,
            "chips": job.chips,
        }
        | job.setup.identity()
    )  # fmt: skip


def _name(job: TrainingJob) -> str:
    text = json.dumps(training_identity(job), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _to_json(trained: Trained) -> dict[str, Any]:
    return asdict(trained) | {"weights": base64.b64encode(trained.weights).decode()}


def _from_json(data: Any) -> Trained:
    return Trained(**data | {"weights": base64.b64decode(data["weights"])})


def trained_of(blob: bytes) -> Trained:
    """A trained model from what `Trained.blob` gives."""
    return _from_json(json.loads(blob))


def _start_of(job: TrainingJob) -> tuple[str, ...]:
    return (job.weights,) if job.weights else ()


TRAININGS = JobKind(train, training_identity, _to_json, _from_json, _start_of)
CHIPS = JobKind(on_chips, chip_identity, list, tuple, lambda job: (job.weights,))
