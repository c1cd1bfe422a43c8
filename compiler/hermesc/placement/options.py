"""What a placement is to be good at, who looks for it, and what single layers are to be."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from hermesrt.chip.spec import MODES, Mode, limits
from hermesrt.errors import OptionError
from hermesrt.nearest import did_you_mean

_LAYERS = "layers."
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
    cut: over several chips whole layers one after the other (`pipeline`), shares of every layer's
        columns (`columns`), or whichever lets less cross between them (`auto`).
    """

    objective: Objective = "balanced"
    solver: Literal["auto", "heuristic", "exact"] = "auto"
    seconds: float = limits(0.01, 86400.0, 0.25)
    seed: int = limits(0, 2**31 - 1, 0)
    chips: int = limits(1, 4096, 1)
    copies: int = limits(1, 4096, 16)
    cut: Literal["auto", "pipeline", "columns"] = "auto"


@dataclass(frozen=True, slots=True)
class LayerOptions:
    """What single layers are to be, by their labels or patterns of them; the last one counts.

    modes: pairs of a pattern, as file names have them, and the read mode.
    """

    modes: tuple[tuple[str, Mode], ...] = ()

    def mode(self, labels: Collection[str], otherwise: Mode) -> Mode:
        """The read mode of a matrix that layers of these labels use."""
        for pattern, mode in reversed(self.modes):
            if any(fnmatchcase(label, pattern) for label in labels):
                return mode
        return otherwise

    def check(self, labels: Collection[str]) -> None:
        """Refuse a pattern that is of no layer.

        Raises: OptionError.
        """
        for pattern, _ in self.modes:
            if not any(fnmatchcase(label, pattern) for label in labels):
                raise OptionError(
                    f"--set layers.{pattern}.mode: there is no such layer"
                    f"{did_you_mean(pattern, labels)}; on crossbars are "
                    f"{', '.join(sorted(labels)) or 'none'}"
                )


def split_layers(
    settings: Sequence[tuple[str, str]],
) -> tuple[list[tuple[str, str]], LayerOptions]:
    """Settings such as ("layers.head.mode", "1-phase") apart from all others.

    Raises: OptionError for what a layer does not have.
    """
    rest, modes = [], []
    for key, value in settings:
        if not key.startswith(_LAYERS):
            rest.append((key, value))
            continue
        pattern, _, name = key.removeprefix(_LAYERS).rpartition(".")
        if not pattern or name != "mode":
            raise OptionError(
                f"--set {key}: of single layers there is layers.LAYER.mode, where LAYER is a label "
                "such as head, or a pattern such as enc.*"
            )
        if value not in MODES:
            raise OptionError(f"--set {key}={value}: must be one of {', '.join(MODES)}")
        modes.append((pattern, value))
    return rest, LayerOptions(tuple(modes))
