"""Parts of a total: they add up, and what is assumed is marked."""

from xml.etree import ElementTree

import pytest

from hermesrt.artifact.schema import Artifact
from hermesrt.breakdown import by_cause, by_layer
from hermesrt.cost import Cost
from hermesrt.program import Program
from hermesrt.programming.loop import Iteration
from hermesrt.programming.outcome import ProgrammingOutcome
from hermesrt.programming.session import OperationCounts
from hermesrt.report.figures.breakdown import breakdown_svg
from hermesrt.report.figures.convergence import curve_svg, programming_svg

_SVG = "{http://www.w3.org/2000/svg}"


def test_causes_add_up_and_the_assumed_ones_are_marked(cost: Cost) -> None:
    for quantity, assumed in (("latency", cost.assumed_latency), ("energy", cost.assumed_energy)):
        bars = by_cause(cost, quantity)  # type: ignore[arg-type]
        assert sum(bar.share for bar in bars) == pytest.approx(1)
        known = cost.latency_by if quantity == "latency" else cost.energy_by
        assert sum(bar.assumed for bar in bars) == len(set(assumed) & set(known)) > 0


def test_layers_and_digital_operations_take_the_energy_but_the_idle_one(
    artifact: Artifact, cost: Cost
) -> None:
    bars = by_layer(artifact, cost, "energy")
    idle = cost.energy_by["idle"] / cost.energy_pj
    assert sum(bar.share for bar in bars) == pytest.approx(1 - idle)
    assert [bar.name for bar in bars if bar.layer is not None] == ["first", "head"]
    digital = [bar.share for bar in bars if bar.layer is None]
    assert digital == sorted(digital, reverse=True)


def test_the_steps_of_one_matrix_are_one_layer(deep: Program) -> None:
    import hermesc

    chip = deep.deploy(hermesc.simulate("hermes", seed=0))
    cost = chip.device.cost(deep.workload(), "4-phase")
    bars = by_layer(deep.artifact, cost, "latency")
    assert [b.layer for b in bars[:5]] == [0, 1, 2, 3, 4]
    assert [b.name for b in bars[5:]].count("tanh") == 1


@pytest.mark.parametrize("quantity", ["latency", "energy"])
def test_the_picture_hatches_what_is_assumed(artifact: Artifact, cost: Cost, quantity: str) -> None:
    svg = breakdown_svg(artifact, cost, quantity)  # type: ignore[arg-type]
    root = ElementTree.fromstring(svg)
    hatched = [e for e in root.iter(f"{_SVG}rect") if e.get("fill") == "url(#assumed)"]
    assert len(hatched) == sum(bar.assumed for bar in by_cause(cost, quantity)) > 0  # type: ignore[arg-type]


def _points(svg: str) -> list[list[tuple[float, float]]]:
    lines = ElementTree.fromstring(svg).iter(f"{_SVG}polyline")
    return [
        [tuple(map(float, p.split(","))) for p in e.get("points", "").split()]  # type: ignore[misc]
        for e in lines
    ]


def test_the_curve_falls_where_the_error_falls(artifact: Artifact) -> None:
    iterations = tuple(
        Iteration("start" if i == 0 else "descend", (2.0 / 2**i, 1.0 / 2**i), OperationCounts())
        for i in range(6)
    )
    cores = _points(curve_svg(iterations))[:2]
    for line in cores:
        heights = [y for _, y in line]
        assert heights == sorted(heights)  # svg: larger is lower
    assert "gradient descent" in programming_svg(
        artifact, ProgrammingOutcome(artifact.chip, "gdp", 0, {0: 0.1, 1: 0.2}, 1, iterations)
    )


def test_errors_of_zero_and_one_iteration_can_be_drawn(artifact: Artifact) -> None:
    flat = (Iteration("start", (0.0,), OperationCounts()),)
    one = ProgrammingOutcome(artifact.chip, "verify", 0, {0: 0.0}, 1, flat)
    none = ProgrammingOutcome(artifact.chip, "published", 0, {}, 1, ())
    for outcome in (one, none):
        assert ElementTree.fromstring(programming_svg(artifact, outcome)).tag.endswith("svg")
