"""Accuracy of one trained network against the age of its chip, by what is done about drift.

The shape of Chen et al., Nature Communications 16, 8661 (2025), Fig. 4: a transformer with shared
layers on a PCM chip in 14 nm lost 1.8 points when it was programmed (4.4 more where it was not
trained with noise), about 5 % over 30 days, and less than 1 % where it was recalibrated. Their
weights and fine-tuned models are not public, so the network here is a small one of the same kind on
other data: the shape is comparable, the points are not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch

import hermesc
from hermesc.studies.ageing.model import Digits, SharedTransformer, accuracy, digits, trained
from hermesrt.chip.load import changed, load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Method
from hermesrt.report.text.terminal import table
from hermesrt.units import duration, plural

AGES_S = (0.0, 3600.0, 86400.0, 7 * 86400.0, 30 * 86400.0)
NOISE = 0.05  # in training, of each matrix's largest weight; assumed
_EXAMPLES, _CALIBRATION = 8, 512
_TREATMENTS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("nothing", (("effects.drift_compensation", "off"),)),
    ("a factor a tile", (("drift_reference.reference", "products"),)),
    ("every column again", (("drift_reference.reference", "columns"),)),
)


@dataclass(frozen=True, slots=True)
class AgeingLine:
    """Mean accuracy over chips, by age, of one network under one treatment.

    training: with noise or without.
    treatment: what is done about drift.
    reference: accuracy in FP32.
    accuracies: on the chip at AGES_S.
    """

    training: str
    treatment: str
    reference: float
    accuracies: tuple[float, ...]

    @property
    def drop(self) -> float:
        """Accuracy in FP32 less that of newly programmed chips."""
        return self.reference - self.accuracies[0]

    @property
    def lost(self) -> float:
        """What is lost from then to the last age."""
        return self.accuracies[0] - self.accuracies[-1]


@dataclass(frozen=True, slots=True)
class AgeingStudy:
    """A finished study; `str()` of it is the terminal's text.

    chip: its name.
    seeds: chips averaged.
    method: how weights were programmed.
    lines: one for each training and treatment.
    """

    chip: str
    seeds: int
    method: Method
    lines: tuple[AgeingLine, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data; ages in s, accuracies as shares."""
        return {
            "chip": self.chip,
            "seeds": self.seeds,
            "method": self.method,
            "ages_s": list(AGES_S),
            "lines": [
                {
                    "training": line.training,
                    "treatment": line.treatment,
                    "reference_accuracy": line.reference,
                    "accuracies": list(line.accuracies),
                    "drop": line.drop,
                    "lost": line.lost,
                }
                for line in self.lines
            ],
        }

    def __str__(self) -> str:
        rows = [
            (
                line.training,
                line.treatment,
                f"{100 * line.reference:.1f}",
                *(f"{100 * a:.1f}" for a in line.accuracies),
                f"{-100 * line.drop:+.1f}",
                f"{-100 * line.lost:+.1f}",
            )
            for line in self.lines
        ]
        ages = (duration(age) for age in AGES_S)
        header = ("trained", "about drift", "FP32", *ages, "programmed", f"{duration(AGES_S[-1])}")
        return "\n".join(
            [
                f"A small transformer with a shared layer on {self.chip}, {self.method} weights, "
                f"mean of {plural(self.seeds, 'chip')}: accuracy in per cent,",
                "what programming costs and what ageing costs beyond it, in points:",
                table(header, rows),
                "Published for ALBERT on a chip of 14 nm (Chen et al. 2025): -1.8 when programmed "
                "(4.4 points more without noise in",
                "training), about -5 % over 30 days without and less than -1 % with recalibration.",
            ]
        )


def study_ageing(
    chip: str | ChipSpec = "pcm-14nm",
    seeds: int = 5,
    method: Method = "published",
    progress: Callable[[int, int], None] | None = None,
) -> AgeingStudy:
    """Accuracy of a small transformer against the age of its chip, with and without recalibration.

    chip: a name, or a TOML file's path.
    seeds: chips to average.
    method: how weights are programmed.
    progress: gets the networks under a treatment that are done, and all of them.
    Raises: ChipError, CapacityError.
    """
    spec, data = load_chip(chip) if isinstance(chip, str) else chip, digits()
    networks = {"without noise": trained(data, 0.0), "with noise": trained(data, NOISE)}
    lines: list[AgeingLine] = []
    for training, model in networks.items():
        for line in _lines(model, data, spec, seeds, method):
            lines.append(replace(line, training=training))
            if progress is not None:
                progress(len(lines), len(networks) * len(_TREATMENTS))
    return AgeingStudy(spec.name, seeds, method, tuple(lines))


def _lines(
    model: SharedTransformer, data: Digits, chip: ChipSpec, seeds: int, method: Method
) -> Iterator[AgeingLine]:
    """Of one network, treatment by treatment."""
    with torch.no_grad():
        reference = accuracy(model(data.test), data.test_labels)
    calibration = data.train[:_CALIBRATION]
    program = hermesc.compile(model, calibration[:_EXAMPLES], chip=chip, calibration=calibration)
    for treatment, settings in _TREATMENTS:
        treated = changed(chip, settings)
        chips = [program.deploy(hermesc.simulate(treated, seed), method) for seed in range(seeds)]
        found = [_mean(chips, age, data) for age in AGES_S]
        yield AgeingLine("", treatment, reference, tuple(found))


def _mean(chips: Sequence[Any], age_s: float, data: Digits) -> float:
    return fmean(
        accuracy(chip.configure(age_s=age_s)(data.test), data.test_labels) for chip in chips
    )
