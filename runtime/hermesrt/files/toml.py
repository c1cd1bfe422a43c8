"""Reading TOML that comes from anywhere, within limits of length, nesting and digits.

The library's parser takes minutes and gigabytes for 100 kB of one dotted key, and ends in a
RecursionError for nested brackets.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

LONGEST = 2**20  # characters
DEEPEST = 32  # tables and lists in one another
_MOST_BITS = 1024  # of a whole number: far more than any of ours, few enough to print

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_PART}\.[ \t]*){{{DEEPEST}}}")


def parse_toml(text: str, longest: int = LONGEST) -> dict[str, Any]:
    """The tables of a text of so many characters at most.

    Raises: ValueError that says what is wrong, or which limit is passed.
    """
    if len(text) > longest:
        raise ValueError(f"it has {len(text)} characters; at most {longest} are read")
    too_deep = f"it is nested too deep; at most {DEEPEST} levels are read"
    if _LONG_KEY.search(text):
        raise ValueError(too_deep)
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise ValueError(too_deep) from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # of the interpreter, about a number
        raise ValueError(f"a number has too many digits: {error}") from None
    if _is_deeper(tables, DEEPEST):
        raise ValueError(too_deep)
    if any(isinstance(n, int) and n.bit_length() > _MOST_BITS for n in _leaves(tables)):
        raise ValueError("a number has hundreds of digits")
    return tables


def _is_deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [child for item in layer for child in _children(item)]
    return any(isinstance(item, dict | list) for item in layer)


def _leaves(value: Any) -> Iterator[Any]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict | list):
            stack += _children(item)
        else:
            yield item


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []
