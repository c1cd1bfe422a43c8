"""A program's time line as a Chrome trace, for Perfetto and other viewers of that format."""

import json
from collections.abc import Iterator
from typing import Any

from hermesrt.artifact.contents import core_name, link_name
from hermesrt.artifact.schema import Artifact
from hermesrt.cost import CAUSES, Cost, Lane, Span
from hermesrt.shown import shown

_PS_PER_US = 1e6
_GRAIN = 2.0**20  # of a microsecond, 0.95 ps: sums of such times are exact in any viewer
_UNITS = {"port_in": "port in", "array": "array", "ldpu": "LDPU", "port_out": "port out"}
_PROCESSES = ("cores", "links", "digital")

Event = dict[str, Any]


def trace_json(artifact: Artifact, cost: Cost) -> str:
    """One sample: a lane for each unit of a core, each link and the digital unit.

    A layer's stream on a lane is one event; its first vectors are events inside it. Times are in
    microseconds. Format: "Trace Event Format" of the Chromium project, JSON object form.
    """
    lanes = sorted({span.lane for span in cost.spans}, key=_order)
    numbers = {lane: number for number, lane in enumerate(lanes)}
    events = [*_names(artifact, cost, numbers)]
    for span in cost.spans:
        place = {"pid": _process(span.lane), "tid": numbers[span.lane]}
        events += [event | place for event in _events(span)]
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}, indent=1)


def _names(artifact: Artifact, cost: Cost, numbers: dict[Lane, int]) -> Iterator[Event]:
    for pid, name in enumerate(_PROCESSES):
        full = f"{artifact.manifest.name}: {name}"
        yield {
            "ph": "M",
            "name": "process_name",
            "pid": pid,
            "tid": 0,
            "args": {"name": shown(full)},
        }
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0,
               "args": {"sort_index": pid}}  # fmt: skip
    for lane, number in numbers.items():
        place = {"ph": "M", "pid": _process(lane), "tid": number}
        yield place | {"name": "thread_name", "args": {"name": _name(artifact, lane, cost)}}
        yield place | {"name": "thread_sort_index", "args": {"sort_index": number}}


def _events(span: Span) -> Iterator[Event]:
    yield _slice(span.label, span, span.start_ps, span.end_ps, {
        "step": shown(span.step), "vectors": span.jobs, "ns each": span.service_ps / 1000,
    })  # fmt: skip
    if span.jobs > 1:
        for number, end in enumerate(span.head):
            name = f"{span.label} #{number}"
            yield _slice(name, span, end - span.service_ps, end, {"step": shown(span.step)})


def _slice(name: str, span: Span, start_ps: int, end_ps: int, args: Event) -> Event:
    start, end = (round(ps / _PS_PER_US * _GRAIN) / _GRAIN for ps in (start_ps, end_ps))
    return {
        "ph": "X",
        "name": shown(name),
        "cat": span.lane.kind,
        "ts": start,
        "dur": end - start,
        "args": args,
    }


def _process(lane: Lane) -> int:
    return {"link": 1, "digital": 2}.get(lane.kind, 0)


def _order(lane: Lane) -> tuple[int, tuple[int, ...], int]:
    units = list(_UNITS)
    return _process(lane), lane.cores, units.index(lane.kind) if lane.kind in units else 0


def _name(artifact: Artifact, lane: Lane, cost: Cost) -> str:
    match lane.kind:
        case "link":
            return link_name(artifact, lane.cores)
        case "digital":
            return CAUSES["vector_unit" if "vector_unit" in cost.energy_by else "host"]
    return f"{core_name(artifact, lane.cores[0])} {_UNITS[lane.kind]}"
