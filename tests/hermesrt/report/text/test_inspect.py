"""The program as text and as data, stage by stage."""

import pytest

from hermesrt.artifact.contents import core_contents
from hermesrt.artifact.schema import Artifact
from hermesrt.program import Program
from hermesrt.report.text.inspect import STAGES, inspect_json, inspect_text


def test_all_stages_follow_each_other_by_name(artifact: Artifact) -> None:
    text = inspect_text(artifact, "small.hermes", "all")
    found = [line[:-1] for line in text.splitlines() if line[:-1] in STAGES]
    assert found == list(STAGES)


def test_the_partition_counts_every_node_once_with_its_reason(artifact: Artifact) -> None:
    parts = inspect_json(artifact, "0", "partition")["partition"]
    assert sum(p["nodes"] for p in parts) == len(artifact.manifest.account)
    analog = next(p for p in parts if p["unit"] == "analog")
    assert analog["nodes"] == 2
    assert analog["reason"] == "product with a fixed matrix"
    text = inspect_text(artifact, "small.hermes", "partition")
    assert all(p["reason"] in text for p in parts)


def test_places_hold_every_tile_and_their_shares_add_up(artifact: Artifact) -> None:
    found = core_contents(artifact)
    assert [p.core for p in found] == list(artifact.cores)
    assert sum(len(p.tiles) for p in found) == artifact.tiles
    mean = sum(p.used_share for p in found) / len(found)
    assert mean == pytest.approx(artifact.utilisation)
    held = found[0].tiles[0]
    label, rows, columns = held.matrix.label, held.tile.core_rows, held.tile.core_columns
    stored = inspect_json(artifact, "0", "places")["places"][0]
    assert stored["tiles"][0] == [label, list(rows), list(columns)]
    text = inspect_text(artifact, "small.hermes", "places")
    words = (label, f"{rows[0]}-{rows[1]}", f"{columns[0]}-{columns[1]}")
    assert any(all(w in line.split() for w in words) for line in text.splitlines())


def test_a_program_without_matrices_has_all_stages(digital: Program) -> None:
    text = inspect_text(digital.artifact, "digital.hermes", "all")
    assert "No partial sums travel" in text
    assert inspect_json(digital.artifact, "0", "places") == {"places": []}
