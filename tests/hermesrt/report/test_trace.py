"""The time line in the trace-event format."""

import json
from itertools import pairwise

import hermesc
from hermesrt.program import Program
from hermesrt.report.trace import trace_json


def test_lanes_are_named_and_events_fill_the_latency(program: Program) -> None:
    report = program.deploy(hermesc.simulate()).report()
    trace = json.loads(trace_json(report))
    events = trace["traceEvents"]
    lanes = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    spans = [e for e in events if e["ph"] == "X"]
    assert lanes[0] == "host"
    assert {f"core {c}" for c in program.artifact.cores} < set(lanes.values())
    assert {e["tid"] for e in spans} <= set(lanes)
    assert {"omega", "head", "cos"} <= {e["name"] for e in spans}
    end = max(e["ts"] + e["dur"] for e in spans)
    assert round(end * 1e6) == report.cost.latency_ps


def test_no_two_events_of_a_lane_overlap(program: Program) -> None:
    report = program.deploy(hermesc.simulate()).report()
    lanes: dict[int, list[tuple[float, float]]] = {}
    for event in json.loads(trace_json(report))["traceEvents"]:
        if event["ph"] == "X":
            lanes.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"]))
    for spans in lanes.values():
        spans.sort()
        assert all(a[1] <= b[0] + 1e-9 for a, b in pairwise(spans))
