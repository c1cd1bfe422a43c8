"""How the words of options are read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from hermesrt.errors import OptionError

if TYPE_CHECKING:
    from hermesrt.chip.spec import ChipSpec


def split_settings(words: Iterable[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """--set pairs of the chip (without `chip.`) and of the passes.

    Raises: OptionError.
    """
    chip, passes = [], []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise OptionError(f"--set {word}: write KEY=VALUE, such as partition.bias=host")
        if key.startswith("chip."):
            chip.append((key.removeprefix("chip."), value))
        else:
            passes.append((key, value))
    return chip, passes


def given_chip(name: str, words: Iterable[str]) -> tuple["ChipSpec", list[tuple[str, str]]]:
    """The chip with its --set pairs, and those of the passes.

    Raises: OptionError, ChipError.
    """
    from hermesrt.chip.load import load_chip

    chip, passes = split_settings(words)
    return load_chip(name, chip), passes


def only_chip(words: Iterable[str]) -> list[tuple[str, str]]:
    """--set pairs of the chip, where nothing is compiled.

    Raises: OptionError for a pass's option.
    """
    chip, passes = split_settings(words)
    if passes:
        raise OptionError(f"--set {passes[0][0]}: only chip.* here; others go to `compile`")
    return chip


def sizes_of(shapes: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
    """The sizes of --shape words, by input.

    Raises: OptionError.
    """
    found = {}
    for text in shapes:
        name, equals, size = text.partition("=")
        parts = size.split("x")
        if not equals or not all(p.isdecimal() and 0 < int(p) < 2**31 for p in parts):
            raise OptionError(
                f"--shape {text}: write NAME=1x4096x64, the batch first, each size 1 or more"
            )
        found[name] = tuple(map(int, parts))
    return found


def words_of(option: str, text: str, allowed: Sequence[str] | None = None) -> tuple[str, ...]:
    """The words between commas, each once.

    Raises: OptionError when there is none, or one that is not allowed.
    """
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [word for word in found if allowed is not None and word not in allowed]
    if not found or unknown:
        choices = ", ".join(allowed or ("a name",))
        raise OptionError(f"{option} {text}: give some of {choices}, with commas between")
    return found


def one_word(option: str, text: str, allowed: Sequence[str]) -> str:
    """The one word that there is.

    Raises: OptionError when there are several, or it is not allowed.
    """
    found = words_of(option, text, allowed)
    if len(found) != 1:
        raise OptionError(f"{option} {text}: give one of {', '.join(allowed)}")
    return found[0]


def whole_numbers(option: str, text: str, low: int, high: int) -> tuple[int, ...]:
    """The whole numbers between commas, each once, in order.

    Raises: OptionError for anything else.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(w.isascii() and w.isdigit() and low <= int(w) <= high for w in words):
        raise OptionError(
            f"{option} {text}: give whole numbers from {low} to {high}, with commas between"
        )
    return tuple(sorted({int(word) for word in words}))
