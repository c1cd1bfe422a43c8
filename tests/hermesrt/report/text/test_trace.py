"""The time line in the trace-event format."""

import json
from itertools import pairwise
from typing import Any

import pytest

from hermesrt.artifact.schema import Artifact
from hermesrt.cost import Cost
from hermesrt.report.text.trace import trace_json

Event = dict[str, Any]


@pytest.fixture
def events(artifact: Artifact, cost: Cost) -> list[Event]:
    found: list[Event] = json.loads(trace_json(artifact, cost))["traceEvents"]
    return found


def test_every_unit_has_a_lane_with_a_name(events: list[Event], artifact: Artifact) -> None:
    lanes = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    wanted = {f"core {c} {unit}" for c in artifact.cores for unit in ("array", "LDPU", "port in")}
    assert wanted < set(lanes.values())
    assert "host" in lanes.values()
    assert any(name.startswith("link ") for name in lanes.values())
    assert {(e["pid"], e["tid"]) for e in events if e["ph"] == "X"} == set(lanes)


def test_events_have_the_users_names_and_end_with_the_latency(
    events: list[Event], cost: Cost
) -> None:
    spans = [e for e in events if e["ph"] == "X"]
    assert {"first", "head", "cos"} <= {e["name"] for e in spans}
    end = max(e["ts"] + e["dur"] for e in spans)
    assert round(end * 1e6) == cost.latency_ps


def test_events_of_a_lane_follow_each_other_or_lie_inside(events: list[Event]) -> None:
    lanes: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events:
        if event["ph"] == "X":
            span = (event["ts"], -event["dur"])
            lanes.setdefault((event["pid"], event["tid"]), []).append(span)
    for spans in lanes.values():
        for (start, dur), (after, other) in pairwise(sorted(spans)):
            ends, inner = start - dur, after - other
            assert ends <= after or inner <= ends  # to the last bit: viewers add them up


def test_every_event_has_what_the_format_asks_for(events: list[Event]) -> None:
    for event in events:
        assert isinstance(event["name"], str)
        assert type(event["pid"]) is type(event["tid"]) is int
        if event["ph"] == "X":
            assert event["ts"] >= 0
            assert event["dur"] >= 0
        else:
            assert event["ph"] == "M"
            assert event["args"]
