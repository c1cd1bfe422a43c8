"""What the tables of a chip are made of: kinds of numbers, their sources and allowed ranges,
read modes, and how slices of a weight are filled."""

from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

Kind = Literal["quoted", "derived", "assumed"]
Mode = Literal["1-phase", "4-phase"]
MODES: tuple[Mode, ...] = ("1-phase", "4-phase")
Fill = Literal["equal", "max", "corrected"]
_STRENGTH: tuple[Kind, ...] = ("quoted", "derived", "assumed")


def weakest(*kinds: Kind) -> Kind:
    """The kind of what rests on numbers of these kinds."""
    return max(kinds, key=_STRENGTH.index)


def limits(low: float, high: float, default: Any = MISSING) -> Any:
    """A dataclass field whose value must lie within [low, high]."""
    return field(default=default, metadata={"low": low, "high": high})


def one_of(*choices: str, default: str | None = None) -> Any:
    """A dataclass field whose value must be one of the given words."""
    if default is None:
        return field(metadata={"choices": choices})
    return field(default=default, metadata={"choices": choices})


@dataclass(frozen=True, slots=True)
class Pedigree:
    """Where the numbers of one table come from.

    kind: quoted, derived or assumed.
    source: the publication and its place in it, or the file.
    note: the arithmetic of what is derived, the reason of what is assumed.
    """

    kind: Kind
    source: str
    note: str = ""
