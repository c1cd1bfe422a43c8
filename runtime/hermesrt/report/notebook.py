"""What a notebook shows of programs, chips and reports: facts as a table, texts, the floor plan.

All text is escaped: names of models and layers are others' words.
"""

from collections.abc import Iterable
from html import escape

from hermesrt.artifact.schema import Artifact
from hermesrt.facts.fact import Fact
from hermesrt.shown import shown, shown_lines

_CELL = "style='text-align:left;vertical-align:top'"


def facts_html(facts: Iterable[Fact]) -> str:
    """Facts as a table of two columns."""
    rows = "".join(
        f"<tr><th {_CELL}>{_text(f.name)}</th><td {_CELL}>{_text(f.text)}</td></tr>" for f in facts
    )
    return f"<table>{rows}</table>"


def text_html(text: str) -> str:
    """A text as the terminal shows it."""
    return f"<pre>{escape(shown_lines(text))}</pre>"


def plan_html(artifact: Artifact) -> str:
    """The floor plan, no wider than the notebook."""
    from hermesrt.report.figures.floorplan import floorplan_svg

    return f"<div style='max-width:100%;overflow-x:auto'>{floorplan_svg(artifact)}</div>"


def page_frame(page: str) -> str:
    """A whole page in a frame of its own, which cannot touch the notebook."""
    return (
        f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" '
        'style="width:100%;height:700px;border:1px solid #D5D9DE"></iframe>'
    )


def _text(text: str) -> str:
    return escape(shown(text))
