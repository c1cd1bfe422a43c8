"""What a placement is to be good at, who looks for it, and what single layers are to be."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar, get_type_hints

from hermesrt.artifact.schema import AS_RUN, LayerMethod
from hermesrt.chip.fields import Fill
from hermesrt.chip.spec import Mode, limits
from hermesrt.errors import OptionError
from hermesrt.files.typed import parsed
from hermesrt.nearest import did_you_mean

_LAYERS = "layers."
T = TypeVar("T", bound=Any)
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
class TileOptions:
    """Over how many matrices a weight is spread (bit slicing, `hermesrt.chip.slices`).

    slices: how many; each has its own devices, and their outputs are added.
    slice_weights: equal significances, which average errors best, or falling ones.
    slice_base: of falling significances, how much each counts less than the one before.
    slice_fill: `equal`: every slice holds the weight; `max`: one is filled before the next;
        `corrected`: likewise, and what was written wrong is corrected by the later ones.
    """

    slices: int = limits(1, 64, 1)
    slice_weights: Literal["equal", "significance"] = "equal"
    slice_base: float = limits(1.0, 256.0, 2.0)
    slice_fill: Fill = "equal"

    @property
    def base(self) -> float:
        """How much a slice counts more than the next."""
        return 1.0 if self.slice_weights == "equal" else self.slice_base


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a layer's arrays are read.

    mode: in one phase or in four; as the objective of the placement wants it, where it is not said.
    """

    mode: Mode = "4-phase"


@dataclass(frozen=True, slots=True)
class CellOptions:
    """What a layer's cells are like, and how they are written; such layers have cores of their own.

    devices: of a polarity, 1 or 2; 0 for as many as the chip's cells use.
    method: how they are programmed, whatever `hermesc run --method` says.
    """

    devices: int = limits(0, 2, 0)
    method: LayerMethod = AS_RUN


LayerSetting = tuple[str, str, str | int | float]


@dataclass(frozen=True, slots=True)
class LayerOptions:
    """What single layers are to be, by their labels or patterns of them; the last one counts.

    said: a pattern, as file names have them, the name of an option and its value, each.
    """

    said: tuple[LayerSetting, ...] = ()

    def applied(self, labels: Collection[str], options: T) -> T:
        """Options as a matrix has them that layers of these labels use."""
        known = {f.name for f in fields(options)}
        found = {
            name: value
            for pattern, name, value in self.said
            if name in known and any(fnmatchcase(label, pattern) for label in labels)
        }
        return replace(options, **found)

    def mode(self, labels: Collection[str], otherwise: Mode) -> Mode:
        """The read mode of a matrix that layers of these labels use."""
        return self.applied(labels, ReadOptions(otherwise)).mode

    def check(self, labels: Collection[str]) -> None:
        """Refuse a pattern that is of no layer.

        Raises: OptionError.
        """
        for pattern, name, _ in self.said:
            if not any(fnmatchcase(label, pattern) for label in labels):
                raise OptionError(
                    f"--set layers.{pattern}.{name}: there is no such layer"
                    f"{did_you_mean(pattern, labels)}; on crossbars are "
                    f"{', '.join(sorted(labels)) or 'none'}"
                )


def split_layers(
    settings: Sequence[tuple[str, str]], kinds: Sequence[type] = (ReadOptions, TileOptions)
) -> tuple[list[tuple[str, str]], LayerOptions]:
    """Settings such as ("layers.head.mode", "1-phase") apart from all others; `kinds` hold the
    options that single layers have.

    Raises: OptionError for what a layer does not have.
    """
    known = {f.name: (get_type_hints(kind)[f.name], f) for kind in kinds for f in fields(kind)}
    rest, said = [], []
    for key, text in settings:
        if not key.startswith(_LAYERS):
            rest.append((key, text))
            continue
        pattern, _, name = key.removeprefix(_LAYERS).rpartition(".")
        if not pattern or name not in known:
            raise OptionError(
                f"--set {key}: of single layers there is layers.LAYER.NAME, where LAYER is a label "
                "such as head, or a pattern such as enc.*, and NAME is one of "
                f"{', '.join(known)}{did_you_mean(name, known)}"
            )
        hint, option = known[name]
        said.append((pattern, name, parsed(key, text, hint, option.metadata)))
    return rest, LayerOptions(tuple(said))
