"""The time line: every stream at its time, on the track of its unit."""

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from hermesrt.artifact.schema import Artifact
from hermesrt.cost import Cost
from hermesrt.program import Chip, Program
from hermesrt.report.figures.timeline import timeline, timeline_svg

_XML = '<svg xmlns="http://www.w3.org/2000/svg">'


def _spans(tracks: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(f"{_XML}{tracks}</svg>")
    return [e for e in root.iter() if "span" in e.get("class", "").split()]


def _share(element: ElementTree.Element, name: str) -> float:
    return float(element.get(name, "").rstrip("%")) / 100


def test_every_stream_is_drawn_at_its_time(artifact: Artifact, cost: Cost) -> None:
    drawn = timeline(artifact, cost)
    assert drawn.left_out == 0
    end = max(s.end_ps for s in cost.spans)
    found = sorted(
        (round(_share(e, "x") * end), round((_share(e, "x") + _share(e, "width")) * end))
        for e in _spans(drawn.tracks)
    )
    wanted = sorted((s.start_ps, s.end_ps) for s in cost.spans)
    for pair, other in zip(found, wanted, strict=True):
        assert pair == pytest.approx(other, abs=2e-6 * end)


def test_streams_of_one_unit_do_not_overlap_in_the_picture(artifact: Artifact, cost: Cost) -> None:
    by_track: dict[str, list[tuple[float, float]]] = {}
    for e in _spans(timeline(artifact, cost).tracks):
        start = _share(e, "x")
        by_track.setdefault(e.get("y", ""), []).append((start, start + _share(e, "width")))
    for spans in by_track.values():
        spans.sort()
        assert all(b[0] >= a[1] - 1e-6 for a, b in pairwise(spans))


def test_rows_are_named_digital_cores_links(artifact: Artifact, cost: Cost) -> None:
    root = ElementTree.fromstring(f"{_XML}{timeline(artifact, cost).names}</svg>")
    names = [e.text or "" for e in root]
    first, second = artifact.manifest.routes[0].cores
    cores = [f"core {c}" for c in artifact.cores]
    assert names == ["host", *cores, f"link {first} → {second}"]


def test_ticks_of_a_zoom_are_among_those_of_the_next(artifact: Artifact, cost: Cost) -> None:
    root = ElementTree.fromstring(f"{_XML}{timeline(artifact, cost).tracks}</svg>")
    ticks = {}
    for group in root.iter():
        if group.get("class", "").startswith("tick"):
            ticks.setdefault(group.get("class"), []).append(_share(group[0], "x1"))
    coarse, fine = sorted(ticks["tick from-1"]), sorted(ticks["tick from-5"])
    step = coarse[1] - coarse[0]
    together = sorted({*coarse, *fine})
    gaps = [b - a for a, b in pairwise(together)]
    assert gaps == pytest.approx([step / 5] * len(gaps), abs=1e-5)


def test_too_many_streams_are_counted_not_dropped_in_silence(
    artifact: Artifact, cost: Cost
) -> None:
    span = max(cost.spans, key=lambda s: s.end_ps - s.start_ps)
    many = replace(cost, spans=(*cost.spans, *([span] * 4000)))
    assert timeline(artifact, many).left_out == len(cost.spans)
    assert "shorter streams are not drawn" in timeline_svg(artifact, many)


def test_a_program_without_matrices_has_a_time_line(digital: Program, chip: Chip) -> None:
    cost = chip.device.cost(digital.workload(), "4-phase")
    assert len(_spans(timeline(digital.artifact, cost).tracks)) == 1


def test_hostile_names_stay_text(hostile: Artifact, cost: Cost) -> None:
    root = ElementTree.fromstring(timeline_svg(hostile, cost))
    assert not [e for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "img")]
