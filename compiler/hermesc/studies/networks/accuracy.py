"""What the chip costs a network in accuracy, with one and with two devices a polarity.

A job trains a network from one seed, in FP32 and then for the chip, and evaluates it on simulated
chips. The captions of the publication need its images and their network; they are not repeated.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

import hermesc
from hermesc.studies.experiment.measure import Setup
from hermesc.studies.jobs.result_cache import software
from hermesc.studies.jobs.runner import JobKind
from hermesc.studies.networks.examples import CHARACTERS, Examples, images, text
from hermesc.studies.networks.learning import loss, trained, tuned
from hermesc.studies.networks.models import CharacterLSTM, ResNet9
from hermesrt.chip.load import changed
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Method
from hermesrt.errors import InputError

Task = Literal["images", "characters"]
_EXAMPLE_ROWS = 64
_BLOCK_ROWS = 256
_DEVICES = "unit_cell.devices_per_polarity"
_QUIET = [("effects.read_noise", "off")]


@dataclass(frozen=True, slots=True)
class NetworkJob:
    """One network trained from one seed.

    task: images by ResNet-9, characters by the LSTM.
    data: folder of the examples; None for those of scikit-learn.
    digest: of the examples, as they were read once.
    width: channels of the first layer, or units of the LSTM.
    epochs: over the training data, in FP32; half as many for the chip.
    seed: of the training.
    chips: evaluated, of each kind.
    setup: the chip and its state.
    """

    task: Task
    data: Path | None
    digest: str
    width: int
    epochs: int
    seed: int
    chips: int
    setup: Setup


@dataclass(frozen=True, slots=True)
class NetworkScores:
    """Accuracy, or bits a character.

    weights: on crossbars.
    fp: in FP32, after plain training.
    quantised: after training for the chip, with exact conductances: converters alone.
    one, two: of each chip with one and two devices a polarity.
    """

    weights: int
    fp: float
    quantised: float
    one: tuple[float, ...]
    two: tuple[float, ...]


def examples_of(job: NetworkJob) -> Examples:
    """The job's examples.

    Raises: InputError where they are not those that the study was started with.
    """
    found = images(job.data) if job.task == "images" else text(job.data)
    if job.digest and found.digest != job.digest:
        raise InputError(
            f"{job.data}: other examples than where the study was started; give all machines the "
            "same files"
        )
    return found


def simulate(job: NetworkJob) -> NetworkScores:
    """Train and evaluate."""
    data, chip = examples_of(job), job.setup.chip
    with torch.random.fork_rng():
        torch.manual_seed(job.seed)
        model = trained(_network(job), data, job.epochs, job.seed)
        fp = _score(model, data)
        model = tuned(model, data, chip, max(job.epochs // 2, 1), job.seed)
    (quantised,) = _on_chips(model, data, job, changed(chip, _QUIET), "ideal", 1)
    one, two = (
        _on_chips(
            model, data, job, changed(chip, [(_DEVICES, devices)]), job.setup.method, job.chips
        )
        for devices in ("1", "2")
    )
    weights = sum(p.numel() for n, p in model.named_parameters() if _on_crossbars(n, p))
    return NetworkScores(weights, fp, quantised, one, two)


def _network(job: NetworkJob) -> nn.Module:
    if job.task == "images":
        return ResNet9(job.width, channels=1)
    return CharacterLSTM(CHARACTERS, job.width, max(job.width // 4, 1))


def _on_crossbars(name: str, weight: Tensor) -> bool:
    return weight.dim() > 1 and "embedding" not in name


def _on_chips(
    model: nn.Module, data: Examples, job: NetworkJob, chip: ChipSpec, method: Method, count: int
) -> tuple[float, ...]:
    """Scores on so many chips, for which the model is compiled once."""
    setup, examples = job.setup, data.train[:_EXAMPLE_ROWS]
    program = hermesc.compile(
        model, (examples[:4],), chip=chip, calibration=(examples,), options=setup.options
    )
    devices = (hermesc.simulate(chip, seed) for seed in range(count))
    deployed = (program.deploy(device, method) for device in devices)
    return tuple(_score(c.configure(mode=setup.mode, age_s=setup.age_s), data) for c in deployed)


def _score(forward: Any, data: Examples) -> float:
    """Share of right classes, or bits a character, over the test data."""
    rows, total = len(data.test), 0.0
    images_only = data.test_targets.dim() == 1
    with torch.no_grad():
        for first in range(0, rows, _BLOCK_ROWS):
            scores = forward(data.test[first : first + _BLOCK_ROWS])
            wanted = data.test_targets[first : first + _BLOCK_ROWS]
            if images_only:
                total += float((scores.argmax(1) == wanted).sum())
            else:
                total += float(loss(scores, wanted)) * len(wanted) / math.log(2)
    return total / rows


def identity(job: NetworkJob) -> Mapping[str, Any]:
    """All that determines a job's scores."""
    own = {name: getattr(job, name) for name in ("task", "digest", "width", "epochs", "seed")}
    return software() | {"study": "networks", "chips": job.chips, **own} | job.setup.identity()


def _from_json(data: Any) -> NetworkScores:
    return NetworkScores(**{**data, "one": tuple(data["one"]), "two": tuple(data["two"])})


WORK = JobKind(simulate, identity, asdict, _from_json)
