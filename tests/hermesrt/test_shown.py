"""Text of others is shown without a character that could mislead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermesrt.shown import is_utf8, shown, shown_lines, shown_values


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain é 漢 µ", "plain é 漢 µ"),
        ("a\u00a0b\u3000c", "a\\xa0b\\u3000c"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\\u200d\U0001f469"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\u202eevil", "\\u202eevil"),
        ("\x1b[2J\x9b", "\\x1b[2J\\x9b"),
        ("\ud800\U000e0041", "\\ud800\\U000e0041"),
    ],
)
def test_what_has_no_ink_is_an_escape(text: str, wanted: str) -> None:
    assert shown(text) == wanted


@given(st.text())
def test_what_is_shown_is_printable_and_is_shown_as_it_is(text: str) -> None:
    assert shown(text).isprintable()
    assert shown(shown(text)) == shown(text)
    assert is_utf8(shown(text))


def test_lines_stay_lines_and_data_keeps_its_form() -> None:
    assert shown_lines("a\n\u202eb") == "a\n\\u202eb"
    assert shown_values({"a\n": ["\u202e", 1.5, None, ("x",)]}) == {
        "a\\n": ["\\u202e", 1.5, None, ["x"]]
    }


def test_half_of_a_surrogate_pair_is_no_utf8() -> None:
    assert is_utf8("\U0001f468")
    assert not is_utf8("a\ud800")
