"""TOML text that comes from anywhere."""

import tomllib
from typing import Any


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises: ValueError that says what is wrong, also for numbers of thousands of digits and for
    brackets in brackets without end.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its brackets are nested too deep") from None
