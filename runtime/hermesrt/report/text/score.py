"""How good a placement is, in one line."""

from hermesrt.artifact.schema import Score
from hermesrt.units import percent, si


def placement_text(score: Score) -> str:
    """Objective, value, bound, gap and who found it."""
    value, bound = (_amount(v, score.unit) for v in (score.value, score.bound))
    how = {"file": "as the mapping file says"}.get(score.solver, f"{score.solver} solver")
    proven = (
        "no less is possible" if score.gap <= 0 else f"at least {bound}, gap {percent(score.gap)}"
    )
    return f"{score.objective}: {value} ({proven}), {how}"


def _amount(value: float, unit: str) -> str:
    match unit:
        case "ns":
            return f"{si(value * 1e-9, 's')} in the cores"
        case "nJ":
            return f"{si(value * 1e-9, 'J')} in the cores"
    return f"{value:,.0f} {unit}"
