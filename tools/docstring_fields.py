"""An extension of griffe for the Python reference: fields of a docstring become a list.

In our docstrings a line "name: what it is" describes a field of the class or an argument of the
function; Markdown alone would run such lines together.
"""

import re
from collections.abc import Collection
from typing import Any

from griffe import Class, Extension, Function, Object

_WORDS = ("Raises", "Source")  # these begin an item too
_FIELD = re.compile(r"^(\w+): ")


class DocstringFields(Extension):
    """Rewrites the docstrings of classes and functions."""

    def on_object(self, *, obj: Object, **_others: Any) -> None:
        """Called by griffe for each object that it has read."""
        if obj.docstring is None:
            return
        names: Collection[str] = ()
        if isinstance(obj, Class):
            names = obj.members.keys()
        elif isinstance(obj, Function):
            names = [parameter.name for parameter in obj.parameters]
        obj.docstring.value = listed(obj.docstring.value, names)


def listed(text: str, names: Collection[str]) -> str:
    """The text with each line that begins with one of the names as an item of a list."""
    lines: list[str] = []
    inside = False  # an item, whose further lines belong to it
    for line in text.splitlines():
        field = _FIELD.match(line)
        if field is not None and field[1] in (*names, *_WORDS):
            lines += [] if inside else [""]
            name = field[1] if field[1] in _WORDS else f"`{field[1]}`"
            line, inside = f"- {name}: {line[field.end() :]}", True
        elif inside and line.strip():
            line = f"  {line.strip()}"
        else:
            inside = False
        lines.append(line)
    return "\n".join(lines)
