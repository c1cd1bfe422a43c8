"""What changed from one program to another, or from one report to another, as text."""

from itertools import groupby
from typing import Any

from hermesrt.difference import Change, Difference
from hermesrt.report.text.terminal import table


def difference_text(found: Difference) -> str:
    """A table for each section that differs."""
    if not found.changes:
        return f"The two {found.kind}s are the same."
    parts = []
    for section, group in groupby(found.changes, key=lambda c: c.section):
        rows = [(c.what, _text(c.before), _text(c.after), _relative(c)) for c in group]
        parts.append(f"{section.capitalize()}:\n{table(('', 'before', 'after', ''), rows)}")
    return "\n".join(parts)


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:.6g}"
        case list():
            return ", ".join(map(_text, value))
    return str(value)


def _relative(change: Change) -> str:
    """The change of a number, in per cent."""
    return "" if change.relative is None else f"{100 * change.relative:+.1f} %"
