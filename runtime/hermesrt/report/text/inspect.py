"""What is in a program file, as text and as data. Needs no torch."""

from functools import partial
from typing import Any

from hermesrt.artifact.assignments import node_groups
from hermesrt.artifact.contents import CoreContents, core_contents, core_number
from hermesrt.artifact.schema import Artifact, HostStep, MvmStep
from hermesrt.facts.errors import error_text
from hermesrt.facts.fact import aligned
from hermesrt.facts.program import program_facts
from hermesrt.files.typed import encode
from hermesrt.report.text.stages import (
    RANGE_HEADER,
    TILE_HEADER,
    extent,
    node_table,
    range_cells,
    route_table,
    tile_cells,
)
from hermesrt.report.text.terminal import account_table, matrix_table, table
from hermesrt.units import percent

# In the order in which the compiler makes them; `cost` is not in the file.
STAGES = ("graph", "partition", "tiles", "ranges", "places", "routes", "steps")


def inspect_text(artifact: Artifact, file: str, stage: str | None) -> str:
    """The whole program in short, one stage of it in full, or all of them."""
    match stage:
        case "all":
            parts = [f"{name}:\n{inspect_text(artifact, file, name)}" for name in STAGES]
            return "\n\n".join([aligned(program_facts(artifact, file)), *parts])
        case None:
            parts = [aligned(program_facts(artifact, file)), account_table(artifact)]
            if artifact.manifest.matrices:
                parts.insert(1, matrix_table(artifact))
            return "\n\n".join(parts)
        case "graph":
            return node_table(artifact.manifest.account)
        case "partition":
            return _partition(artifact)
        case "places":
            return _places(artifact)
        case "tiles":
            return _tiles(artifact)
        case "ranges":
            return _ranges(artifact)
        case "routes":
            return _routes(artifact)
        case _:
            return _steps(artifact)


def inspect_json(artifact: Artifact, sha256: str, stage: str | None) -> dict[str, Any]:
    """The manifest as it is stored, or the part that a stage shows."""
    manifest: dict[str, Any] = encode(artifact.manifest)
    summary = {
        "sha256": sha256,
        "cores_used": len(artifact.cores),
        "tiles": artifact.tiles,
        "utilisation": artifact.utilisation,
    }
    partition = {"partition": [encode(group) for group in node_groups(artifact)]}
    places = {"places": [_place_json(contents) for contents in core_contents(artifact)]}
    parts = {"graph": "account", "tiles": "matrices", "ranges": "steps", "routes": "routes"}
    if stage is None:
        return summary | manifest
    if stage == "partition":
        return partition
    if stage == "places":
        return places
    if stage == "all":
        return summary | manifest | partition | places
    key = parts.get(stage, "steps")
    return {key: manifest[key]}


def _place_json(contents: CoreContents) -> dict[str, Any]:
    """A core: each tile's label, and rows and columns of the array, half-open."""
    return {
        "core": contents.core,
        "used_share": contents.used_share,
        "tiles": [
            [held.matrix.label, list(held.tile.core_rows), list(held.tile.core_columns)]
            for held in contents.tiles
        ],
    }


def _places(artifact: Artifact) -> str:
    rows = []
    for contents in core_contents(artifact):
        core, share = core_number(artifact, contents.core), percent(contents.used_share)
        for held in contents.tiles:
            down, across = extent(held.tile.core_rows), extent(held.tile.core_columns)
            rows.append((core, share, held.matrix.label, down, across))
            core = share = ""
    return table(("core", "used", "layer", "core rows", "core columns"), rows)


def _partition(artifact: Artifact) -> str:
    rows = [
        (group.unit, str(group.nodes), group.reason, ", ".join(group.operations))
        for group in node_groups(artifact)
    ]
    return table(("runs in", "nodes", "why", "operations"), rows)


def _tiles(artifact: Artifact) -> str:
    rows = [
        (
            *tile_cells(m.label, t, partial(core_number, artifact)),
            f"{m.g_max_siemens[t.stage] * 1e6:.2f}",
        )
        for m in artifact.manifest.matrices
        for t in m.tiles
    ]
    return table((*TILE_HEADER, "g_max (uS)"), rows)


def _ranges(artifact: Artifact) -> str:
    rows = []
    errors = {found.mvm: error_text(found) for found in artifact.manifest.predicted}
    for s in artifact.mvms:
        label = artifact.matrices[s.matrix].label
        cells = range_cells(s.name, label, s.input_max, s.clipped_share, s.output_max)
        rows.append((*cells, errors.get(s.name, "unknown"), s.location.place))
    return table((*RANGE_HEADER, "expected error", "where"), rows)


def _routes(artifact: Artifact) -> str:
    labels = {m.name: m.label for m in artifact.manifest.matrices}
    return route_table(artifact.manifest.routes, labels, partial(core_number, artifact))


def _steps(artifact: Artifact) -> str:
    rows = []
    for step in artifact.manifest.steps:
        match step:
            case HostStep():
                rows.append(
                    (step.name, "host", step.op, ", ".join(step.takes), step.location.place)
                )
            case MvmStep():
                for product in step.products:
                    label = artifact.matrices[product.matrix].label
                    rows.append((product.name, "mvm", label, product.input, step.location.place))
            case _:
                rows.append((step.name, "constant", step.tensor, "", ""))
    return table(("step", "kind", "what", "takes", "where"), rows)
