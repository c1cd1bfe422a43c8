"""What commands print."""

import json
from typing import Any, Protocol

import click


class Shown(Protocol):
    """A result: `str()` of it is the terminal's text."""

    def to_json(self) -> dict[str, Any]:
        """Plain data under the command line's fixed names."""
        ...


def show(result: Shown, *, as_json: bool) -> None:
    """The result as text, or as one JSON object."""
    if as_json:
        print_json(result.to_json())
    else:
        click.echo(str(result))


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    """JSON has no infinity: null."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value
