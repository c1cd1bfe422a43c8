"""What programming a chip came to: errors by core, and what it took, in numbers and in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Method
from hermesrt.facts.fact import Fact
from hermesrt.programming.cost import joules, seconds
from hermesrt.programming.endurance import Lifetime, lifetime
from hermesrt.programming.loop import Iteration
from hermesrt.programming.session import OperationCounts
from hermesrt.units import percent, plural, si


@dataclass(frozen=True)
class ProgrammingOutcome:
    """A programmed chip.

    chip: its description.
    method: how the weights were written.
    seed: of everything random about the device.
    errors: MVM error of each core in use, by its number.
    chips: that the program may use.
    iterations: how it went; none where nothing was programmed pulse by pulse.
    """

    chip: ChipSpec
    method: Method
    seed: int
    errors: Mapping[int, float]
    chips: int
    iterations: tuple[Iteration, ...]

    @property
    def mean_error(self) -> float:
        """The cores' mean MVM error."""
        return mean_error(self.errors)

    @property
    def worst_core(self) -> int | None:
        """The core of largest MVM error, if any is in use."""
        return max(self.errors, key=lambda core: self.errors[core], default=None)

    @property
    def counts(self) -> OperationCounts | None:
        """All pulses, reads and MVMs; None where nothing was programmed pulse by pulse."""
        return self.iterations[-1].counts if self.iterations else None

    @property
    def chip_seconds(self) -> float:
        """Time on the chip without control overhead, s."""
        return seconds(self.chip, self.counts, len(self.errors)) if self.counts else 0.0

    @property
    def chip_joules(self) -> float:
        """Energy of all cores, J."""
        return joules(self.chip, self.counts) if self.counts else 0.0

    @property
    def lifetime(self) -> Lifetime | None:
        """What it takes of the devices' endurance; None where nothing was written."""
        return lifetime(self.chip, self.method, len(self.iterations))

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Weights, errors, and what it took where it was done pulse by pulse."""
        kind = f"{self.method} weights"
        cores = plural(len(self.errors), "core")
        return (
            Fact("Weights", f"{cores}, {kind}, seed {self.seed}", kind),
            self._error(),
            *self._effort(),
            *self._lifetime(),
        )

    def _error(self) -> Fact:
        mean, worst = percent(self.mean_error), self.worst_core
        text = ""
        if worst is not None:
            chip, local = divmod(worst, self.chip.cores)
            name = f"core {worst}" if self.chips == 1 else f"chip {chip}, core {local}"
            text = f" (worst: {name}, {percent(self.errors[worst])})"
        return Fact("MVM error", mean + text, mean)

    def _effort(self) -> tuple[Fact, ...]:
        if self.counts is None:
            return ()
        pulses = f"{self.counts.pulses:,} pulses"
        text = (
            f"{pulses} and {self.counts.reads:,} verify reads in "
            f"{plural(len(self.iterations), 'iteration')}, "
            f"{si(self.chip_seconds, 's')} without control overhead, "
            f"{si(self.chip_joules, 'J')}; the pulses' errors (`hermesc chips`, "
            "write_noise) and the method's own settings are assumed"
        )
        return (Fact("On the chip", text, pulses),)

    def _lifetime(self) -> tuple[Fact, ...]:
        found = self.lifetime
        if found is None:
            return ()
        years = f"{found.years:,.0f} years"
        text = (
            f"{years} at one programming a day: at most {plural(found.pulses, 'pulse')} a device "
            f"each time, of {found.cycles:.0e} cycles (assumed)"
        )
        return (Fact("Lifetime", text, years),)


def mean_error(errors: Mapping[int, float]) -> float:
    """The mean MVM error of cores; 0 of none."""
    return fmean(errors.values()) if errors else 0.0
