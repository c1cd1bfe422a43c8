"""From operations to cores: gates, tiles, ranges and places, in steps that are timed and verified.

In: what runs where, and what examples tell. Out: every block of every matrix on a core. Where the
gate unit takes cores that the layers need, its gates go to the host.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from hermesc.frontend.request import ModelSource
from hermesc.ir import verify
from hermesc.ir.graph import Weights
from hermesc.ir.stages import MvmWorkload, Partitioned, Placed, Quantized, Tiled
from hermesc.passes.assign_gates import GateOptions, assign_gates
from hermesc.passes.place import place
from hermesc.passes.quantize import QuantizeOptions, quantize, without_values
from hermesc.passes.tile import tile
from hermesc.placement.options import LayerOptions, PlaceOptions
from hermesc.placement.over_chips import pipeline_chips
from hermesrt.artifact.published_mapping import Layers
from hermesrt.artifact.same_cells import layers_of
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import CapacityError

StageObserver = Callable[[str, object, float], None]
_Laid = tuple[Placed, dict[str, Tensor]]


class Steps:
    """Runs a step, times it, tells the observer."""

    def __init__(self, observe: StageObserver | None) -> None:
        self._observe = observe

    def __call__(self, name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        stage = work(*arguments)
        if self._observe is not None:
            self._observe(name, stage, time.perf_counter() - start)
        return stage


@dataclass(frozen=True, slots=True)
class Known:
    """What examples and calibration data tell of a graph.

    examples: by name, the samples first.
    calibration: by name, of as many samples as there are.
    independent: whether each output row depends on its own input row alone.
    workloads: of each MVM.
    cancelled: notes on outputs that rounding takes over.
    shapes_alone: whether weights and inputs have no values.
    """

    examples: dict[str, Tensor]
    calibration: dict[str, Tensor]
    independent: bool
    workloads: tuple[MvmWorkload, ...]
    cancelled: tuple[str, ...]
    shapes_alone: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Gives every matrix its tiles, ranges and cores, on arrays that may lack some of the chip's.

    step: runs, times and tells each step.
    source: the model, and what its chip holds already, which all stays where it is.
    partitioned: what runs where.
    weights: by name.
    known: what examples tell.
    mapping: layers that are placed as it says.
    gates: who makes the gates of recurrent layers.
    place: the aim of the placement.
    quantize: what inputs and outputs clip at.
    layers: what single layers are to be.
    """

    step: Steps
    source: ModelSource
    partitioned: Partitioned
    weights: dict[str, Tensor]
    known: Known
    mapping: Layers
    gates: GateOptions
    place: PlaceOptions
    quantize: QuantizeOptions
    layers: LayerOptions

    def laid_out(self, arrays: ChipSpec, excluded: frozenset[int]) -> _Laid:
        """Without the gate unit where there is no room otherwise: the cores above it hold one layer
        each."""
        gates = replace(self.gates, unit="host") if self.mapping else self.gates
        try:
            return self._with_gates(arrays, excluded, gates)
        except CapacityError:
            recurs = any(op.recurrence for op in self.partitioned.graph.mvms)
            if gates.unit == "host" or not recurs:
                raise
            return self._with_gates(arrays, excluded, replace(gates, unit="host"))

    def _with_gates(self, arrays: ChipSpec, excluded: frozenset[int], gates: GateOptions) -> _Laid:
        step, held = self.step, self.source.programmed
        fixed = self.mapping if held is None else layers_of(held)
        parts, own = step(
            "assign_gates", assign_gates, self.partitioned, self.weights, arrays, excluded,
            self.place.chips, gates,
        )  # fmt: skip
        verify.verify_graph(parts.graph, own, "assign_gates")
        tiled = step(
            "tile", tile, parts, own, self.known.workloads, arrays, self.place, fixed,
            self.layers,
        )  # fmt: skip
        verify.verify_tiled(tiled, own, arrays)
        quantized = self._quantized(tiled, own, arrays)
        verify.verify_quantized(quantized, arrays)
        alone = self.known.shapes_alone
        aim = _on_enough_chips(tiled, arrays, self.place) if alone else self.place
        placed: Placed = step("place", place, quantized, arrays, aim, fixed, excluded)
        verify.verify_placed(placed, arrays)
        return placed, own

    def _quantized(self, tiled: Tiled, own: Weights, arrays: ChipSpec) -> Quantized:
        """With ranges, if there are values to take them from."""
        held, known = self.source.programmed, self.known
        made: Quantized
        if known.shapes_alone:
            made = self.step("quantize", without_values, tiled, arrays)
        else:
            conductances = {m.name: m.g_max_siemens for m in held.manifest.matrices} if held else {}
            made = self.step(
                "quantize", quantize, tiled, own, known.calibration, known.independent, arrays,
                self.quantize, self.source.input_ranges, conductances, self.layers,
            )  # fmt: skip
        return made


def _on_enough_chips(tiled: Tiled, chip: ChipSpec, options: PlaceOptions) -> PlaceOptions:
    """As many chips as whole layers, one after the other, need at most."""
    layers = [(m.copies * len(m.cascades), len(m.row_ranges)) for m in tiled.matrices]
    return replace(options, chips=max(options.chips, pipeline_chips(layers, chip.cores)))
