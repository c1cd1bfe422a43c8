"""What several chips of one program told, each read at several ages."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermesrt.cost import Cost
from hermesrt.facts.cost import cost_facts, cost_json
from hermesrt.facts.fact import Fact
from hermesrt.frame import frame
from hermesrt.run_report import RunReport
from hermesrt.spread import Interval, Spread, share_interval, spread_of
from hermesrt.units import PS_PER_NS, percent, si

if TYPE_CHECKING:
    from pandas import DataFrame

_NONE = float("inf")


@dataclass(frozen=True, slots=True)
class AgeSpread:
    """All chips at one age.

    age_s: time since programming, s.
    accuracy: share of right classes; None without labels or classes.
    test_set: what the number of samples leaves open of the mean accuracy; None without.
    outputs: the relative error of each output, by name.
    layers: that of each layer's outputs, with what reaches it from the layers before, by label.
    """

    age_s: float
    accuracy: Spread | None
    test_set: Interval | None
    outputs: Mapping[str, Spread]
    layers: Mapping[str, Spread]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        found = None if self.accuracy is None else self.accuracy.to_json()
        if found is not None and self.test_set is not None:
            found["test_set_interval"] = list(self.test_set)
        outputs = {name: {"relative_error": s.to_json()} for name, s in self.outputs.items()}
        layers = {name: {"relative_error": s.to_json()} for name, s in self.layers.items()}
        return {"age_s": self.age_s, "accuracy": found, "outputs": outputs, "layers": layers}


@dataclass(frozen=True, slots=True, repr=False)
class SpreadReport:
    """Accuracy and error of several chips at several ages; `str()` of it is the terminal's text.

    runs: by chip, then by age; all of one program, and at the same ages.
    assumed: cost with every assumed constant at half of its value, and at twice.
    """

    runs: tuple[tuple[RunReport, ...], ...]
    assumed: tuple[Cost, Cost]

    def __repr__(self) -> str:
        name = self.first.artifact.manifest.name
        return f"<SpreadReport {name}, {len(self.runs)} chips at {len(self.runs[0])} ages>"

    def _repr_html_(self) -> str:
        from hermesrt.report.notebook import text_html  # views stand above

        return text_html(str(self))

    def to_frame(self) -> "DataFrame":
        """One line a chip and age.

        Raises: InputError without pandas.
        """
        return frame(self.rows())

    @property
    def first(self) -> RunReport:
        """The first chip's, at the first age."""
        return self.runs[0][0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the chips."""
        return tuple(chip[0].seed for chip in self.runs)

    @property
    def ages(self) -> tuple[AgeSpread, ...]:
        """The spread at each age."""
        return tuple(self._at(list(runs)) for runs in zip(*self.runs, strict=True))

    def _at(self, runs: Sequence[RunReport]) -> AgeSpread:
        accuracies = [r.accuracy for r in runs if r.accuracy is not None]
        accuracy = test_set = None
        if len(accuracies) == len(runs):
            accuracy = spread_of(accuracies, self.seeds, worst="least", bounds=(0.0, 1.0))
            test_set = share_interval(accuracy.mean, runs[0].samples)
        outputs = {
            name: self._errors([r.outputs[name].relative_error for r in runs])
            for name in runs[0].outputs
        }
        layers = {name: self._errors([r.layers[name] for r in runs]) for name in runs[0].layers}
        return AgeSpread(runs[0].age_s, accuracy, test_set, outputs, layers)

    def _errors(self, found: Sequence[float]) -> Spread:
        return spread_of(found, self.seeds, worst="largest", bounds=(0.0, _NONE))

    def rows(self) -> list[dict[str, Any]]:
        """One row a chip and age, as a table of data has them."""
        return [_row(run) for chip in self.runs for run in chip]

    def to_csv(self) -> str:
        """The rows as CSV."""
        rows, text = self.rows(), io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def to_json(self) -> dict[str, Any]:
        """Plain data under the command line's names; times in ns, energies in nJ."""
        first = self.first
        return {
            "chip": first.artifact.chip.name,
            "method": first.method,
            "draws": len(self.runs),
            "seeds": list(self.seeds),
            "mode": first.read_mode,
            "samples": first.samples,
            "reference_accuracy": first.reference_accuracy,
            "ages": [age.to_json() for age in self.ages],
            "rows": self.rows(),
            "assumed_range": {
                "latency_ns": [c.latency_ps / PS_PER_NS for c in self.assumed],
                "energy_nj": [c.energy_pj / 1000 for c in self.assumed],
            },
            **cost_json(first.artifact, first.cost),
        }

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What ran, and how many chips; then time and energy of one sample."""
        first, count = self.first, len(self.runs)
        program = f"{first.artifact.manifest.name} on {first.artifact.chip.name}"
        seeds = f"seeds {self.seeds[0]} to {self.seeds[-1]}"
        exact = first.reference_accuracy
        return (
            Fact("Program", f"{program}, {count} chips, {seeds}", program),
            Fact("Weights", f"{first.method} weights, {first.read_mode} reads"),
            Fact("Samples", f"{first.samples:,}"),
            *([] if exact is None else [Fact("FP32", f"{percent(exact)} right")]),
            *cost_facts(first.artifact, first.cost),
            self._assumed(),
        )

    def _assumed(self) -> Fact:
        """What the assumed constants leave open, all together."""
        times = [si(c.latency_ps * 1e-12, "s") for c in self.assumed]
        energies = [si(c.energy_pj * 1e-12, "J") for c in self.assumed]
        text = (
            f"latency {times[0]} to {times[1]}, energy {energies[0]} to {energies[1]} with every "
            "assumed constant at half and at twice its value"
        )
        return Fact("Range", text)

    def __str__(self) -> str:
        from hermesrt.report.text.spread import spread_text  # views stand above what they show

        return spread_text(self)


def _row(run: RunReport) -> dict[str, Any]:
    errors = {f"{name}_relative_error": o.relative_error for name, o in run.outputs.items()}
    return {"seed": run.seed, "age_s": run.age_s, "accuracy": run.accuracy} | errors
