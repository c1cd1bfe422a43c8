"""A run's time line as a Chrome trace, for Perfetto and other viewers of that format."""

import json
from typing import Any

from hermesrt.report.run import RunReport

_PS_PER_US = 1e6
_HOST = 0


def trace_json(report: RunReport) -> str:
    """Complete events, one lane for the host and one for each core; times in microseconds.

    Format: "Trace Event Format" of the Chromium project, JSON object form.
    """
    lanes = [(_HOST, "host"), *((core + 1, f"core {core}") for core in report.artifact.cores)]
    name = report.artifact.manifest.name
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": 0, "tid": 0, "args": {"name": name}}
    ]
    for lane, text in lanes:
        args = {"name": text}
        events.append({"ph": "M", "name": "thread_name", "pid": 0, "tid": lane, "args": args})
    for span in report.cost.spans:
        for lane in [core + 1 for core in span.cores] or [_HOST]:
            events.append(
                {
                    "ph": "X",
                    "name": span.label,
                    "cat": span.resource,
                    "pid": 0,
                    "tid": lane,
                    "ts": span.start_ps / _PS_PER_US,
                    "dur": (span.end_ps - span.start_ps) / _PS_PER_US,
                    "args": {"step": span.step},
                }
            )
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}, indent=1)
