"""TOML is read within limits, each of which a message names."""

import pytest

from hermesrt.files.toml_text import DEEPEST, LONGEST, parse_toml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 100_000, "nested too deep; at most 32 levels"),
        ("a = " + "[" * 40 + "]" * 40, "nested too deep; at most 32 levels"),
        ("a" + ".a" * 100_000 + " = 1", "nested too deep; at most 32 levels"),
        ("[" + "'a b' . " * 40 + "a]", "nested too deep; at most 32 levels"),
        ("a = {" * 39 + "a = 1" + "}" * 39, "nested too deep; at most 32 levels"),
        ("a = " + "9" * 5000, "a number has too many digits"),
        ("#" * (LONGEST + 1), f"it has {LONGEST + 1} characters; at most {LONGEST} are read"),
        ("a = ", "Invalid value"),
    ],
)
def test_what_passes_a_limit_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_toml(text)


def test_what_keeps_the_limits_is_read() -> None:
    deep = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert parse_toml(f"a = {deep}")
    assert parse_toml("b = 'words. With. Many. Dots'\n[a.b.c]\nd = 1.5")["a"]["b"]["c"]["d"] == 1.5
    assert parse_toml("a = '" + "x" * (LONGEST - 10) + "'")
