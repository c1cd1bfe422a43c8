"""Fields of a docstring are a list in the Python reference."""

import runpy
from pathlib import Path

LISTED = runpy.run_path(str(Path(__file__).parents[2] / "tools/docstring_fields.py"))["listed"]


def test_fields_become_a_list_and_keep_their_further_lines() -> None:
    text = (
        "A sum.\n\nterms: what is added,\nin order\nunit: of all.\nRaises: no.\n\nNote: no field."
    )
    assert LISTED(text, {"terms", "unit"}) == (
        "A sum.\n\n\n- `terms`: what is added,\n  in order\n- `unit`: of all.\n- Raises: no.\n\n"
        "Note: no field."
    )


def test_a_docstring_without_fields_stays() -> None:
    assert LISTED("One sentence.\n\nMore: of it.", ()) == "One sentence.\n\nMore: of it."
