"""What `hermesc program` reports: a programmed chip, before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hermesrt.program import Chip
from hermesrt.programming.outcome import ProgrammingOutcome, mean_error


@dataclass(frozen=True)
class ProgrammingReport:
    """A programmed chip with its MVM errors by core; `str()` of it is the terminal summary.

    chip: as it is now.
    before: MVM error of each core before, by its number.
    errors: the same afterwards.
    wall_seconds: time that it took on this machine, s.
    """

    chip: Chip
    before: Mapping[int, float]
    errors: Mapping[int, float]
    wall_seconds: float

    @property
    def outcome(self) -> ProgrammingOutcome:
        """What it came to, whatever was before."""
        return outcome_of(self.chip, self.errors)

    def to_json(self) -> dict[str, Any]:
        """Plain data under the command line's fixed names; times in s, energies in J."""
        outcome = self.outcome
        result: dict[str, Any] = {
            "method": outcome.method,
            "seed": outcome.seed,
            "mvm_error_before": mean_error(self.before),
            "mvm_error_after": outcome.mean_error,
            "seconds": self.wall_seconds,
            "cores": [{"core": c, "mvm_error": e} for c, e in outcome.errors.items()],
        }
        lifetime = outcome.lifetime
        if lifetime is not None:
            result["lifetime_years"] = lifetime.years
            result["pulses_a_device"] = lifetime.pulses
        counts = outcome.counts
        if counts is None:
            return result
        return result | {
            "pulses": counts.pulses,
            "verify_reads": counts.reads,
            "mvms": counts.mvms,
            "chip_seconds": outcome.chip_seconds,
            "chip_joules": outcome.chip_joules,
            "iterations": [
                {"phase": i.phase, "mvm_errors": list(i.mvm_errors)} for i in outcome.iterations
            ],
        }

    def __str__(self) -> str:
        weights, error, *effort = self.outcome.facts
        lines = [weights.text, f"{error.name} {error.text}; {self.wall_seconds:.1f} s"]
        return "\n".join([*lines, *(f"{fact.name}: {fact.text}" for fact in effort)])


def outcome_of(chip: Chip, errors: Mapping[int, float]) -> ProgrammingOutcome:
    """A chip's programming with its MVM errors, which were measured before."""
    return ProgrammingOutcome(
        chip=chip.device.chip,
        method=chip.method,
        seed=chip.device.seed,
        errors=errors,
        chips=chip.compiled.artifact.manifest.chips,
        iterations=chip.iterations,
    )
