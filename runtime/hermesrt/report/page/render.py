"""One self-contained page about a program: floor plan, time line, graph, costs, sources.

Everything here is text for the template, which escapes it; only pictures that we drew are markup.
The page runs no script but our own: its policy names the digest.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hermesrt.artifact.schema import Artifact
from hermesrt.cost import Cost, Moved
from hermesrt.ops.table import op_class
from hermesrt.report.figures.breakdown import by_cause, by_layer
from hermesrt.report.figures.convergence import curve_svg, errors_svg
from hermesrt.report.figures.floorplan import chip_svg, core_name
from hermesrt.report.figures.graph import DrawnGraph, graph_of
from hermesrt.report.figures.graphview import view_svg
from hermesrt.report.figures.heatmap import MIDDLE, CoreMaps, Maps, maps_of
from hermesrt.report.figures.svg import COLOURS, definitions, fill, swatch_svg
from hermesrt.report.figures.timeline import ZOOMS, timeline
from hermesrt.report.page import facts as words
from hermesrt.report.page.facts import Fact
from hermesrt.roofline import MachineEstimate
from hermesrt.run_report import RunReport
from hermesrt.snapshot import ProgrammingSnapshot

_WEB = Path(__file__).parent / "web"
_SCRIPTS = ("select.js", "core.js", "page.js")


@dataclass(frozen=True)
class Comparisons:
    """What else is known: digital machines for the same work, and the strength of assumptions."""

    machines: Sequence[MachineEstimate] = ()
    moved: Sequence[Moved] = ()


@dataclass(frozen=True, slots=True)
class _Programming:
    facts: tuple[Fact, ...]
    curve: Markup | None
    errors: Markup


def page_html(
    artifact: Artifact,
    cost: Cost,
    run: RunReport | None = None,
    held: ProgrammingSnapshot | None = None,
    beside: Comparisons | None = None,
) -> str:
    """The page of a program, with a run's results and a programmed chip's cells where given.

    It asks nothing of a network and opens from a file.
    """
    beside = beside or Comparisons()
    graph = graph_of(artifact)
    layers = words.layer_rows(artifact, cost)
    matrices = artifact.manifest.matrices
    digital = [a for a in artifact.manifest.account if a.unit == "digital"]
    script = '(() => {\n"use strict";\n' + "\n".join(map(_read, _SCRIPTS)) + "})();"
    text = _environment().get_template("page.html.j2").render(
        artifact=artifact,
        chip=artifact.chip,
        style=Markup(_read("page.css")),
        script=Markup(script),
        script_hash=_digest(script),
        definitions=Markup("\n".join(definitions(len(matrices)))),
        sections=_sections(held, beside),
        header=words.run_facts(run) if run else (),
        summary=words.summary(artifact, cost),
        plan=Markup(chip_svg(artifact)),
        layers=layers,
        per=words.per(cost),
        timeline=_marked(timeline(artifact, cost)),
        views=_views(graph),
        modules=len(graph.modules),
        hidden=graph.hidden,
        off_chip=words.off_chip([a for a in digital if op_class(a.op) != "layout"]),
        layout_only=words.off_chip([a for a in digital if op_class(a.op) == "layout"]),
        latency=by_cause(cost, "latency"),
        energy=by_cause(cost, "energy"),
        layer_latency=by_layer(artifact, cost, "latency"),
        layer_energy=by_layer(artifact, cost, "energy"),
        swatches=[Markup(swatch_svg(i)) for i in range(len(matrices))],
        colours=[COLOURS[i % len(COLOURS)][0] for i in range(len(matrices))],
        programming=_programming(artifact, held) if held else None,
        machines=words.machine_rows(cost, beside.machines),
        moved=words.moved_rows(cost, beside.moved),
        constants=words.constants(artifact),
        data=_data(artifact, cost, layers, held),
    )  # fmt: skip
    return _without_surrogates(text)


def _sections(held: ProgrammingSnapshot | None, beside: Comparisons) -> list[tuple[str, str]]:
    sections = [
        ("chip", "Floor plan"),
        ("timeline", "Timeline"),
        ("graph", "DrawnGraph"),
        ("costs", "Time and energy"),
    ]
    if held:
        sections.append(("programming", "Programming"))
    if beside.machines or beside.moved:
        sections.append(("beside", "Digital machines"))
    return [*sections, ("constants", "Constants")]


def _marked(drawn: Any) -> dict[str, Any]:
    """The time line's drawings as markup."""
    return {
        "names": Markup(drawn.names),
        "tracks": Markup(drawn.tracks),
        "height": drawn.height,
        "left_out": drawn.left_out,
    }


def _views(graph: DrawnGraph) -> list[Markup]:
    """Every state of the graph; the first module is open at first."""
    first = graph.modules[0] if graph.modules else ()
    return [Markup(view_svg(view, hidden=view.path != first)) for view in graph.views()]


def _programming(artifact: Artifact, held: ProgrammingSnapshot) -> _Programming:
    return _Programming(
        facts=words.programming_facts(held),
        curve=Markup(curve_svg(held.iterations)) if held.iterations else None,
        errors=Markup(errors_svg(artifact, held.errors)),
    )


def _data(
    artifact: Artifact,
    cost: Cost,
    layers: Sequence[words.LayerRow],
    held: ProgrammingSnapshot | None,
) -> dict[str, Any]:
    """What the script shows: facts of layers, steps and cores, and the maps of the cells."""
    maps = maps_of(held.cells) if held else None
    return {
        "zooms": ZOOMS,
        "layers": [
            {"label": row.label, "fill": fill(i), "facts": _pairs(words.layer_facts(row))}
            for i, row in enumerate(layers)
        ],
        "steps": _steps(artifact, cost),
        "cores": _cores(artifact, maps, held.errors if held else {}),
        "maps": _scales(artifact, held, maps) if held and maps else None,
    }


def _steps(artifact: Artifact, cost: Cost) -> dict[int, dict[str, Any]]:
    account = {a.node: a for a in artifact.manifest.account}
    costs = {layer.step: layer for layer in cost.layers if not layer.analog}
    return {
        i: {
            "label": costs[step.name].label,
            "facts": _pairs(words.step_facts(account.get(step.name), costs[step.name])),
        }
        for i, step in enumerate(artifact.manifest.steps)
        if step.name in costs
    }


def _cores(
    artifact: Artifact, maps: Maps | None, errors: Mapping[int, float]
) -> dict[int, dict[str, Any]]:
    found: dict[int, CoreMaps] = {m.core: m for m in maps.cores} if maps else {}
    cores: dict[int, dict[str, Any]] = {}
    for core in artifact.cores:
        held = [
            (i, m, t)
            for i, m in enumerate(artifact.manifest.matrices)
            for t in m.tiles
            if t.core == core
        ]
        share = sum(t.cells for _, _, t in held) / artifact.chip.cells_per_core
        mine = found.get(core)
        rms = mine.rms if mine else None
        facts = words.core_facts(len(held), share, rms, errors.get(core))
        cores[core] = {
            "name": core_name(artifact, core).capitalize(),
            "facts": _pairs(facts),
            "tiles": [
                {
                    "layer": i,
                    "rect": [*t.core_rows, *t.core_columns],
                    "cells": words.tile_cells(m, t),
                }
                for i, m, t in held
            ],
            "map": {"target": mine.target, "error": mine.error} if mine else None,
        }
    return cores


def _scales(artifact: Artifact, held: ProgrammingSnapshot, maps: Maps) -> dict[str, Any]:
    crossbar = artifact.chip.crossbar
    origin = f"{held.method.capitalize()} weights of the chip with seed {held.seed}, before drift"
    return {
        "middle": MIDDLE,
        "target_step": maps.target_step,
        "error_step": maps.error_step,
        "error_shown": maps.error_shown,
        "stride": maps.stride,
        "rows": crossbar.rows,
        "columns": crossbar.columns,
        "origin": origin,
    }


def _pairs(facts: Sequence[Fact]) -> list[dict[str, str]]:
    return [asdict(fact) for fact in facts]


def _read(name: str) -> str:
    return (_WEB / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's policy calls a script by."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"sha256-{digest}"


def _without_surrogates(text: str) -> str:
    """Text that UTF-8 can hold: a hostile name may carry half a pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_WEB),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment
