"""What `hermesc study lra` tells: text and JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hermesc.studies.lra.mapping import MappingLine
from hermesc.studies.lra.tasks import ARENA, LEVELS, SizeName, Task
from hermesc.studies.statistics import Spread
from hermesrt.report.text.terminal import facts, table
from hermesrt.units import percent, plural

_PLACEMENTS = {
    "attention": "attention's projections",
    "all": "all weights, fewest cores",
    "spread": "all weights, spread",
}


@dataclass(frozen=True, slots=True)
class SeedScores:
    """Accuracies of one training, per cent.

    fp: trained in FP32.
    aware: trained for the chip, in FP32.
    attention: on each chip, of the model trained in FP32, attention's projections on crossbars.
    plain: the same, with all stationary weights on crossbars.
    chip: on each chip, of the model trained for it, all stationary weights on crossbars.
    steps: of the optimizer, in FP32 and for the chip.
    seconds: of both trainings.
    """

    fp: float
    aware: float
    attention: tuple[float, ...]
    plain: tuple[float, ...]
    chip: tuple[float, ...]
    steps: tuple[int, int]
    seconds: tuple[float, float]


@dataclass(frozen=True, slots=True)
class AccuracyLine:
    """One task's accuracies, per cent, ours over seeds and chips.

    task: of the arena.
    data: where the examples are from.
    recipe: of the training for the chip.
    length: tokens of a sequence.
    patch: pixels of a side of a token of an image.
    learned, tested: examples.
    epochs: in FP32.
    tuned: examples seen while it learned for the chip.
    chance: of the commonest class of the test.
    fp, aware, attention, plain, chip: as in `SeedScores`.
    published_fp, published_aware: of the public code, at the benchmark's size.
    seeds: every training.
    """

    task: Task
    data: str
    recipe: str
    length: int
    patch: int
    learned: int
    tested: int
    epochs: int
    tuned: int
    chance: float
    fp: Spread
    aware: Spread
    attention: Spread
    plain: Spread
    chip: Spread
    published_fp: float
    published_aware: float
    seeds: tuple[SeedScores, ...]


@dataclass(frozen=True, slots=True)
class LraStudy:
    """A finished study; `str()` of it is the terminal's text.

    chip: the chip's name.
    settings: words that chose its state.
    mode: the read mode.
    size: of the trainings.
    recipe: of the training for the chip.
    accuracy: of trained tasks; none where only the mapping was asked for.
    mapping: each placement, at the benchmark's length or a shorter one.
    chips: simulated for each training.
    kept: parts from before.
    seconds: that the study took.
    """

    chip: str
    settings: tuple[str, ...]
    mode: str
    size: SizeName
    recipe: str
    accuracy: tuple[AccuracyLine, ...]
    mapping: tuple[MappingLine, ...]
    chips: int
    kept: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The same as data; accuracies in per cent, times in ns, energies in nJ."""
        return asdict(self)

    def __str__(self) -> str:
        return _text(self)


def _text(study: LraStudy) -> str:
    kept = f"; {plural(study.kept, 'part')} kept from before" if study.kept else ""
    head = [
        ("Chip", " ".join([study.chip, *study.settings])),
        ("Reads", study.mode),
        ("Time", f"{study.seconds:.0f} s{kept}"),
    ]
    parts = [facts(head)]
    if study.accuracy:
        parts += [accuracy_text(study)]
    if study.mapping:
        parts += [mapping_text(study.mapping)]
    return "\n".join(parts)


def accuracy_text(study: LraStudy) -> str:
    """Accuracies, ours beside the published."""
    count = len(study.accuracy[0].seeds)
    head = (
        f"Accuracy in %, trained here at the size `{study.size}` ({plural(count, 'seed')}, "
        f"{plural(study.chips, 'chip')} each); `aware` learned for the chip by the recipe. "
        "Published: the benchmark's size, by the public code:"
    )
    columns = ["task", "recipe", "chance", "FP32", "attention on chip", "aware FP32",
               "aware on chip", "loss", "not aware on chip", "published FP32",
               "published aware"]  # fmt: skip
    rows = [
        [
            line.task, line.recipe, _number(line.chance), _spread(line.fp), _spread(line.attention),
            _spread(line.aware), _spread(line.chip), f"{line.fp.mean - line.chip.mean:+.2f}",
            _spread(line.plain), f"{line.published_fp:.2f}", f"{line.published_aware:.2f}",
        ]
        for line in study.accuracy
    ]  # fmt: skip
    tail = (
        "Loss: FP32 less aware on chip, in points. On the real chip the publication lost less than "
        "1 point; its accuracies there are not public."
    )
    return "\n".join([head, table(columns, rows), tail, "Trained on:", _sizes(study.accuracy)])


def _sizes(lines: Sequence[AccuracyLine]) -> str:
    columns = ["task", "examples", "tokens", "a token", "to learn", "to test", "epochs",
               "for the chip", "benchmark's tokens", "benchmark's examples"]  # fmt: skip
    rows = []
    for line in lines:
        arena, public = ARENA[line.task], ARENA[line.task].sizes["public"]
        pixels = f"{line.patch}x{line.patch} pixels" if line.patch > 1 else "a pixel"
        unit = "a byte" if arena.vocabulary == LEVELS else "a word"
        rows.append(
            [
                line.task, line.data, f"{line.length:,}", unit if arena.padded else pixels,
                f"{line.learned:,}", f"{line.tested:,}", str(line.epochs), f"{line.tuned:,}",
                f"{public.length:,}", f"{public.train:,}",
            ]
        )  # fmt: skip
    once = [row for i, row in enumerate(rows) if row not in rows[:i]]  # recipes share them
    return table(columns, once)


def mapping_text(lines: Sequence[MappingLine]) -> str:
    """Cores, time and energy of one example."""
    head = (
        "One example on the chip, and the same work on an A100 (INT8, a roofline; one example at a "
        "time, and at its peak). `unit`: the digital part in a vector unit that the chip does not "
        "have, instead of the host:"
    )
    columns = ["task", "tokens", "on crossbars", "cores", "published", "analog", "latency us",
               "unit", "A100", "peak", "energy uJ", "unit", "A100", "peak"]  # fmt: skip
    rows = [
        [
            n.task, f"{n.length:,}", _PLACEMENTS[n.placement], str(n.cores),
            str(n.published_cores or "-"), percent(n.analog_share), _amount(n.latency_ns),
            _amount(n.unit_ns), _amount(n.a100_ns), _amount(n.a100_peak_ns), _amount(n.energy_nj),
            _amount(n.unit_nj), _amount(n.a100_nj), _amount(n.a100_peak_nj),
        ]
        for n in lines
    ]  # fmt: skip
    return f"{head}\n{table(columns, rows)}"


def _amount(nano: float) -> str:
    """An amount in ns or nJ as us or uJ."""
    value = nano / 1e3
    return "-" if math.isnan(value) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _number(value: float) -> str:
    return f"{value:.1f}"


def _spread(found: Spread) -> str:
    deviation = "" if math.isnan(found.deviation) else f" ± {found.deviation:.2f}"
    return f"{found.mean:.2f}{deviation}"
