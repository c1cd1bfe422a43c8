"""What a search is good at, and how much of it a set of points covers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hermesc.studies.sweep.job import Figures
from hermesrt.errors import OptionError
from hermesrt.nearest import did_you_mean
from hermesrt.units import percent, si

Objective = Literal["accuracy", "error", "energy", "latency", "interval", "cores"]
OBJECTIVES: tuple[Objective, ...] = (
    "accuracy", "error", "energy", "latency", "interval", "cores",
)  # fmt: skip
Losses = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Aims:
    """The objectives of a search, each turned so that less is better.

    names: of the objectives.
    """

    names: tuple[Objective, ...]

    def losses(self, figures: Figures) -> Losses:
        """One number an objective, the less the better."""
        return tuple(_loss(name, figures) for name in self.names)

    def words(self, figures: Figures) -> tuple[str, ...]:
        """The same as a person reads them."""
        return tuple(_words(name, figures) for name in self.names)


def parse_aims(text: str | Sequence[str], *, labelled: bool) -> Aims:
    """The objectives of a text such as "accuracy,energy".

    Raises: OptionError for another one, none, one twice, or accuracy where nothing is classified.
    """
    names = [n.strip() for n in (text.split(",") if isinstance(text, str) else text)]
    for name in names:
        if name not in OBJECTIVES:
            raise OptionError(
                f"--objective {name}: there is no such objective{did_you_mean(name, OBJECTIVES)}; "
                f"give some of {', '.join(OBJECTIVES)}"
            )
    if len(set(names)) < len(names):
        raise OptionError(f"--objective {','.join(names)}: give each objective once")
    if "accuracy" in names and not labelled:
        raise OptionError(
            "--objective accuracy: there are no labels to compare with; give --inputs with an "
            "array `labels`, or --objective error,energy"
        )
    return Aims(tuple(names))  # type: ignore[arg-type]


def dominates(one: Losses, other: Losses) -> bool:
    """Whether a point is as good in everything, and better in something."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def front(points: Sequence[Losses]) -> list[int]:
    """The places of points that no other dominates; of equal ones the first."""
    return [
        i
        for i, mine in enumerate(points)
        if mine not in points[:i] and not any(dominates(other, mine) for other in points)
    ]


def hypervolume(points: Sequence[Losses], reference: Losses) -> float:
    """How much of the space below a reference point is dominated by some point.

    By slices along the first objective (Zitzler 1999); cost grows with the number of objectives.
    """
    inside = sorted({p for p in points if all(a < b for a, b in zip(p, reference, strict=True))})
    if len(reference) == 1:
        return reference[0] - inside[0][0] if inside else 0.0
    total = 0.0
    for i, point in enumerate(inside):
        end = inside[i + 1][0] if i + 1 < len(inside) else reference[0]
        if end > point[0]:
            rest = [p[1:] for p in inside[: i + 1]]
            total += (end - point[0]) * hypervolume(rest, reference[1:])
    return total


def relative_hypervolume(points: Sequence[Losses], among: Sequence[Losses]) -> float:
    """The same in units of the box from the best of each objective to a tenth beyond the worst,
    both `among` some points: 0 to 1."""
    ends = [(min(v), max(v)) for v in zip(*among, strict=True)]
    spans = [(high - low) * 1.1 or 1.0 for low, high in ends]

    def scaled(point: Losses) -> Losses:
        return tuple((v - e[0]) / s for v, e, s in zip(point, ends, spans, strict=True))

    return hypervolume([scaled(p) for p in points], tuple(1.0 for _ in ends))


def error_of(figures: Figures) -> float:
    """The largest relative error of an output."""
    return max((error for _, error in figures.errors), default=0.0)


def _loss(name: Objective, figures: Figures) -> float:
    match name:
        case "accuracy":
            return 1 - (figures.accuracy or 0.0)
        case "error":
            return error_of(figures)
        case "energy":
            return figures.energy_nj or 0.0
        case "latency":
            return figures.latency_ns or 0.0
        case "interval":
            return figures.interval_ns or 0.0
        case "cores":
            return float(figures.cores_used or 0)


def _words(name: Objective, figures: Figures) -> str:
    loss = _loss(name, figures)
    match name:
        case "accuracy":
            return percent(1 - loss)
        case "error":
            return f"{loss:.3g}"
        case "energy":
            return si(loss * 1e-9, "J")
        case "cores":
            return f"{loss:.0f}"
        case _:
            return si(loss * 1e-9, "s")
