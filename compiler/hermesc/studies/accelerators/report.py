"""The study of accelerators as text, plain data and rows of a table."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from hermesc.studies.accelerators.machine import Accelerator
from hermesrt.report.text.terminal import table
from hermesrt.units import percent, si

HEADLINES = ("tops", "tops_per_watt", "tops_per_mm2")


def study_text(found: Sequence[Accelerator]) -> str:
    """The tables with the sentences that belong to them."""
    published = [
        (
            a.name,
            a.published.device,
            f"{a.published.node_nm:g}" if a.published.node_nm else "",
            a.published.precision,
            a.published.kind,
            *(_number(getattr(a.published, key)) for key in HEADLINES),
            _number(a.published.area_mm2),
        )
        for a in found
    ]
    header = ("machine", "device", "nm", "precision", "figures are", "TOPS", "TOPS/W", "TOPS/mm2",
              "mm2")  # fmt: skip
    parts = [f"As published (nothing: not found in public text):\n{table(header, published)}"]
    parts.append(
        f"Headlines by the cost model:\n{table(_HEADLINE_HEADER, list(_headlines(found)))}"
    )
    for task in found[0].tasks:
        rows = [_cells(a, task) for a in found]
        parts.append(f"{task.capitalize()}, one sample:\n{table(_TASK_HEADER, rows)}")
    notes = "\n".join(f"  {a.name}: {a.published.not_comparable}" for a in found)
    parts.append(f"What is not comparable:\n{notes}")
    return "\n\n".join(parts)


_HEADLINE_HEADER = ("machine", "figure", "published", "cost model", "deviation")
_TASK_HEADER = ("machine", "latency", "energy", "assumed", "products alone, as published")


def _headlines(found: Sequence[Accelerator]) -> Iterator[tuple[str, ...]]:
    units = {"tops": "TOPS", "tops_per_watt": "TOPS/W", "tops_per_mm2": "TOPS/mm2"}
    for a in found:
        for key, unit in units.items():
            said, made = getattr(a.published, key), getattr(a.headline, key)
            if said and made is not None:
                yield a.name, unit, f"{said:g}", f"{made:.4g}", f"{made / said - 1:+.1%}"


def _cells(a: Accelerator, task: str) -> tuple[str, ...]:
    costed = a.tasks[task]
    return (
        a.name,
        "" if costed.latency_ns is None else si(costed.latency_ns * 1e-9, "s"),
        "" if costed.energy_nj is None else si(costed.energy_nj * 1e-9, "J"),
        "" if costed.assumed is None else percent(costed.assumed),
        "" if costed.products_nj is None else si(costed.products_nj * 1e-9, "J"),
    )


def _number(value: float) -> str:
    return f"{value:g}" if value else ""


def study_json(found: Sequence[Accelerator]) -> dict[str, Any]:
    """Plain data; what is not known is null."""
    return {
        "accelerators": [
            {
                "name": a.name,
                "published": {
                    k: (None if k in (*HEADLINES, "area_mm2", "node_nm") and not v else v)
                    for k, v in asdict(a.published).items()
                },
                "headline": asdict(a.headline),
                "tasks": {name: asdict(costed) for name, costed in a.tasks.items()},
            }
            for a in found
        ]
    }


def study_csv(found: Sequence[Accelerator]) -> str:
    """One row a machine."""
    text = io.StringIO()
    rows = [_flat(a) for a in found]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(a: Accelerator) -> dict[str, Any]:
    unknown = (*HEADLINES, "area_mm2", "node_nm")
    published = {k: ("" if k in unknown and not v else v) for k, v in asdict(a.published).items()}
    headline = {f"model_{k}": v for k, v in asdict(a.headline).items()}
    work = {
        f"{task}_{key}".replace(" ", "_"): value
        for task, costed in a.tasks.items()
        for key, value in asdict(costed).items()
    }
    return {"name": a.name, **published, **headline, **work}
