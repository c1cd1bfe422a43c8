"""How long devices last that are programmed again and again.

Each pulse is taken as one cycle of a device's endurance, which is careful: a cycle is a SET and a
RESET. So is the number of pulses: that of a device which gets one in every round.
"""

from dataclasses import dataclass

from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Method

_START = 3  # RESET, SET, and RESET again of the device that is not tuned
_AGAIN = {"oneshot": 1}  # RESET before the one pulse
_DAYS_A_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Lifetime:
    """What programming takes of the devices' endurance.

    pulses: that a device gets at most in one programming.
    cycles: that a device endures.
    """

    pulses: int
    cycles: float

    @property
    def programmings(self) -> float:
        """How many times the weights can be written."""
        return self.cycles / self.pulses

    @property
    def years(self) -> float:
        """At one programming a day."""
        return self.programmings / _DAYS_A_YEAR


def lifetime(chip: ChipSpec, method: Method, rounds: int) -> Lifetime | None:
    """The devices' lifetime under a method of so many rounds, the first of them its start.

    None where nothing is written, or the chip does not say what its devices endure. The published
    end state is that of the chip's own program-and-verify, and takes its rounds.
    """
    if chip.endurance is None or method == "ideal":
        return None
    if method == "published":
        rounds = 1 + chip.programming_pulses.iterations
    return Lifetime(_START + _AGAIN.get(method, 0) + rounds - 1, chip.endurance.cycles)
