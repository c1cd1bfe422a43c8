"""The compiler as readable code: from a captured model to an artifact, about ten named steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
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
from hermesc.ir.graph import Graph, Weights, apart_from, device_of
from hermesc.ir.interpret import interpret
from hermesc.ir.meaning import verify_meaning
from hermesc.ir.stages import Partitioned, Placed, Scheduled
from hermesc.layout import Known, Layout, Steps
from hermesc.layout import StageObserver as StageObserver
from hermesc.passes.assign_gates import GateOptions
from hermesc.passes.bound_loops import LoopOptions, bound_loops, loop_notes
from hermesc.passes.canonicalize import canonicalize
from hermesc.passes.convolve import ConvolveOptions, convolve
from hermesc.passes.decompose import decompose
from hermesc.passes.emit import ProgramInfo, emit
from hermesc.passes.partition import PartitionOptions, partition
from hermesc.passes.quantize import QuantizeOptions
from hermesc.passes.recur import recur
from hermesc.passes.remap import remap
from hermesc.passes.roll import roll
from hermesc.passes.route import route
from hermesc.passes.schedule import schedule
from hermesc.passes.slice_matrices import slice_matrices
from hermesc.placement.around_defects import around_defects
from hermesc.placement.options import (
    CellOptions,
    LayerOptions,
    PlaceOptions,
    ReadOptions,
    TileOptions,
    split_layers,
)
from hermesrt.artifact.published_mapping import Layers
from hermesrt.artifact.same_cells import cells_differ
from hermesrt.artifact.schema import Artifact, PredictedError
from hermesrt.chip.defects import DefectMap
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import MappingError, ModelError
from hermesrt.files.typed import parse_groups

LAYER_OPTIONS = (ReadOptions, CellOptions, TileOptions, QuantizeOptions)  # that single layers have


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
    step = Steps(observe)
    captured = captured or step("capture", capture_model, source)
    partitioned, weights = _lowered(step, source, captured, chip, options)
    known = _known(source, captured, partitioned.graph, weights)
    layout = Layout(
        step, source, partitioned, weights, known, mapping,
        options.gates, options.place, options.quantize, options.layers,
    )  # fmt: skip
    placed, weights = around_defects(chip, defects, layout.laid_out)
    scheduled = _scheduled(step, placed, weights, chip, defects)
    info = _info(source, captured, known, placed, weights, chip)
    live = apart_from(scheduled.graph.live_weights(weights), captured.weights.values())
    artifact: Artifact = step("emit", emit, scheduled, live, chip, info)
    if source.programmed is not None:
        _check_held(source.programmed, artifact)
    return artifact


def _lowered(
    step: Steps, source: ModelSource, captured: Capture, chip: ChipSpec, options: Options
) -> tuple[Partitioned, dict[str, Tensor]]:
    """What runs where: products with fixed matrices on crossbars, in slices; the rest digital."""
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
    return partitioned, weights


def _known(source: ModelSource, captured: Capture, graph: Graph, weights: Weights) -> Known:
    """Also sees that the graph means what the model does, and that its rows are told apart."""
    examples = named_inputs(graph, captured.example_inputs, "example_inputs")
    shapes_alone = device_of(weights) == "meta"
    cancelled: tuple[str, ...] = ()
    outputs: tuple[Tensor, ...] | None = None
    if not shapes_alone:
        exact = captured.in_fp64
        with torch.no_grad():
            outputs = interpret(graph, weights, examples)
        cancelled = verify_meaning(graph, weights, examples, outputs, captured.eager_outputs, exact)
    calibration = calibration_inputs(graph, source.calibration, examples)
    independent = rows_are_independent(graph, weights, examples, outputs)
    if not independent and source.batch_dim is None and source.arguments is None:
        refuse_ambiguous(captured.model, captured.example_inputs)
    workloads = mvm_workloads(graph, weights, examples)
    return Known(examples, calibration, independent, workloads, cancelled, shapes_alone)


def _scheduled(
    step: Steps, placed: Placed, weights: Weights, chip: ChipSpec, defects: DefectMap | None
) -> Scheduled:
    """Around defective cells, with the ways of partial sums and an order of all steps."""
    remapped = step("remap", remap, placed, weights, chip, defects)
    verify.verify_remapped(remapped, defects)
    routed = step("route", route, remapped, chip)
    verify.verify_routed(routed, chip)
    scheduled: Scheduled = step("schedule", schedule, routed)
    verify.verify_scheduled(scheduled)
    return scheduled


def _info(
    source: ModelSource,
    captured: Capture,
    known: Known,
    placed: Placed,
    weights: Weights,
    chip: ChipSpec,
) -> ProgramInfo:
    """What the program tells of itself."""
    predicted: tuple[PredictedError, ...] = ()
    if not known.shapes_alone:
        predicted = predicted_errors(
            placed.quantized, weights, known.calibration, known.independent, chip
        )
    calibrated = source.calibration is not None or known.shapes_alone
    notes = input_notes(placed.graph, known.examples, calibrated=calibrated)
    looped = loop_notes(placed.graph)
    return ProgramInfo(
        name=source.name,
        examples=apart_from(known.examples, captured.example_inputs),
        labels=labels_of_examples(source.labels, known.examples),
        rows_independent=known.independent,
        notes=(*source.notes, *captured.notes, *known.cancelled, *looped, *notes),
        classes=source.classes,
        predicted=predicted,
    )


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
