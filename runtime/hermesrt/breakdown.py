"""Where latency and energy go: by cause, by layer and by matrix. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hermesrt.artifact.contents import layer_of_step
from hermesrt.artifact.schema import Artifact, Matrix, MvmStep
from hermesrt.cost import CAUSES, Cost, LayerCost

Quantity = Literal["latency", "energy"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a total.

    name: the cause, the layer or the operation.
    amount: latency in ps, or energy in pJ.
    share: of the total, 0 to 1.
    assumed: whether it rests on an assumed constant.
    layer: the number of its matrix; None where it has none.
    """

    name: str
    amount: float
    share: float
    assumed: bool = False
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class MatrixCost:
    """What all uses of one matrix cost for one sample.

    matrix: which.
    steps: the MVM steps that multiply with it.
    core_mvms: MVMs of cores.
    latency_ps: from first begin to last end of each use, added up, ps.
    energy_pj: without what is drawn idle, pJ.
    """

    matrix: Matrix
    steps: tuple[MvmStep, ...]
    core_mvms: int
    latency_ps: int
    energy_pj: float


def total(cost: Cost, quantity: Quantity) -> float:
    """All of it: ps or pJ."""
    return cost.energy_pj if quantity == "energy" else float(cost.latency_ps)


def by_cause(cost: Cost, quantity: Quantity) -> tuple[Part, ...]:
    """The parts of the total."""
    parts: Mapping[str, float] = cost.energy_by if quantity == "energy" else cost.latency_by
    assumed = cost.assumed_energy if quantity == "energy" else cost.assumed_latency
    whole = sum(parts.values())
    return tuple(
        Part(CAUSES[cause], amount, _share(amount, whole), cause in assumed)
        for cause, amount in parts.items()
    )


def by_layer(artifact: Artifact, cost: Cost, quantity: Quantity) -> tuple[Part, ...]:
    """Each layer on the chip in its order, then digital operations by name, largest first; shares
    are of the total. A layer's time runs from its first begin to its last end, so that times
    overlap; what is drawn idle belongs to none."""
    layers, whole = layer_of_step(artifact), total(cost, quantity)
    matrices = artifact.manifest.matrices
    analog: dict[int, float] = dict.fromkeys(range(len(matrices)), 0.0)
    digital: dict[str, float] = {}
    for layer in cost.layers:
        amount = _amount(layer, quantity)
        if layer.step in layers:
            analog[layers[layer.step]] += amount
        else:
            digital[layer.label] = digital.get(layer.label, 0.0) + amount
    ranked = sorted(digital.items(), key=lambda item: -item[1])
    return (
        *(Part(matrices[i].label, v, _share(v, whole), layer=i) for i, v in analog.items()),
        *(Part(name, v, _share(v, whole)) for name, v in ranked),
    )


def matrix_costs(artifact: Artifact, cost: Cost) -> tuple[MatrixCost, ...]:
    """The matrices in order."""
    layers = {layer.step: layer for layer in cost.layers}
    return tuple(_matrix_cost(artifact, layers, m) for m in artifact.manifest.matrices)


def _matrix_cost(artifact: Artifact, layers: Mapping[str, LayerCost], matrix: Matrix) -> MatrixCost:
    steps = tuple(s for s in artifact.mvms if s.matrix == matrix.name)
    costs = [layers[s.name] for s in steps if s.name in layers]
    return MatrixCost(
        matrix=matrix,
        steps=steps,
        core_mvms=sum(c.core_mvms for c in costs),
        latency_ps=sum(c.latency_ps for c in costs),
        energy_pj=sum(c.energy_pj for c in costs),
    )


def _amount(layer: LayerCost, quantity: Quantity) -> float:
    return layer.energy_pj if quantity == "energy" else float(layer.latency_ps)


def _share(amount: float, whole: float) -> float:
    return amount / whole if whole else 0.0
