"""How programming went: the MVM errors by iteration, of each core and in the mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from hermesrt.programming.loop import Iteration, Phase
from hermesrt.programming.outcome import mean_error


@dataclass(frozen=True, slots=True)
class PhaseCurve:
    """The cores' mean error during one phase; it begins at the point before the phase.

    phase: which.
    first: the number of its first point's iteration.
    means: mean MVM error of the cores at each point.
    """

    phase: Phase
    first: int
    means: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Convergence:
    """The curves of a programming.

    cores: MVM error by iteration, for each core, [cores][iterations].
    phases: the cores' mean, phase by phase.
    """

    cores: tuple[tuple[float, ...], ...]
    phases: tuple[PhaseCurve, ...]


def convergence(iterations: Sequence[Iteration]) -> Convergence:
    """The curves of each core and of each phase."""
    means = [mean_error(dict(enumerate(i.mvm_errors))) for i in iterations]
    phases = []
    for phase in dict.fromkeys(i.phase for i in iterations):
        at = [number for number, i in enumerate(iterations) if i.phase == phase]
        first = max(0, at[0] - 1)
        phases.append(PhaseCurve(phase, first, tuple(means[first : at[-1] + 1])))
    return Convergence(tuple(zip(*(i.mvm_errors for i in iterations), strict=True)), tuple(phases))
