"""The Python reference names every public function, so that its docstring is read there."""

import inspect
from pathlib import Path

import hermesc

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_every_public_function_is_on_the_page_with_its_text() -> None:
    page = PAGE.read_text(encoding="utf-8")
    public = [getattr(hermesc, n) for n in hermesc.__all__ if not n.startswith("study_")]
    functions = [f for f in public if inspect.isfunction(f)]
    assert len(functions) > 15
    for function in functions:
        assert f"::: {function.__module__}.{function.__name__}\n" in page
    assert "show_docstring_description: false" not in page
