"""How a page sets a fact's text: a number stays with its unit, and what one types is code."""

import re

from markupsafe import Markup, escape

from hermesrt.shown import shown

_UNIT = re.compile(r"[\d.]+ (?:[fpnµmk]?[sJ]|%|[hdy]|TOPS(?:/W)?)(?!\w)")
_COMMAND = re.compile(r"`([^`]+)`")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]{0,30}(?: \d{1,9})?")


def typeset(text: str) -> Markup:
    """The text as markup, escaped."""
    plain = str(escape(shown(text)))
    for together in (_UNIT, _OPTION):
        plain = together.sub(r'<span class="together">\g<0></span>', plain)
    return Markup(_COMMAND.sub(r'<span class="code">\1</span>', plain))
