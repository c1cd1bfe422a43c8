"""Checks of single values of parsed JSON, and how objects and lists are made of them.

A check takes a value and returns what torch gets instead: the value itself, or one written anew.
Names that torch writes into Python source are identifiers of ASCII letters, and no keywords.
"""

import keyword
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.sizes import SYMBOL

Check = Callable[[Any], Any]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_STEP = r"(?!__)\w[\w :/+@#=()<>-]*"  # torch writes other steps than identifiers in quotes
_DOTTED = re.compile(rf"{_STEP}(\.{_STEP})*")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.\w+)+", re.ASCII)
_FRAME = re.compile(r'\s*File "[^"]+", line [0-9]{1,9}, in .*')
_LONGEST_NAME = 1000
_LONGEST_STRING = 2000
_LONGEST_TRACE = 100_000
_MOST_ITEMS = 1_000_000


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with those fields and no other."""
    fields = {**required, **(optional or {})}

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise RefusedPart(f"{shown(value)} is no object")
        unknown = [name for name in value if name not in fields]
        missing = [name for name in required if name not in value]
        if unknown or missing:
            what = f"an unknown field {shown(unknown[0])}" if unknown else f"no {missing[0]}"
            raise RefusedPart(f"an object with {what}; its fields are {', '.join(fields)}")
        return {name: _inside(name, fields[name], item) for name, item in value.items()}

    return check


def union(**kinds: Check) -> Check:
    """An object with one field, whose name says of which kind the value is."""

    def check(value: Any) -> dict[str, Any]:
        match value:
            case dict() if len(value) == 1 and next(iter(value)) in kinds:
                ((kind, item),) = value.items()
                return {kind: _inside(kind, kinds[kind], item)}
        raise RefusedPart(f"{shown(value)} is none of {', '.join(kinds)}")

    return check


def many(item: Check) -> Check:
    """A list of such values."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > _MOST_ITEMS:
            raise RefusedPart(f"{shown(value)} is no list of at most {_MOST_ITEMS} values")
        return [_inside(str(i), item, one) for i, one in enumerate(value)]

    return check


def table(key: Check, item: Check) -> Check:
    """An object of any number of such keys and values."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > _MOST_ITEMS:
            raise RefusedPart(f"{shown(value)} is no object of at most {_MOST_ITEMS} values")
        return {key(name): _inside(name, item, one) for name, one in value.items()}

    return check


def or_none(item: Check) -> Check:
    """Null or such a value."""
    return lambda value: None if value is None else item(value)


def replaced(other: Any) -> Check:
    """Anything; torch gets the other value."""
    return lambda _: other


def _inside(name: str, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except RefusedPart as error:
        raise error.within(name) from None


def shown(value: Any) -> str:
    return ascii(value if isinstance(value, str | int | float | bool) else type(value).__name__)[
        :80
    ]


def boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise RefusedPart(f"{shown(value)} is neither true nor false")
    return value


def whole(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise RefusedPart(f"{shown(value)} is no whole number of 64 bits")
    return value


def one_of(*values: Any) -> Check:
    def check(value: Any) -> Any:
        if not any(type(value) is type(v) and value == v for v in values):
            raise RefusedPart(f"{shown(value)} is none of {', '.join(map(str, values))}")
        return value

    return check


def number(value: Any) -> float | str:
    """A float; JSON has no infinity, so torch writes it as a word."""
    if value in ("Infinity", "-Infinity", "NaN") and isinstance(value, str):
        return value
    if type(value) not in (int, float) or not math.isfinite(value):
        raise RefusedPart(f"{shown(value)} is no number")
    return float(value)


def string(value: Any) -> str:
    """Text for an operation, such as "gelu"'s "tanh" or an equation of einsum."""
    if not isinstance(value, str) or len(value) > _LONGEST_STRING or not value.isprintable():
        raise RefusedPart(f"{shown(value)} is no text of at most {_LONGEST_STRING} characters")
    return value


def name(value: Any) -> str:
    """A name that becomes one of Python source."""
    good = isinstance(value, str) and len(value) <= _LONGEST_NAME and _IDENTIFIER.fullmatch(value)
    if not good or keyword.iskeyword(value) or value.startswith("__"):
        raise RefusedPart(f"{shown(value)} is no name of an input, a node or an argument")
    return str(value)


def argument_name(value: Any) -> str:
    """A name of the model's own forward; letters beyond ASCII are replaced, as torch.fx does."""
    if not isinstance(value, str) or not value.isidentifier():
        raise RefusedPart(f"{shown(value)} is no name of an input")
    return name(re.sub(r"[^0-9A-Za-z_]", "_", value, flags=re.ASCII))


def empty_or_name(value: Any) -> str:
    return "" if value == "" else name(value)


def weight_name(value: Any) -> str:
    """The dotted name of a parameter, a buffer or a constant; keys of a ModuleDict are steps."""
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not _DOTTED.fullmatch(value):
        raise RefusedPart(f"{shown(value)} is no name of a parameter, a buffer or a constant")
    return value


def target(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 200 or not _TARGET.fullmatch(value):
        raise RefusedPart(f"{shown(value)} is no name of an operation")
    return value


def symbol(value: Any) -> str:
    if not isinstance(value, str) or not SYMBOL.fullmatch(value):
        raise RefusedPart(f"{shown(value)} is no name of a size")
    return value


def trace(value: Any) -> str:
    """Lines of the user's source, or nothing where they are not as Python writes them."""
    text = _printable(value)
    named = [line for line in text.split("\n") if line.lstrip().startswith("File ")]
    return text if all(_FRAME.fullmatch(line) for line in named) else ""


def _printable(value: Any) -> str:
    """Text for people; torch may write it into Python source as a comment."""
    if not isinstance(value, str) or len(value) > _LONGEST_TRACE:
        raise RefusedPart(f"{shown(value)[:20]} is no text of at most {_LONGEST_TRACE} characters")
    return "".join(c if c.isprintable() or c == "\n" else " " for c in value)


def modules(value: Any) -> str | None:
    """Which modules led to a node, or nothing where torch could not read it."""
    text = _printable(value).replace("\n", " ")
    return text if all(_has_three_parts(item) for item in text.split(";")) else None


def _has_three_parts(item: str) -> bool:
    depth = commas = 0
    for letter in item:
        depth += (letter in "[(") - (letter in ")]")
        commas += letter == "," and depth == 0
    return commas == 2
