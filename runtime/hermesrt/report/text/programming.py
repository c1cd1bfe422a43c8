"""What programming a chip told."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from hermesrt.program import Chip
from hermesrt.programming.cost import joules, seconds
from hermesrt.units import percent, plural, si


@dataclass(frozen=True)
class ProgrammingReport:
    """A programmed chip with its MVM errors by core, before and after."""

    chip: Chip
    before: Mapping[int, float]
    errors: Mapping[int, float]
    wall_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data under the command line's fixed names; times in s, energies in J."""
        result: dict[str, Any] = {
            "method": self.chip.method,
            "seed": self.chip.device.seed,
            "mvm_error_before": _mean(self.before),
            "mvm_error_after": _mean(self.errors),
            "seconds": self.wall_seconds,
            "cores": [{"core": c, "mvm_error": e} for c, e in self.errors.items()],
        }
        if not self.chip.iterations:
            return result
        counts, spec = self.chip.iterations[-1].counts, self.chip.device.chip
        return result | {
            "pulses": counts.pulses,
            "verify_reads": counts.reads,
            "mvms": counts.mvms,
            "chip_seconds": seconds(spec, counts, len(self.errors)),
            "chip_joules": joules(spec, counts),
            "iterations": [
                {"phase": i.phase, "mvm_errors": list(i.mvm_errors)} for i in self.chip.iterations
            ],
        }

    def __str__(self) -> str:
        worst = max(self.errors, key=lambda c: self.errors[c], default=None)
        text = "" if worst is None else f" (worst: core {worst}, {percent(self.errors[worst])})"
        count = plural(len(self.errors), "core")
        lines = [
            f"{count}, {self.chip.method} weights, seed {self.chip.device.seed}",
            f"MVM error {percent(_mean(self.errors))}{text}; {self.wall_seconds:.1f} s",
        ]
        if self.chip.iterations:
            counts, spec = self.chip.iterations[-1].counts, self.chip.device.chip
            lines.append(
                f"On the chip: {counts.pulses:,} pulses, "
                f"{si(seconds(spec, counts, len(self.errors)), 's')} without control overhead, "
                f"{si(joules(spec, counts), 'J')}; the pulses' errors (`hermesc chips`, "
                "write_noise) and the method's own settings are assumed"
            )
        return "\n".join(lines)


def _mean(errors: Mapping[int, float]) -> float:
    return fmean(errors.values()) if errors else 0.0
