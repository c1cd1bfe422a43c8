"""What is in a program file, as text and as data. Needs no torch."""

from dataclasses import dataclass
from typing import Any

from hermesrt.artifact.schema import Artifact, HostStep, MvmStep, Tile
from hermesrt.files.typed import encode
from hermesrt.ops.table import base_name
from hermesrt.report.text.stages import (
    RANGE_HEADER,
    TILE_HEADER,
    extent,
    node_table,
    range_cells,
    route_table,
    tile_cells,
)
from hermesrt.report.text.terminal import account_table, artifact_facts, facts, matrix_table, table
from hermesrt.units import percent

# In the order in which the compiler makes them; `cost` is not in the file.
STAGES = ("graph", "partition", "tiles", "ranges", "places", "routes", "steps")


def inspect_text(artifact: Artifact, file: str, stage: str | None) -> str:
    """The whole program in short, one stage of it in full, or all of them."""
    match stage:
        case "all":
            parts = [f"{name}:\n{inspect_text(artifact, file, name)}" for name in STAGES]
            return "\n\n".join([facts(artifact_facts(artifact, file)), *parts])
        case None:
            parts = [facts(artifact_facts(artifact, file)), account_table(artifact)]
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
    parts = {"graph": "account", "tiles": "matrices", "ranges": "steps", "routes": "routes"}
    if stage is None:
        return summary | manifest
    if stage == "partition":
        return {"partition": _parts(artifact)}
    if stage == "places":
        return {"places": [encode(p) for p in places(artifact)]}
    if stage == "all":
        computed = {"partition": _parts(artifact), "places": list(map(encode, places(artifact)))}
        return summary | manifest | computed
    key = parts.get(stage, "steps")
    return {key: manifest[key]}


@dataclass(frozen=True, slots=True)
class CoreContents:
    """One core in use and what it holds: label, and rows and columns of its array, half-open."""

    core: int
    used_share: float
    tiles: tuple[tuple[str, tuple[int, int], tuple[int, int]], ...]


def places(artifact: Artifact) -> list[CoreContents]:
    """The cores in use, by number."""
    held: dict[int, list[tuple[str, Tile]]] = {core: [] for core in artifact.cores}
    for matrix in artifact.manifest.matrices:
        for tile in matrix.tiles:
            held[tile.core].append((matrix.label, tile))
    return [
        CoreContents(
            core,
            sum(t.cells for _, t in tiles) / artifact.chip.cells_per_core,
            tuple((label, t.core_rows, t.core_columns) for label, t in tiles),
        )
        for core, tiles in held.items()
    ]


def _places(artifact: Artifact) -> str:
    rows = []
    for place in places(artifact):
        core, share = str(place.core), percent(place.used_share)
        for label, down, across in place.tiles:
            rows.append((core, share, label, extent(down), extent(across)))
            core = share = ""
    return table(("core", "used", "layer", "core rows", "core columns"), rows)


def _parts(artifact: Artifact) -> list[dict[str, Any]]:
    """Nodes by where they run and why, the reason of a layer's product without its name."""
    found: dict[tuple[str, str], list[str]] = {}
    for a in artifact.manifest.account:
        reason = a.reason.split(":")[0] if a.unit == "analog" else a.reason
        found.setdefault((a.unit, reason), []).append(base_name(a.op))
    return [
        {"unit": unit, "reason": reason, "nodes": len(ops), "operations": sorted(set(ops))}
        for (unit, reason), ops in found.items()
    ]


def _partition(artifact: Artifact) -> str:
    rows = [
        (part["unit"], str(part["nodes"]), part["reason"], ", ".join(part["operations"]))
        for part in _parts(artifact)
    ]
    return table(("runs in", "nodes", "why", "operations"), rows)


def _tiles(artifact: Artifact) -> str:
    rows = [
        (*tile_cells(m.label, t), f"{m.g_max_siemens[t.stage] * 1e6:.2f}")
        for m in artifact.manifest.matrices
        for t in m.tiles
    ]
    return table((*TILE_HEADER, "g_max (uS)"), rows)


def _ranges(artifact: Artifact) -> str:
    rows = []
    for s in artifact.mvms:
        label = artifact.matrices[s.matrix].label
        cells = range_cells(s.name, label, s.input_max, s.clipped_share, s.output_max)
        rows.append((*cells, str(s.location)))
    return table((*RANGE_HEADER, "where"), rows)


def _routes(artifact: Artifact) -> str:
    labels = {m.name: m.label for m in artifact.manifest.matrices}
    return route_table(artifact.manifest.routes, labels)


def _steps(artifact: Artifact) -> str:
    rows = []
    for step in artifact.manifest.steps:
        match step:
            case HostStep():
                rows.append((step.name, "host", step.op, ", ".join(step.takes), str(step.location)))
            case MvmStep():
                label = artifact.matrices[step.matrix].label
                rows.append((step.name, "mvm", label, step.input, str(step.location)))
            case _:
                rows.append((step.name, "constant", step.tensor, "", ""))
    return table(("step", "kind", "what", "takes", "where"), rows)
