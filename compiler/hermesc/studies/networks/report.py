"""What `hermesc study networks` tells: text and JSON."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hermesc.studies.networks.accuracy import NetworkJob, NetworkScores, Task
from hermesc.studies.networks.mapping import NetworkLine
from hermesc.studies.statistics import Spread, over_chips, spread
from hermesrt.report.text.terminal import facts, table
from hermesrt.units import percent, plural

# Le Gallo 2023, Extended Data: software, 8-bit model, chip with one and with two devices.
PUBLISHED: Mapping[Task, tuple[float, float, float, float]] = {
    "images": (0.9367, 0.9343, 0.9223, 0.9281),
    "characters": (1.336, 1.358, 1.456, 1.433),
}
_NAMES: Mapping[Task, str] = {"images": "ResNet-9", "characters": "character LSTM"}


@dataclass(frozen=True, slots=True)
class AccuracyLine:
    """One network: accuracy (a share) or bits a character, ours over seeds and chips.

    task: images or characters.
    data: what it was trained on.
    weights: on crossbars.
    fp, quantised, one, two: as in `NetworkScores`.
    published: the same four of the publication, with its data and sizes.
    """

    task: Task
    data: str
    weights: int
    fp: Spread
    quantised: Spread
    one: Spread
    two: Spread
    published: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class NetworksStudy:
    """A finished study; `str()` of it is the terminal's text.

    chip: the chip's name.
    settings: words that chose its state.
    mode: the read mode.
    networks: mapped onto the chip.
    accuracy: trained and evaluated; none where only the mapping was asked for.
    epochs: of training in FP32.
    seeds: trainings of each network.
    chips: simulated for each training.
    kept: jobs from before.
    seconds: that the study took.
    """

    chip: str
    settings: tuple[str, ...]
    mode: str
    networks: tuple[NetworkLine, ...]
    accuracy: tuple[AccuracyLine, ...]
    epochs: int
    seeds: int
    chips: int
    kept: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The same as data; times in ns, energies in nJ."""
        return asdict(self)

    def __str__(self) -> str:
        return _text(self)


def accuracy_line(task: Task, data: str, found: Sequence[NetworkScores]) -> AccuracyLine:
    """Of all seeds; a training's chips count as its mean in the deviation over seeds."""
    return AccuracyLine(
        task,
        data,
        found[0].weights,
        spread(s.fp for s in found),
        spread(s.quantised for s in found),
        over_chips([s.one for s in found]),
        over_chips([s.two for s in found]),
        PUBLISHED[task],
    )


def scores_csv(found: Mapping[NetworkJob, NetworkScores]) -> bytes:
    """Every chip."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("network", "seed", "devices", "chip", "fp", "quantised", "on_chip"))
    for job, scores in found.items():
        for devices, values in ((1, scores.one), (2, scores.two)):
            for chip, value in enumerate(values):
                row = (job.task, job.seed, devices, chip, scores.fp, scores.quantised, value)
                writer.writerow(row)
    return stream.getvalue().encode()


def _text(study: NetworksStudy) -> str:
    head = [
        ("Chip", " ".join([study.chip, *study.settings])),
        ("Reads", study.mode),
        ("Time", f"{study.seconds:.0f} s"),
    ]
    parts = [facts(head), "The chip's own networks, of drawn weights:", _mapping(study.networks)]
    parts += [_layers(line) for line in study.networks]
    if study.accuracy:
        parts += [_accuracy(study)]
    return "\n".join(parts)


def _mapping(lines: Sequence[NetworkLine]) -> str:
    columns = ["network", "weights", "published", "tiles", "cores", "published", "analog",
               "a sample", "latency us", "energy uJ"]  # fmt: skip
    rows = [
        [
            n.name, f"{n.weights:,}", f"{n.published_weights:,}", str(n.tiles), str(n.cores),
            str(n.published_cores), percent(n.analog_share), n.sample, f"{n.latency_ns / 1e3:,.1f}",
            f"{n.energy_nj / 1e3:,.1f}",
        ]
        for n in lines
    ]  # fmt: skip
    return table(columns, rows)


def _layers(line: NetworkLine) -> str:
    columns = [line.name, "matrix", "tiles", "products", "latency ns", "energy nJ"]
    rows = [
        [
            layer.layer, f"{layer.rows}x{layer.columns}", str(layer.tiles), f"{layer.vectors:,}",
            f"{layer.latency_ns:,.0f}", f"{layer.energy_nj:,.1f}",
        ]
        for layer in line.layers
    ]  # fmt: skip
    return table(columns, rows)


def _accuracy(study: NetworksStudy) -> str:
    head = (
        f"Trained here ({plural(study.epochs, 'epoch')} in FP32, then for the chip; "
        f"{plural(study.seeds, 'seed')}, {plural(study.chips, 'chip')} each). The publication "
        "trained larger sets, so losses compare, not levels:"
    )
    columns = ["network", "weights", "trained on", "", "FP32", "8 bits", "one device",
               "two devices", "loss one", "loss two"]  # fmt: skip
    rows: list[list[str]] = []
    for line in study.accuracy:
        ours = (line.fp, line.quantised, line.one, line.two)
        rows.append(
            [_NAMES[line.task], f"{line.weights:,}", line.data, "ours"]
            + [_spread(line.task, s) for s in ours]
            + _losses(line.task, [s.mean for s in ours])
        )
        theirs = [_figure(line.task, value) for value in line.published]
        rows.append(["", "", "", "published", *theirs, *_losses(line.task, line.published)])
    return f"{head}\n{table(columns, rows)}"


def _losses(task: Task, values: Sequence[float]) -> list[str]:
    """Of one and of two devices against FP32: points, or bits a character."""
    fp, _, one, two = values
    if task == "images":
        return [f"{100 * (fp - v):.2f}" for v in (one, two)]
    return [f"{v - fp:.3f}" for v in (one, two)]


def _spread(task: Task, found: Spread) -> str:
    deviation = "" if math.isnan(found.deviation) else f" ± {_figure(task, found.deviation)}"
    return f"{_figure(task, found.mean)}{deviation}"


def _figure(task: Task, value: float) -> str:
    return f"{100 * value:.2f} %" if task == "images" else f"{value:.3f}"
