"""The compiler as readable code: from a captured model to an artifact, about ten named steps."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from torch import Tensor

from hermesc.analysis.batch_independence import rows_are_independent
from hermesc.analysis.finite_weights import check_finite_weights
from hermesc.analysis.model_inputs import (
    calibration_inputs,
    input_notes,
    labels_of_examples,
    named_inputs,
)
from hermesc.analysis.mvm_workload import mvm_workloads
from hermesc.analysis.output_error import predicted_errors
from hermesc.frontend.request import ModelSource as ModelSource
from hermesc.frontend.torch.batch_place import refuse_ambiguous
from hermesc.frontend.torch.capture import Capture as Capture
from hermesc.frontend.torch.capture import Exporter as Exporter
from hermesc.frontend.torch.capture import capture
from hermesc.frontend.torch.convert import convert
from hermesc.frontend.torch.export import export
from hermesc.ir import verify
from hermesc.ir.graph import device_of
from hermesc.ir.meaning import verify_meaning
from hermesc.ir.stages import Placed, Tiled
from hermesc.passes.assign_gates import GateOptions, assign_gates
from hermesc.passes.bound_loops import LoopOptions, bound_loops, loop_notes
from hermesc.passes.canonicalize import canonicalize
from hermesc.passes.convolve import ConvolveOptions, convolve
from hermesc.passes.decompose import decompose
from hermesc.passes.emit import ProgramInfo, emit
from hermesc.passes.partition import PartitionOptions, partition
from hermesc.passes.place import place
from hermesc.passes.quantize import QuantizeOptions, quantize, without_values
from hermesc.passes.recur import recur
from hermesc.passes.remap import remap
from hermesc.passes.roll import roll
from hermesc.passes.route import route
from hermesc.passes.schedule import schedule
from hermesc.passes.slice_matrices import slice_matrices
from hermesc.passes.tile import tile
from hermesc.placement.around_defects import around_defects
from hermesc.placement.options import (
    CellOptions,
    LayerOptions,
    PlaceOptions,
    ReadOptions,
    TileOptions,
    split_layers,
)
from hermesc.placement.over_chips import pipeline_chips
from hermesrt.artifact.published_mapping import Layers
from hermesrt.artifact.same_cells import cells_differ, layers_of
from hermesrt.artifact.schema import Artifact, PredictedError
from hermesrt.chip.defects import DefectMap
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import CapacityError, MappingError, ModelError
from hermesrt.files.typed import parse_groups

LAYER_OPTIONS = (ReadOptions, CellOptions, TileOptions, QuantizeOptions)  # that single layers have
_Laid = tuple[Placed, dict[str, Tensor]]
StageObserver = Callable[[str, object, float], None]


@dataclass(frozen=True, slots=True)
class Options:
    """The passes' options, each under its pass's name.

    partition: what goes to the chip.
    quantize: what inputs and outputs clip at.
    place: the aim of the placement, and its solver.
    tile: over how many matrices weights are spread.
    convolve: how convolutions are lowered.
    gates: who makes the gates of recurrent layers.
    loops: what loops on the host may do.
    layers: what single layers are to be.
    """

    partition: PartitionOptions = field(default_factory=PartitionOptions)
    quantize: QuantizeOptions = field(default_factory=QuantizeOptions)
    place: PlaceOptions = field(default_factory=PlaceOptions)
    tile: TileOptions = field(default_factory=TileOptions)
    convolve: ConvolveOptions = field(default_factory=ConvolveOptions)
    gates: GateOptions = field(default_factory=GateOptions)
    loops: LoopOptions = field(default_factory=LoopOptions)
    layers: LayerOptions = field(default_factory=LayerOptions, metadata={"by_key": False})


def compile_model(
    source: ModelSource,
    chip: ChipSpec,
    options: Options,
    observe: StageObserver | None = None,
    mapping: Layers = MappingProxyType({}),
    defects: DefectMap | None = None,
    captured: Capture | None = None,
) -> Artifact:
    """The program of a model; `observe` gets (name, stage, seconds) after each step. Layers of
    `mapping` are placed as it says; `defects` are those of the chip that the program is for. Where
    the source says what the chip holds already, the program keeps all of it. `captured` is what
    `capture_model` gave, where the model is compiled several times.

    Raises: ModelError, UnsupportedOpError, OptionError, MappingError, CapacityError; VerifyError is
    our bug.
    """
    _check_one_map(mapping, defects)
    held = source.programmed
    fixed = mapping if held is None else layers_of(held)
    conductances = {} if held is None else {m.name: m.g_max_siemens for m in held.manifest.matrices}
    step = _Steps(observe)
    captured = captured or step("capture", capture_model, source)
    graph, weights = step(
        "convert",
        convert,
        captured.exported,
        source.folder,
        captured.input_names,
        captured.weights,
    )
    verify.verify_graph(graph, weights, "convert")
    graph, weights = step("canonicalize", canonicalize, graph, weights)
    verify.verify_graph(graph, weights, "canonicalize")
    check_finite_weights(weights, captured.exported.graph_signature.parameters)
    examples = named_inputs(graph, captured.example_inputs, "example_inputs")
    graph = step("bound_loops", bound_loops, graph, weights, examples, options.loops)
    verify.verify_graph(graph, weights, "bound_loops")
    graph, weights = step("convolve", convolve, graph, weights, chip, options.convolve)
    verify.verify_graph(graph, weights, "convolve")
    graph, weights = step("roll", roll, graph, weights)
    verify.verify_graph(graph, weights, "roll")
    graph, weights = step("recur", recur, graph, weights)
    verify.verify_graph(graph, weights, "recur")
    graph, weights = step("decompose", decompose, graph, weights)
    verify.verify_graph(graph, weights, "decompose")
    partitioned, weights = step("partition", partition, graph, weights, options.partition)
    graph = partitioned.graph
    verify.verify_graph(graph, weights, "partition")
    verify.verify_partitioned(partitioned)
    options.layers.check({op.label for op in graph.mvms})
    partitioned, weights = step(
        "slice", slice_matrices, partitioned, weights, options.tile, options.layers
    )
    graph = partitioned.graph
    verify.verify_graph(graph, weights, "slice")

    shapes_alone = device_of(weights) == "meta"
    cancelled: tuple[str, ...] = ()
    if not shapes_alone:
        exact = captured.in_fp64
        cancelled = verify_meaning(graph, weights, examples, captured.eager_outputs, exact)
    calibration = calibration_inputs(graph, source.calibration, examples)
    independent = rows_are_independent(graph, weights, examples)
    if not independent and source.batch_dim is None and source.arguments is None:
        refuse_ambiguous(captured.model, captured.example_inputs)
    workloads = mvm_workloads(graph, weights, examples)

    def lay_out(arrays: ChipSpec, excluded: frozenset[int], gates: GateOptions) -> _Laid:
        parts, own = step(
            "assign_gates", assign_gates, partitioned, weights, arrays, excluded,
            options.place.chips, gates,
        )  # fmt: skip
        verify.verify_graph(parts.graph, own, "assign_gates")
        tiled = step(
            "tile", tile, parts, own, workloads, arrays, options.place, fixed, options.layers
        )
        verify.verify_tiled(tiled, own, arrays)
        if shapes_alone:
            quantized = step("quantize", without_values, tiled, arrays)
        else:
            quantized = step(
                "quantize", quantize, tiled, own, calibration, independent, arrays,
                options.quantize, source.input_ranges, conductances, options.layers,
            )  # fmt: skip
        verify.verify_quantized(quantized, arrays)
        aim = _on_enough_chips(tiled, arrays, options.place) if shapes_alone else options.place
        placed: Placed = step("place", place, quantized, arrays, aim, fixed, excluded)
        verify.verify_placed(placed, arrays)
        return placed, own

    def try_gates(arrays: ChipSpec, excluded: frozenset[int]) -> _Laid:
        gates = replace(options.gates, unit="host") if mapping else options.gates
        try:
            return lay_out(arrays, excluded, gates)
        except CapacityError:  # the cores above the gate unit hold one layer each
            if gates.unit == "host" or not any(op.recurrence for op in graph.mvms):
                raise
            return lay_out(arrays, excluded, replace(gates, unit="host"))

    placed, weights = around_defects(chip, defects, try_gates)
    remapped = step("remap", remap, placed, weights, chip, defects)
    verify.verify_remapped(remapped, defects)
    routed = step("route", route, remapped, chip)
    verify.verify_routed(routed, chip)
    scheduled = step("schedule", schedule, routed)
    verify.verify_scheduled(scheduled)

    predicted: tuple[PredictedError, ...] = ()
    if not shapes_alone:
        predicted = predicted_errors(placed.quantized, weights, calibration, independent, chip)
    calibrated = source.calibration is not None or shapes_alone
    notes = input_notes(graph, examples, calibrated=calibrated)
    info = ProgramInfo(
        name=source.name,
        examples=examples,
        labels=labels_of_examples(source.labels, examples),
        rows_independent=independent,
        notes=(*source.notes, *captured.notes, *cancelled, *loop_notes(graph), *notes),
        classes=source.classes,
        predicted=predicted,
    )
    artifact: Artifact = step("emit", emit, scheduled, weights, chip, info)
    if held is not None:
        _check_held(held, artifact)
    return artifact


def _check_held(held: Artifact, artifact: Artifact) -> None:
    """Raises: ModelError where the chip would need programming."""
    differing = cells_differ(held, artifact)
    if differing is not None:
        raise ModelError(
            f"the model does not run on what the chip holds ({held.manifest.name}): it differs in "
            f"{differing}; leave `programmed` out, and program the chip"
        )


def capture_model(source: ModelSource, exporter: Exporter = export) -> Capture:
    """The model as torch.export sees it, which no setting changes.

    Raises: ModelError.
    """
    return capture(
        source.model, source.example_inputs, source.dynamic_shapes, source.arguments, exporter
    )


def _on_enough_chips(tiled: Tiled, chip: ChipSpec, options: PlaceOptions) -> PlaceOptions:
    """As many chips as whole layers, one after the other, need at most."""
    layers = [(m.copies * len(m.cascades), len(m.row_ranges)) for m in tiled.matrices]
    return replace(options, chips=max(options.chips, pipeline_chips(layers, chip.cores)))


def parse_options(settings: Sequence[tuple[str, str]]) -> Options:
    """Options from pairs such as ("partition.bias", "host").

    Raises: OptionError for an unknown name or value.
    """
    rest, layers = split_layers(settings, LAYER_OPTIONS)
    return replace(parse_groups(Options, rest), layers=layers)


def _check_one_map(mapping: Layers, defects: DefectMap | None) -> None:
    if mapping and defects is not None:
        raise MappingError(
            "a mapping file says where layers are, and a defect map where they cannot be; give one "
            "of the two"
        )


class _Steps:
    """Runs a step, times it, tells the observer."""

    def __init__(self, observe: StageObserver | None) -> None:
        self._observe = observe

    def __call__(self, name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        stage = work(*arguments)
        if self._observe is not None:
            self._observe(name, stage, time.perf_counter() - start)
        return stage
