"""What one run told: accuracy, time, energy, and on what numbers they rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import Mode
from hermesrt.cost import Cost
from hermesrt.device import Method
from hermesrt.facts.cost import cost_facts, cost_json
from hermesrt.facts.fact import Fact, aligned
from hermesrt.frame import frame
from hermesrt.units import PS_PER_NS, duration, percent, si

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class OutputReport:
    """One output over all samples.

    shape: sizes, the samples first; empty for a scalar.
    relative_error: ||y - reference|| / ||reference|| where the FP32 result is finite.
    nonfinite_rows: rows with NaN or infinity on the chip.
    nonfinite_reference_rows: rows with NaN or infinity in FP32.
    """

    shape: tuple[int, ...]
    relative_error: float
    nonfinite_rows: int = 0
    nonfinite_reference_rows: int = 0

    def fact(self, name: str) -> Fact:
        """Size and error in words."""
        shape = "x".join(map(str, self.shape)) or "scalar"
        error = f"relative error {self.relative_error:.3g}"
        return Fact(name, f"{shape}, {error} against FP32", error)

    def nonfinite_facts(self, name: str, samples: int) -> tuple[Fact, ...]:
        """How many rows are not finite; nothing where all are."""
        if not self.nonfinite_rows and not self.nonfinite_reference_rows:
            return ()
        count = f"NaN or infinity in {self.nonfinite_rows:,} of {samples:,} rows"
        exact = f"{self.nonfinite_reference_rows:,} in FP32"
        told = f"{count} on the chip, {exact}: left out of the error, never a right class"
        return (Fact(name, told, count),)


@dataclass(frozen=True, slots=True, repr=False)
class RunReport:
    """All that `hermesc run` reports; `str()` of it is the terminal summary.

    artifact: the program that ran.
    method: how its weights were written.
    seed: of everything random about the device.
    age_s: time since programming, s.
    mode: the read mode of all layers, or None for each one's own.
    ideal: whether every non-ideality was off.
    samples: how many.
    outputs: shape and error of each output, by name.
    accuracy: share of right classes on the chip; None without labels or classes.
    reference_accuracy: the same in FP32.
    cost: time and energy of one sample.
    layers: relative error of each layer's outputs, by label, where it was looked at.
    """

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
    layers: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        told = [f"seed {self.seed}", duration(self.age_s)]
        if self.accuracy is not None:
            told.append(f"accuracy {percent(self.accuracy)}")
        told.append(
            f"{si(self.cost.latency_ps * 1e-12, 's')}, {si(self.cost.energy_pj * 1e-12, 'J')}"
        )
        return f"<RunReport {self.artifact.manifest.name}: {', '.join(told)}>"

    def _repr_html_(self) -> str:
        from hermesrt.report.notebook import facts_html, plan_html  # views stand above

        return facts_html(self.facts) + plan_html(self.artifact)

    def to_frame(self) -> "DataFrame":
        """One line: how it ran, accuracy, the outputs' errors, time and energy of a sample.

        Raises: InputError without pandas.
        """
        return frame([self.row()])

    def row(self) -> dict[str, Any]:
        """The figures of the run, by name; times in ns, energies in nJ."""
        errors = {f"{name}_relative_error": o.relative_error for name, o in self.outputs.items()}
        return {
            "program": self.artifact.manifest.name,
            "chip": self.artifact.chip.name,
            "method": "ideal" if self.ideal else self.method,
            "seed": self.seed,
            "age_s": self.age_s,
            "mode": self.read_mode,
            "samples": self.samples,
            "accuracy": self.accuracy,
            "reference_accuracy": self.reference_accuracy,
            **errors,
            "latency_ns": self.cost.latency_ps / PS_PER_NS,
            "interval_ns": self.cost.interval_ps / PS_PER_NS,
            "energy_nj": self.cost.energy_pj / 1000,
            "cores_used": len(self.artifact.cores),
        }

    @property
    def read_mode(self) -> str:
        """The read mode, or `mixed` where layers have modes of their own."""
        return read_mode(self.artifact, self.mode)

    def to_json(self) -> dict[str, Any]:
        """Plain data under the command line's fixed names; times in ns, energies in nJ."""
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
            **cost_json(self.artifact, self.cost),
        }

    @property
    def result_facts(self) -> tuple[Fact, ...]:
        """What ran, how, and how good the outputs are."""
        artifact, count = self.artifact, f"{self.samples:,}"
        program = f"{artifact.manifest.name} on {artifact.chip.name}"
        one = "" if self.ideal else "; one chip, --draws 20 shows how chips differ"
        return (
            Fact("Program", f"{program}, seed {self.seed}{one}", program),
            self._weights(),
            Fact("Samples", count, count),
            *self._accuracy(),
            *(output.fact(name) for name, output in self.outputs.items()),
            *(
                fact
                for name, output in self.outputs.items()
                for fact in output.nonfinite_facts(name, self.samples)
            ),
        )

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All that the run told: results, then time and energy of one sample."""
        return (*self.result_facts, *cost_facts(self.artifact, self.cost))

    def _weights(self) -> Fact:
        if self.ideal:
            return Fact("Weights", "ideal: every non-ideality off", "ideal")
        kind = f"{self.method} weights"
        age = f"{duration(self.age_s)} after programming"
        return Fact("Weights", f"{kind}, {age}, {self.read_mode} reads", kind)

    def _accuracy(self) -> tuple[Fact, ...]:
        if self.accuracy is None or self.reference_accuracy is None:
            return ()
        chip, exact = percent(self.accuracy), percent(self.reference_accuracy)
        drop = 100 * (self.accuracy - self.reference_accuracy)
        text = f"{chip} on the chip, {exact} in FP32 ({drop:+.1f} points)"
        return (Fact("Accuracy", text, chip),)

    def __str__(self) -> str:
        return aligned(self.facts)


def read_mode(artifact: Artifact, mode: Mode | None) -> str:
    """The read mode in force: the one given, all layers' own, or `mixed`."""
    modes = {mode} if mode else {m.mode for m in artifact.manifest.matrices}
    return "mixed" if len(modes) > 1 else next(iter(modes), None) or "4-phase"
