"""Text of others on display: a file keeps it as it is, a view shows what could mislead as escapes.

Names of models, modules, classes and files may hold line breaks, characters that turn the direction
of writing, spaces that look like others, joiners, terminal commands and halves of surrogate pairs.
"""

from collections.abc import Mapping
from typing import Any


def shown(text: str) -> str:
    """The text with each character that has no ink of its own, but the space, as an escape."""
    return text if text.isprintable() else "".join(map(_character, text))


def shown_lines(text: str) -> str:
    """The same of a text of several lines, which stay lines."""
    return "\n".join(map(shown, text.split("\n")))


def shown_values(value: Any) -> Any:
    """Plain data, as JSON has it, whose texts are shown; keys too."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return {shown(str(key)): shown_values(item) for key, item in value.items()}
    return [shown_values(item) for item in value] if isinstance(value, list | tuple) else value


def _character(c: str) -> str:
    if c.isprintable():
        return c
    code = ord(c)
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(c)
    return short or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08x}"
    )


def is_utf8(text: str) -> bool:
    """Whether a file of UTF-8 can hold the text: it has no half of a surrogate pair."""
    return not any(0xD800 <= ord(c) < 0xE000 for c in text)
