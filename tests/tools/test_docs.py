"""The blocks of the pages have scripts, and what differs from them is found."""

import runpy
from pathlib import Path

DOCS = runpy.run_path(str(Path(__file__).parents[2] / "tools/docs.py"))


def test_each_quick_block_has_a_script() -> None:
    assert set(DOCS["QUICK"]) <= set(DOCS["blocks"](None))


def test_each_script_has_a_page_and_each_block_a_script() -> None:
    on_pages = {name for page in DOCS["pages"]() for name in DOCS["marked"](page)}
    assert on_pages == {*DOCS["blocks"](""), "python"}


def test_the_goals_of_the_readme_are_those_of_the_study() -> None:
    readme = DOCS["marked"](DOCS["ROOT"] / "README.md")
    assert readme["goals"] == DOCS["goals"]()
    assert len(readme["goals"].splitlines()) > 3


def test_numbers_may_differ_by_little_and_words_not_at_all() -> None:
    differs = DOCS["differs"]
    assert differs("a 100 ns", "a 101 ns") is None
    assert differs("a 100 ns", "a 110 ns") is not None
    assert differs("a 100 ns", "a 100 ms") is not None
    assert differs("a", "a\nb") is not None
