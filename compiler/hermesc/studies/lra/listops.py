"""ListOps: nested lists of digits under MIN, MAX, MED and SM, drawn by the benchmark's grammar.

A node is an operator with the probability 0.25, down to a depth of 10, else a digit; an operator is
uniform and has 2 to 10 arguments. SM is the sum modulo 10, MED the median rounded down. An example
is taken where its tokens (two an operator, one a digit) lie strictly between two lengths: 500 and
2,000 in the benchmark. All examples differ.
Source: Nangia and Bowman 2018; Tay et al. 2021 (the generator's settings).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hermesrt.errors import InputError

_OPERATOR_SHARE, _DEEPEST, _MOST_ARGUMENTS = 0.25, 10, 10
_TRIES = 1000  # draws for each example that is wanted
OPERATORS: Mapping[str, Callable[[Sequence[int]], int]] = {
    "[MIN": min,
    "[MAX": max,
    "[MED": lambda values: int(np.median(values)),
    "[SM": lambda values: sum(values) % 10,
}
CLOSE = "]"
VOCABULARY = (*(str(digit) for digit in range(10)), *OPERATORS, CLOSE)
NUMBERS = {word: number for number, word in enumerate(VOCABULARY, 1)}  # 0 is padding
_CODES = {word: np.uint8(number) for word, number in NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class ListOpsLimits:
    """Which lists are drawn.

    shortest, longest: tokens, both excluded.
    deepest: levels of nesting.
    arguments: of an operator, at most.
    """

    shortest: int = 500
    longest: int = 2000
    deepest: int = _DEEPEST
    arguments: int = _MOST_ARGUMENTS


class _Drawn(NamedTuple):
    words: list[str]
    value: int


def listops(
    count: int, limits: ListOpsLimits, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Tokens [count, longest], 0 behind the last one, and the values of the lists.

    Raises: InputError where limits leave too few lists.
    """
    draw, seen = Random(seed), set[bytes]()
    tokens = np.zeros((count, limits.longest), np.uint8)
    values = np.zeros(count, np.int64)
    for _ in range(count * _TRIES):
        if len(seen) == count:
            return tokens, values
        found = _tree(draw, limits, 1)
        if found is None or not limits.shortest < len(found.words) < limits.longest:
            continue
        row = np.array([_CODES[word] for word in found.words], np.uint8)
        if row.tobytes() not in seen:
            tokens[len(seen), : len(row)], values[len(seen)] = row, found.value
            seen.add(row.tobytes())
    if len(seen) == count:
        return tokens, values
    raise InputError(
        f"ListOps: {len(seen):,} of {count:,} lists of more than {limits.shortest} and fewer than "
        f"{limits.longest} tokens were found; widen the limits"
    )


def _tree(draw: Random, limits: ListOpsLimits, depth: int) -> _Drawn | None:
    """A list of words and its value; None where it grows too long."""
    if depth >= limits.deepest or draw.random() >= _OPERATOR_SHARE:
        digit = draw.randrange(10)
        return _Drawn([str(digit)], digit)
    count, operator = draw.randint(2, limits.arguments), draw.choice(tuple(OPERATORS))
    words, values = [operator], []
    for _ in range(count):
        found = _tree(draw, limits, depth + 1)
        if found is None or len(words) + len(found.words) + 1 >= limits.longest:
            return None
        words += found.words
        values.append(found.value)
    return _Drawn([*words, CLOSE], OPERATORS[operator](values))


def value_of(words: Sequence[str]) -> int:
    """The value of a list, read word by word.

    Raises: InputError for words that are no list.
    """
    stack: list[tuple[str, list[int]]] = [("", [])]
    for word in words:
        if word in OPERATORS:
            stack.append((word, []))
        elif word == CLOSE and len(stack) > 1 and stack[-1][1]:
            operator, values = stack.pop()
            stack[-1][1].append(OPERATORS[operator](values))
        elif word.isdigit() and len(word) == 1:
            stack[-1][1].append(int(word))
        else:
            raise InputError(f"ListOps: {word!r} cannot stand there")
    if len(stack) != 1 or len(stack[0][1]) != 1:
        raise InputError("ListOps: brackets are not balanced")
    return stack[0][1][0]
