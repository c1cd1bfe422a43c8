"""A fact: the one sentence that terminal and page both show."""

from collections.abc import Iterable
from dataclasses import dataclass

from hermesrt.shown import shown

_NAME_WIDTH = 13


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known.

    name: what it is about, in a word or two.
    text: the whole of it, with units; the same wherever it is shown.
    value: the part of the text that counts most, which a page shows larger; may be empty.
    """

    name: str
    text: str
    value: str = ""

    def __post_init__(self) -> None:
        assert self.value in self.text, (self.value, self.text)

    @property
    def parts(self) -> tuple[str, str, str]:
        """The text before the value, the value, and the text after it."""
        return self.text.partition(self.value) if self.value else (self.text, "", "")


def aligned(facts: Iterable[Fact]) -> str:
    """Names and texts, one fact a line."""
    return "\n".join(f"{fact.name:<{_NAME_WIDTH}}{shown(fact.text)}" for fact in facts)
