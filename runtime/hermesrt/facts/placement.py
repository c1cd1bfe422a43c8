"""A placement as plain data, and in words what crosses between chips."""

from collections.abc import Sequence
from typing import Any

from hermesrt.artifact.schema import Artifact
from hermesrt.facts.fact import Fact
from hermesrt.files.typed import encode
from hermesrt.interchip import InterchipTransfer, interchip_transfers
from hermesrt.units import percent
from hermesrt.workload import Workload

_LABELS_SHOWN = 4


def placement_json(artifact: Artifact, work: Workload) -> dict[str, Any]:
    """Objective, solver, value, bound and gap; chips, their cut, and what a sample lets cross."""
    score, crosses = artifact.manifest.placement, interchip_transfers(work)
    return {
        "objective": score.objective,
        "solver": score.solver,
        "unit": score.unit,
        "value": score.value,
        "bound": score.bound,
        "gap": score.gap,
        "chips": artifact.manifest.chips,
        "chips_used": len(artifact.chips),
        "cut": encode(artifact.manifest.cut),
        "crossing_bytes": sum(c.count for c in crosses),
        "interchip_transfers": [
            {"label": c.label, "from": list(c.sources), "to": c.chip, "bytes": c.count}
            for c in crosses
        ],
    }


def crossing_facts(artifact: Artifact, crosses: Sequence[InterchipTransfer]) -> tuple[Fact, ...]:
    """One fact on several chips; none on one."""
    if artifact.manifest.chips == 1:
        return ()
    total = sum(c.count for c in crosses)
    what = f"{total:,} bytes a sample cross between them, into {_into(crosses)}" if total else (
        "nothing crosses between them"
    )  # fmt: skip
    return (Fact("Chips", f"{len(artifact.chips)} of {artifact.manifest.chips}; {what}"),)


def _into(crosses: Sequence[InterchipTransfer]) -> str:
    labels = list(dict.fromkeys(c.label for c in crosses))
    more = len(labels) - _LABELS_SHOWN
    what = "layers " if len(labels) > 1 else "layer "
    return what + ", ".join(labels[:_LABELS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def product_fact(work: Workload) -> Fact:
    """How much of the multiplying is analog."""
    return Fact("Products", f"{percent(work.analog_mac_share)} of multiply-adds on crossbars")
