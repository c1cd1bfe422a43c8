"""What a placement is to be good at, and who looks for it."""

from dataclasses import dataclass
from typing import Literal

from hermesrt.chip.spec import limits

Objective = Literal["balanced", "cores", "latency", "throughput", "energy", "accuracy"]


@dataclass(frozen=True, slots=True)
class PlaceOptions:
    """The aim, the solver, and what it may use.

    objective: what is to be least. `balanced` is the latency without copies, finer tiles or 1-phase
        reads, on as few cores as that allows.
    solver: `heuristic`, `exact`, or `auto`.
    seconds: limit of the exact solver, in its own deterministic count.
    seed: of its search.
    chips: how many may be used.
    copies: the most of one matrix, made for `latency` and `throughput` only.
    """

    objective: Objective = "balanced"
    solver: Literal["auto", "heuristic", "exact"] = "auto"
    seconds: float = limits(0.01, 86400.0, 0.25)
    seed: int = limits(0, 2**31 - 1, 0)
    chips: int = limits(1, 4096, 1)
    copies: int = limits(1, 4096, 16)
