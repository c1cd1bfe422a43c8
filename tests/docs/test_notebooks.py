"""The notebooks are on the site, hold code alone, and use names that exist; the site runs them."""

import ast
import json
from pathlib import Path

import pytest

import hermesc

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


def code_of(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]


def test_there_are_three() -> None:
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_on_the_site_and_keeps_no_outputs(notebook: Path) -> None:
    assert f"notebooks/{notebook.name}" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert all(not c["outputs"] for c in cells if c["cell_type"] == "code")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_public_names(notebook: Path) -> None:
    trees = [ast.parse(code) for code in code_of(notebook)]
    used = {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "hermesc"
    }
    assert used
    assert used - {"studies"} <= set(hermesc.__all__)


def test_an_error_in_a_notebook_stops_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "execute: true" in text and "allow_errors: false" in text and "cache: false" in text
