"""One self-contained page about a program: floor plan, time line, graph, costs, sources.

Everything here is text for the template, which escapes it; only pictures that we drew are markup.
The page runs no script but our own: its policy names the digest.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hermesrt.artifact.assignments import digital_nodes, off_chip
from hermesrt.artifact.contents import core_contents, core_name
from hermesrt.artifact.module_graph import DrawnGraph, View, graph_of, undrawn
from hermesrt.artifact.schema import Artifact
from hermesrt.artifact.short_names import layer_names
from hermesrt.breakdown import by_cause, by_layer
from hermesrt.comparison import compared
from hermesrt.cost import Cost, Moved
from hermesrt.facts.cost import cost_facts, per
from hermesrt.facts.errors import error_warnings
from hermesrt.facts.fact import Fact
from hermesrt.programming.cell_maps import MIDDLE
from hermesrt.report.figures.convergence import curve_svg, errors_svg
from hermesrt.report.figures.floorplan import chip_svg
from hermesrt.report.figures.graphview import view_svg
from hermesrt.report.figures.heatmap import CoreMaps, Maps, maps_of
from hermesrt.report.figures.svg import COLOURS, definitions, fill, swatch_svg
from hermesrt.report.figures.timeline import ZOOMS, timeline
from hermesrt.report.page import details
from hermesrt.report.page.details import Detail
from hermesrt.report.page.typeset import typeset
from hermesrt.report.text.comparison import effect_cells, machine_cells
from hermesrt.roofline import MachineEstimate
from hermesrt.run_report import RunReport
from hermesrt.shown import shown, shown_values
from hermesrt.snapshot import ProgrammingSnapshot

_WEB = Path(__file__).parent / "web"
_ROOM = 4_300_000  # characters of the floor plan, the time line and the maps of the cells
_SCRIPTS = ("select.js", "core.js", "page.js")


@dataclass(frozen=True)
class Comparisons:
    """What else is known.

    machines: digital machines for the same work.
    moved: totals for other values of each assumed constant.
    """

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
    names, first = layer_names(artifact), graph.view(graph.largest)
    layers = details.layer_rows(artifact, cost)
    matrices = artifact.manifest.matrices
    digital = digital_nodes(artifact)
    plan, lanes = chip_svg(artifact), timeline(artifact, cost)
    room = _ROOM - len(plan) - len(lanes.tracks)
    script = '(() => {\n"use strict";\n' + "\n".join(map(_read, _SCRIPTS)) + "})();"
    return _environment().get_template("page.html.j2").render(
        artifact=artifact,
        chip=artifact.chip,
        style=Markup(_read("page.css")),
        script=Markup(script),
        script_hash=_digest(script),
        definitions=Markup("\n".join(definitions(len(matrices)))),
        sections=_sections(held, beside),
        header=run.result_facts if run else (),
        warnings=error_warnings(artifact),
        summary=cost_facts(artifact, cost),
        plan=Markup(plan),
        layers=layers,
        per=per(cost),
        timeline=_marked(lanes),
        view=Markup(view_svg(first)),
        modules=len(graph.modules),
        idle_chips=artifact.manifest.chips - 1 - max(artifact.chips, default=0),
        off_chip=off_chip(digital.work),
        layout_only=off_chip(digital.layout),
        undrawn=undrawn(graph, artifact),
        latency=details.bars(by_cause(cost, "latency"), "latency"),
        energy=details.bars(by_cause(cost, "energy"), "energy"),
        bounds=details.bound_rows(cost),
        prices=details.price_rows(artifact.chip),
        price_ratio=details.price_ratio(artifact.chip),
        layer_latency=details.bars(by_layer(artifact, cost, "latency"), "latency", names),
        layer_energy=details.bars(by_layer(artifact, cost, "energy"), "energy", names),
        swatches=[Markup(swatch_svg(i)) for i in range(len(matrices))],
        colours=[COLOURS[i % len(COLOURS)][0] for i in range(len(matrices))],
        programming=_programming(artifact, held) if held else None,
        machines=[row for c in compared(cost, beside.machines) for row in machine_cells(c)],
        moved=effect_cells(cost, beside.moved),
        constants=details.constants(artifact),
        data={
            **shown_values(_data(artifact, cost, layers, held, room)),
            "views": _views(graph, first),
        },
    )  # fmt: skip


def _sections(held: ProgrammingSnapshot | None, beside: Comparisons) -> list[tuple[str, str]]:
    sections = [
        ("chip", "Floor plan"),
        ("timeline", "Timeline"),
        ("graph", "Graph"),
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


def _views(graph: DrawnGraph, first: View) -> dict[str, Any]:
    """The states of the graph but the first, as a list of pictures in one packed text, since they
    are much alike; the script draws one when it is asked for."""
    others = [view for view in graph.views() if view.path != first.path]
    pictures = json.dumps([view_svg(view) for view in others])
    packed = gzip.compress(pictures.encode("utf-8", "replace"), mtime=0)
    return {
        "names": [shown(".".join(view.path)) for view in others],
        "packed": base64.b64encode(packed).decode("ascii"),
    }


def _programming(artifact: Artifact, held: ProgrammingSnapshot) -> _Programming:
    return _Programming(
        facts=held.outcome.facts,
        curve=Markup(curve_svg(held.outcome.iterations)) if held.outcome.iterations else None,
        errors=Markup(errors_svg(artifact, held.outcome.errors)),
    )


def _data(
    artifact: Artifact,
    cost: Cost,
    layers: Sequence[details.LayerRow],
    held: ProgrammingSnapshot | None,
    room: int,
) -> dict[str, Any]:
    """What the script shows: facts of layers, steps and cores, and the maps of the cells."""
    maps = maps_of(held.cells, max(room, 0)) if held else None
    return {
        "zooms": ZOOMS,
        "layers": [
            {"label": row.label, "fill": fill(i), "facts": _pairs(details.layer_details(row))}
            for i, row in enumerate(layers)
        ],
        "steps": _steps(artifact, cost),
        "cores": _cores(artifact, maps, held.outcome.errors if held else {}),
        "maps": _scales(artifact, held, maps) if held and maps else None,
    }


def _steps(artifact: Artifact, cost: Cost) -> dict[int, dict[str, Any]]:
    account = {a.node: a for a in artifact.manifest.account}
    costs = {layer.step: layer for layer in cost.layers if not layer.analog}
    return {
        i: {
            "label": costs[step.name].label,
            "facts": _pairs(details.step_details(account.get(step.name), costs[step.name])),
        }
        for i, step in enumerate(artifact.manifest.steps)
        if step.name in costs
    }


def _cores(
    artifact: Artifact, maps: Maps | None, errors: Mapping[int, float]
) -> dict[int, dict[str, Any]]:
    found: dict[int, CoreMaps] = {m.core: m for m in maps.cores} if maps else {}
    cores: dict[int, dict[str, Any]] = {}
    for contents in core_contents(artifact):
        core, mine = contents.core, found.get(contents.core)
        shown = details.core_details(contents, mine.rms if mine else None, errors.get(core))
        cores[core] = {
            "name": core_name(artifact, core).capitalize(),
            "facts": _pairs(shown),
            "tiles": [
                {
                    "layer": held.layer,
                    "rect": [*held.tile.core_rows, *held.tile.core_columns],
                    "cells": details.tile_cells(held.matrix, held.tile),
                }
                for held in contents.tiles
            ],
            "map": {"target": mine.target, "error": mine.error} if mine else None,
        }
    return cores


def _scales(artifact: Artifact, held: ProgrammingSnapshot, maps: Maps) -> dict[str, Any]:
    crossbar, scales, made = artifact.chip.crossbar, maps.scales, held.outcome
    origin = f"Weights by {made.method} on the chip with seed {made.seed}, before drift"
    return {
        "middle": MIDDLE,
        "target_step": scales.target_step,
        "error_step": scales.error_step,
        "error_shown": scales.error_shown,
        "stride": maps.stride,
        "rows": crossbar.rows,
        "columns": crossbar.columns,
        "origin": origin,
    }


def _pairs(shown: Sequence[Detail]) -> list[dict[str, str]]:
    return [asdict(detail) for detail in shown]


def _read(name: str) -> str:
    return (_WEB / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's policy calls a script by."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"sha256-{digest}"


def _shown(value: Any) -> Any:
    """Each text that the template is given, but markup of ours."""
    return shown(value) if type(value) is str else value


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_WEB),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment
