"""TOML text that comes from anywhere."""

import tomllib
from typing import Any

_MOST_BITS = 1024  # of a whole number: far more than any of ours, few enough to print


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises: ValueError that says what is wrong, also for numbers of thousands of digits and for
    brackets in brackets without end.
    """
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise ValueError("its brackets are nested too deep") from None
    stack: list[Any] = [tables]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
            raise ValueError("a number has hundreds of digits")
    return tables
