"""ListOps: the grammar's lists and their values."""

from dataclasses import replace

import numpy as np
import pytest

from hermesc.studies.lra.listops import VOCABULARY, ListOpsLimits, listops, value_of
from hermesrt.errors import InputError

SHORT = ListOpsLimits(7, 40)


def words_of(row: np.ndarray) -> list[str]:
    return [VOCABULARY[number - 1] for number in row if number]


def test_labels_are_the_values_of_the_lists_and_lengths_lie_between_the_limits() -> None:
    tokens, values = listops(150, SHORT, 0)
    rows = [words_of(row) for row in tokens]
    assert [value_of(words) for words in rows] == values.tolist()
    assert all(7 < len(words) < 40 for words in rows)
    assert len({tuple(words) for words in rows}) == 150
    assert {words[0] for words in rows} == {"[MIN", "[MAX", "[MED", "[SM"}


def test_a_seed_gives_the_same_lists_and_another_others() -> None:
    one, again, other = (listops(20, SHORT, seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_nesting_ends_at_the_deepest_level() -> None:
    tokens, _ = listops(40, replace(SHORT, deepest=2), 0)
    assert all(sum(word[0] == "[" for word in words_of(row)) == 1 for row in tokens)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[MAX 2 9 [MIN 4 7 ] 0 ]", 9),
        ("[MED 1 2 9 4 ]", 3),
        ("[MED 1 4 ]", 2),
        ("[SM 9 9 [MAX 3 4 ] ]", 2),
    ],
)
def test_operators_are_those_of_the_benchmark(text: str, value: int) -> None:
    assert value_of(text.split()) == value


@pytest.mark.parametrize("text", ["[MAX 1 2", "1 ]", "[MAX ]", "12", "[AVG 1 ]", "1 2"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="ListOps"):
        value_of(text.split())


def test_limits_that_leave_too_few_lists_are_told() -> None:
    with pytest.raises(InputError, match=r"of 10 lists of more than 7 and fewer than 9"):
        listops(10, ListOpsLimits(7, 9, arguments=2, deepest=2), 0)
