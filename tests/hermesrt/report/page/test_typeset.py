"""Text of facts on a page."""

import pytest

from hermesrt.report.page.typeset import typeset


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("3.16 µs a sample", '<span class="together">3.16 µs</span> a sample'),
        ("97.0 % on 6 of 64, 4 shown", '<span class="together">97.0 %</span> on 6 of 64, 4 shown'),
        ("by `hermesc inspect`", 'by <span class="code">hermesc inspect</span>'),
        ("one, --draws 20 shows", 'one, <span class="together">--draws 20</span> shows'),
        ("`<b>` & \u202e", '<span class="code">&lt;b&gt;</span> &amp; \\u202e'),
    ],
)
def test_numbers_keep_their_units_and_commands_are_code(text: str, markup: str) -> None:
    assert typeset(text) == markup
