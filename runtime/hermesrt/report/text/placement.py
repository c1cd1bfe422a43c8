"""A placement as plain data, and what crosses between chips."""

from collections.abc import Sequence
from typing import Any

from hermesrt.artifact.schema import Artifact
from hermesrt.interchip import InterchipTransfer, interchip_transfers
from hermesrt.workload import Workload


def placement_json(artifact: Artifact, work: Workload) -> dict[str, Any]:
    """Objective, solver, value, bound and gap; chips, and bytes a sample that cross them."""
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
        "crossing_bytes": sum(c.count for c in crosses),
        "interchip_transfers": [
            {"label": c.label, "from": list(c.sources), "to": c.chip, "bytes": c.count}
            for c in crosses
        ],
    }


def crossing_fact(
    artifact: Artifact, crosses: Sequence[InterchipTransfer]
) -> list[tuple[str, str]]:
    """One line on several chips; none on one."""
    if artifact.manifest.chips == 1:
        return []
    total = sum(c.count for c in crosses)
    labels = list(dict.fromkeys(c.label for c in crosses))
    shown = ", ".join(labels[:4]) + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")
    used = f"{len(artifact.chips)} of {artifact.manifest.chips}"
    what = f"{total:,} bytes a sample cross between them, into {shown}" if total else (
        "nothing crosses between them"
    )  # fmt: skip
    return [("Chips", f"{used}; {what}")]
