"""The compiler as readable code: from a captured model to an artifact, about ten named steps."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from hermesc.analysis.batch_independence import rows_are_independent
from hermesc.analysis.mvm_workload import mvm_workloads
from hermesc.frontend.request import ModelSource as ModelSource
from hermesc.frontend.torch.capture import Capture, capture
from hermesc.frontend.torch.convert import convert
from hermesc.ir import verify
from hermesc.ir.graph import Graph, Weights
from hermesc.ir.interpret import interpret
from hermesc.passes.canonicalize import canonicalize
from hermesc.passes.convolve import ConvolveOptions, convolve
from hermesc.passes.decompose import decompose
from hermesc.passes.emit import ProgramInfo, emit
from hermesc.passes.partition import PartitionOptions, partition
from hermesc.passes.place import place
from hermesc.passes.quantize import QuantizeOptions, quantize
from hermesc.passes.remap import remap
from hermesc.passes.route import route
from hermesc.passes.schedule import schedule
from hermesc.passes.tile import tile
from hermesc.placement.options import PlaceOptions
from hermesrt.artifact.published_mapping import Layers
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.defects import DefectMap, usable_arrays
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import CapacityError, InternalError, MappingError, ModelError
from hermesrt.files.typed import parse_groups

StageObserver = Callable[[str, object, float], None]


@dataclass(frozen=True, slots=True)
class Options:
    """The passes' options, each under its pass's name."""

    convolve: ConvolveOptions = field(default_factory=ConvolveOptions)
    partition: PartitionOptions = field(default_factory=PartitionOptions)
    quantize: QuantizeOptions = field(default_factory=QuantizeOptions)
    place: PlaceOptions = field(default_factory=PlaceOptions)


def compile_model(
    source: ModelSource,
    chip: ChipSpec,
    options: Options,
    observe: StageObserver | None = None,
    mapping: Layers = MappingProxyType({}),
    defects: DefectMap | None = None,
) -> Artifact:
    """The program of a model; `observe` gets (name, stage, seconds) after each step. Layers of
    `mapping` are placed as it says; `defects` are those of the chip that the program is for.

    Raises: ModelError, UnsupportedOpError, OptionError, MappingError, CapacityError; VerifyError is
    our bug.
    """
    if mapping and defects is not None:
        raise MappingError(
            "a mapping file says where layers are, and a defect map where they cannot be; give one "
            "of the two"
        )
    step = _Steps(observe)
    captured = step("capture", capture, source.model, source.example_inputs, source.dynamic_shapes)
    graph, weights = step(
        "convert", convert, captured.exported, source.folder, captured.input_names
    )
    verify.verify_graph(graph, weights, "convert")
    graph, weights = step("canonicalize", canonicalize, graph, weights)
    verify.verify_graph(graph, weights, "canonicalize")
    _check_numbers(weights, captured.exported.graph_signature.parameters)
    graph, weights = step("convolve", convolve, graph, weights, chip, options.convolve)
    verify.verify_graph(graph, weights, "convolve")
    graph, weights = step("decompose", decompose, graph, weights)
    verify.verify_graph(graph, weights, "decompose")
    partitioned, weights = step("partition", partition, graph, weights, options.partition)
    verify.verify_graph(partitioned.graph, weights, "partition")
    verify.verify_partitioned(partitioned)
    examples = _named(partitioned.graph, captured.example_inputs, "example_inputs")
    _check_meaning(partitioned.graph, weights, captured, examples)
    calibration, notes = _calibration(partitioned.graph, source, examples)
    notes = source.notes + notes + tuple(_fixed_batch(partitioned.graph))
    independent = rows_are_independent(partitioned.graph, weights, examples)
    workloads = mvm_workloads(partitioned.graph, weights, examples)
    for room, excluded, last in _rooms(chip, defects):
        tiled = step("tile", tile, partitioned, weights, workloads, room, options.place, mapping)
        verify.verify_tiled(tiled, weights, room)
        quantized = step(
            "quantize", quantize, tiled, weights, calibration, independent, room, options.quantize
        )
        verify.verify_quantized(quantized, room)
        try:
            placed = step("place", place, quantized, room, options.place, mapping, excluded)
        except CapacityError as error:
            if last:
                raise _with_defects(error, excluded, defects) from None
            continue
        break
    verify.verify_placed(placed, room)
    remapped = step("remap", remap, placed, weights, chip, defects)
    verify.verify_remapped(remapped, defects)
    routed = step("route", route, placed, chip)
    verify.verify_routed(routed, chip)
    scheduled = step("schedule", schedule, routed)
    verify.verify_scheduled(scheduled)
    extras = ProgramInfo(
        source.name,
        examples,
        _labels(source, examples),
        independent,
        notes + quantized.notes,
        remapped,
        source.classes,
    )
    artifact: Artifact = step("emit", emit, scheduled, weights, chip, extras)
    return artifact


def _rooms(
    chip: ChipSpec, defects: DefectMap | None
) -> Iterator[tuple[ChipSpec, frozenset[int], bool]]:
    """Ways round the defects, and whether it is the last one."""
    ways = list(usable_arrays(chip, defects))
    yield from ((*way, i == len(ways) - 1) for i, way in enumerate(ways))


def _with_defects(
    error: CapacityError, excluded: frozenset[int], defects: DefectMap | None
) -> CapacityError:
    if defects is None or not excluded:
        return error
    return CapacityError(
        f"{error}\nThe defect map closes {len(excluded)} of {defects.cores} cores; they stay empty"
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


def _named(graph: Graph, tensors: Sequence[Tensor], what: str) -> dict[str, Tensor]:
    names = [i.name for i in graph.inputs]
    if len(names) != len(tensors):
        raise ModelError(
            f"{what} holds {len(tensors)} tensors and the model takes {len(names)}: "
            f"{', '.join(names)}"
        )
    return dict(zip(names, tensors, strict=True))


def _check_numbers(weights: Weights, parameters: Collection[str]) -> None:
    """No weight is NaN, and no trained one infinite; a mask may be."""
    for name, weight in weights.items():
        if not weight.is_floating_point():
            continue
        if bool(weight.isnan().any()):
            raise ModelError(f"the weights of {name} hold NaN; load trained weights first")
        if name in parameters and bool(weight.isinf().any()):
            raise ModelError(
                f"the weights of {name} hold NaN or infinity; load trained weights first"
            )


def _check_meaning(
    graph: Graph, weights: Weights, captured: Capture, examples: Mapping[str, Tensor]
) -> None:
    """The graph must compute what the model itself did; anything else is a bug of ours."""
    with torch.no_grad():
        outputs = interpret(graph, weights, examples)
    for i, (ours, eager) in enumerate(zip(outputs, captured.eager_outputs, strict=True)):
        same = ours.shape == eager.shape and ours.dtype == eager.dtype
        if same and ours.is_floating_point():
            scale = float(eager.abs().nan_to_num().amax()) if eager.numel() else 0.0
            slack = max(1e-4, 16 * torch.finfo(eager.dtype).eps)  # half precision rounds coarsely
            same = torch.allclose(ours, eager, rtol=10 * slack, atol=slack * scale, equal_nan=True)
        if not same:
            raise InternalError(
                f"output {i} of the compiled graph differs from the model's on its own "
                "example_inputs; either the model is not a function of its inputs, or this is a "
                "bug: please report it with the model"
            )


def _calibration(
    graph: Graph, source: ModelSource, examples: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Calibration inputs by name; the examples stand in for them, and the report says so."""
    if source.calibration is None:
        rows = max((t.shape[0] for t in examples.values() if t.dim()), default=0)
        note = f"ranges come from the {rows} rows of example_inputs; calibrate on real data"
        return dict(examples), (note,)
    if isinstance(source.calibration, Mapping):
        given = dict(source.calibration)
    else:
        given = _named(graph, source.calibration, "calibration_inputs")
    sizes: dict[str, int] = {}
    for spec in graph.inputs:
        if spec.name not in given:
            raise ModelError(
                f"calibration data lacks the input {spec.name}; it has {', '.join(given) or 'none'}"
            )
        value = given[spec.name]
        pairs = zip(spec.type.dims, value.shape, strict=False)
        wrong = value.dim() != len(spec.type.dims)
        for dim, size in pairs:
            wrong |= size != (dim if isinstance(dim, int) else sizes.setdefault(dim, size))
        if wrong or value.numel() == 0:
            raise ModelError(
                f"calibration input {spec.name} has the shape {tuple(value.shape)}; the model "
                f"takes {spec.type}"
            )
    return {i.name: given[i.name].detach().to(_dtype(i.type.dtype)) for i in graph.inputs}, ()


def _fixed_batch(graph: Graph) -> Iterator[str]:
    for spec in graph.inputs:
        if spec.type.dims and isinstance(spec.type.dims[0], int):
            size = spec.type.dims[0]
            yield f"the model's code fixes the first size of {spec.name} to {size}, for runs too"


def _labels(source: ModelSource, examples: Mapping[str, Tensor]) -> Tensor | None:
    """The labels, if they are those of the example inputs."""
    rows = {t.shape[0] for t in examples.values() if t.dim()}
    if source.labels is None or rows != {len(source.labels)}:
        return None
    return source.labels


def _dtype(name: str) -> torch.dtype:
    return getattr(torch, name)  # type: ignore[no-any-return]


def parse_options(settings: Sequence[tuple[str, str]]) -> Options:
    """Options from pairs such as ("partition.bias", "host").

    Raises: OptionError for an unknown name or value.
    """
    return parse_groups(Options, settings)
