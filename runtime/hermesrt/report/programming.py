"""What programming a chip told."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from hermesc.units import percent, plural, si
from hermesrt.program import Chip
from hermesrt.programming.price import joules, seconds


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
        effort, spec = self.chip.iterations[-1].effort, self.chip.device.chip
        return result | {
            "pulses": effort.pulses,
            "verify_reads": effort.reads,
            "mvms": effort.mvms,
            "chip_seconds": seconds(spec, effort, len(self.errors)),
            "chip_joules": joules(spec, effort),
            "iterations": [
                {"move": i.move, "mvm_errors": list(i.mvm_errors)} for i in self.chip.iterations
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
            effort, spec = self.chip.iterations[-1].effort, self.chip.device.chip
            lines.append(
                f"On the chip: {effort.pulses:,} pulses, "
                f"{si(seconds(spec, effort, len(self.errors)), 's')} without control overhead, "
                f"{si(joules(spec, effort), 'J')}; the pulses' errors (`hermesc chips`, "
                "write_noise) and the method's own settings are assumed"
            )
        return "\n".join(lines)


def _mean(errors: Mapping[int, float]) -> float:
    return fmean(errors.values()) if errors else 0.0
