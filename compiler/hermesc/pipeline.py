"""The compiler as readable code: from a captured model to an artifact, about ten named steps."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from hermesc.analysis.meaning import check_meaning
from hermesc.analysis.mvm_workload import mvm_workloads
from hermesc.frontend.request import ModelSource as ModelSource
from hermesc.frontend.torch.capture import capture
from hermesc.frontend.torch.convert import convert
from hermesc.ir import verify
from hermesc.ir.graph import Graph, Weights
from hermesc.passes.canonicalize import canonicalize
from hermesc.passes.decompose import decompose
from hermesc.passes.emit import ProgramInfo, emit
from hermesc.passes.partition import PartitionOptions, partition
from hermesc.passes.place import place
from hermesc.passes.quantize import QuantizeOptions, quantize, rows_are_independent
from hermesc.passes.remap import remap
from hermesc.passes.route import route
from hermesc.passes.schedule import schedule
from hermesc.passes.tile import tile
from hermesc.placement.options import PlaceOptions
from hermesrt.artifact.published_mapping import Layers
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.defects import DefectMap, usable_arrays
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import CapacityError, MappingError, ModelError, OptionError
from hermesrt.files.typed import parse_groups

StageObserver = Callable[[str, object, float], None]


@dataclass(frozen=True, slots=True)
class Options:
    """The passes' options, each under its pass's name."""

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
    graph, weights = step("decompose", decompose, graph, weights)
    verify.verify_graph(graph, weights, "decompose")
    partitioned, weights = step("partition", partition, graph, weights, options.partition)
    verify.verify_graph(partitioned.graph, weights, "partition")
    verify.verify_partitioned(partitioned)
    examples = _named(partitioned.graph, captured.example_inputs, "example_inputs")
    notes = source.notes + check_meaning(
        partitioned.graph, weights, examples, captured.eager_outputs, captured.in_fp64
    )
    calibration, calibrated = _calibration(partitioned.graph, source, examples)
    notes += calibrated + tuple(_fixed_batch(partitioned.graph))
    streams = rows_are_independent(partitioned.graph, weights, examples)
    workloads = mvm_workloads(partitioned.graph, weights, examples)
    for room, excluded, last in _rooms(chip, defects):
        tiled = step("tile", tile, partitioned, weights, workloads, room, options.place, mapping)
        verify.verify_tiled(tiled, weights, room)
        quantized = step(
            "quantize", quantize, tiled, weights, calibration, streams, room, options.quantize
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
        streams,
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


def options_of(given: Options | Mapping[str, Any] | None) -> Options:
    """The passes' options, from a mapping such as {"place.objective": "latency"} too.

    Raises: OptionError for anything else, and for an unknown name or value.
    """
    if given is None or isinstance(given, Options):
        return given or Options()
    if not isinstance(given, Mapping) or not all(isinstance(k, str) for k in given):
        raise OptionError(
            f"options is a {type(given).__name__}; give hermesc.pipeline.Options, or a mapping "
            'such as {"place.objective": "latency"}'
        )
    groups = [key for key, value in given.items() if isinstance(value, Mapping)]
    if groups:
        raise OptionError(
            f"options: {groups[0]!r} holds a mapping; write its options as "
            f'{{"{groups[0]}.NAME": value}}'
        )
    return parse_options([(key, _word(value)) for key, value in given.items()])


def _word(value: Any) -> str:
    """A value as --set takes it."""
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_options(settings: Sequence[tuple[str, str]]) -> Options:
    """Options from pairs such as ("partition.bias", "host").

    Raises: OptionError for an unknown name or value.
    """
    return parse_groups(Options, settings)
