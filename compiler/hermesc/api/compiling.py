"""From a model to a program."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from inspect import signature
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hermesc.api.given import GivenProgram, artifact_of
from hermesc.api.making import Defects, known_defects
from hermesc.api.notebook import Program, as_shown
from hermesc.app import digital_fallback as fallback
from hermesc.app.settings import Settings, chip_of, settings_of
from hermesc.frontend.load import load_model, make_source
from hermesc.frontend.on_meta import is_on_meta
from hermesc.frontend.request import ModelRequest
from hermesc.frontend.torch.export import export
from hermesc.frontend.weights import with_weights
from hermesc.pipeline import (
    Capture,
    Exporter,
    ModelSource,
    Options,
    StageObserver,
    capture_model,
    compile_model,
)
from hermesrt.artifact.published_mapping import Layers, from_text
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import InputError, ModelError, OptionError
from hermesrt.files.atomic import read_file
from hermesrt.files.npz import read_arrays
from hermesrt.nearest import did_you_mean

_GROUPS = tuple(f.name for f in fields(Options))


def compile(
    model: Any,
    example_inputs: Any = None,
    *,
    chip: str | ChipSpec = "hermes",
    calibration: Any = None,
    labels: Any = None,
    dynamic_shapes: Any = None,
    options: Options | Mapping[str, Any] | None = None,
    name: str | None = None,
    observe: StageObserver | None = None,
    progress: fallback.FallbackProgress | None = None,
    defects: Defects | None = None,
    mapping: Layers | str | Path | None = None,
    max_accuracy_drop: float = inf,
    batch_dim: int | None = None,
    input_ranges: Mapping[str, float] | None = None,
    weights: str | Path | None = None,
    programmed: GivenProgram | None = None,
    **settings: Any,
) -> Program:
    """The program of an nn.Module, a fitted scikit-learn estimator or pipeline, an onnx.ModelProto,
    a torch.export.ExportedProgram, or a file of one (`model.py`, `model.onnx`, `model.pt2`).

    example_inputs: a tensor or array, or a tuple of them, batch first; or whatever the model takes
        with tensors in it: keywords (a dictionary), nested tuples, a cache. Files may hold their
        own.
    chip: a name, or a TOML file's path.
    calibration: real inputs (by position, by name, or an .npz file of them) from which the
        converters' ranges are taken; the examples, if there are none.
    labels: those of the examples or of the calibration data.
    options: of the passes; a mapping such as {"place.objective": "latency"} too, in which
        {"chip.adc.counter_bits": 6} replaces a number of the chip: the names are those of --set.
    settings: single options by keyword, such as place_objective="latency".
    observe: gets (name, stage, seconds) after each stage; a search for layers to leave digital is
        the last one.
    progress: gets the simulated runs of such a search so far, and how many there are at most.
    defects: a map, or its file, of what is broken on that chip.
    mapping: layers to place as said, or the published mapping file that says it.
    max_accuracy_drop: with it, it is the program of `digital_fallback`.
    batch_dim: where the batch lies in a torch model's tensors; the program has it first.
    input_ranges: where the inputs of layers clip, as training has learned it.
    weights: a file of them for the model, such as `train` writes, with what it has learned.
    programmed: a program, or its file, that the chip holds already: its weights stay in their
        cells, so that `chip.switch` runs the new one without programming.
    Raises: ModelError, UnsupportedOpError, OptionError, MappingError, ChipError, CapacityError.
    """
    said = _settings(options, settings)
    passes, budget = said.options, said.fallback
    if max_accuracy_drop != inf:
        budget = _budget(max_accuracy_drop)
    spec = chip_of(chip, said)
    known = known_defects(defects, spec)
    source = _source(model, example_inputs, calibration, labels, dynamic_shapes, name, batch_dim)
    _refuse_meta(source)
    if weights is not None:
        source = with_weights(source, Path(weights))
    source = replace(source, input_ranges={**source.input_ranges, **(input_ranges or {})})
    layers = _layers(mapping, spec, passes.place.chips)
    if programmed is not None:
        if layers or budget.max_accuracy_drop != inf:
            raise OptionError(
                "programmed keeps the layers where they are on the chip; mapping and "
                "max_accuracy_drop would move some: give one of them"
            )
        source = replace(source, programmed=artifact_of(programmed))
    if budget.max_accuracy_drop == inf:
        return Program.of(compile_model(source, spec, passes, observe, layers, known))
    if layers:
        raise OptionError(
            "--mapping places every layer of its file; --set partition.max_accuracy_drop would "
            "take some off the chip: give one of the two"
        )
    start = time.perf_counter()
    found = fallback.digital_fallback(source, spec, passes, budget, observe, progress, known)
    if observe is not None:
        observe("digital_fallback", found, time.perf_counter() - start)
    return as_shown(found.program)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model that is loaded and captured once, to be compiled with many settings.

    source: the model and its data.
    captured: what torch.export made of it.
    """

    source: ModelSource
    captured: Capture

    def compiled(self, chip: ChipSpec, options: Options) -> Program:
        """The program for a chip, with these options of the passes.

        Raises: as `compile`.
        """
        artifact = compile_model(self.source, chip, options, captured=self.captured)
        return Program.of(artifact)


def prepare(
    model: Any,
    example_inputs: Any,
    calibration: Any,
    labels: Any,
    name: str | None,
    exporter: Exporter = export,
) -> Prepared:
    """A model as `compile` takes it, loaded and captured by that exporter.

    Raises: ModelError, InputError.
    """
    source = _source(model, example_inputs, calibration, labels, None, name)
    _refuse_meta(source)
    return Prepared(source, capture_model(source, exporter))


def _refuse_meta(source: ModelSource) -> None:
    if is_on_meta(source.model):
        raise ModelError(
            "the model's weights are on the meta device and have no values; `hermesc cost --meta` "
            "and hermesc.shaped take shapes alone"
        )


def digital_fallback(
    model: Any,
    example_inputs: Any = None,
    *,
    max_accuracy_drop: float,
    chip: str | ChipSpec = "hermes",
    calibration: Any = None,
    labels: Any = None,
    dynamic_shapes: Any = None,
    options: Options | Mapping[str, Any] | None = None,
    name: str | None = None,
    progress: fallback.FallbackProgress | None = None,
    defects: Defects | None = None,
    **settings: Any,
) -> fallback.DigitalFallback:
    """As `compile`, with the layers whose noise hurts most left digital, and the price of each.

    `max_accuracy_drop` is in points of accuracy on the calibration data, or on the examples where
    `labels` are theirs; without labels in per cent of relative output error.
    Raises: as `compile`; OptionError when the budget cannot be met.
    """
    said = _settings(options, settings)
    passes, budget = said.options, _budget(max_accuracy_drop)
    source = _source(model, example_inputs, calibration, labels, dynamic_shapes, name)
    spec = chip_of(chip, said)
    known = known_defects(defects, spec)
    return fallback.digital_fallback(source, spec, passes, budget, None, progress, known)


def _settings(options: Options | Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> Settings:
    """What both say.

    Raises: OptionError for a keyword that is neither an argument nor an option.
    """
    known = [name for name in signature(compile).parameters if name != "settings"]
    for name in keywords:
        if "_" not in name or name.partition("_")[0] not in _GROUPS:
            groups = ", ".join(f"{group}_NAME" for group in _GROUPS)
            raise OptionError(
                f"{name}: there is no such argument{did_you_mean(name, known)}; there are "
                f"{', '.join(known)}, and options by keyword: {groups}"
            )
    return settings_of(options, keywords)


def _budget(max_accuracy_drop: float) -> fallback.FallbackOptions:
    if not 0 <= max_accuracy_drop <= 100:
        raise OptionError(f"max_accuracy_drop is {max_accuracy_drop}; it is from 0 to 100 points")
    return fallback.FallbackOptions(float(max_accuracy_drop))


def _source(
    model: Any,
    example_inputs: Any,
    calibration: Any,
    labels: Any,
    dynamic_shapes: Any,
    name: str | None,
    batch_dim: int | None = None,
) -> ModelSource:
    data, data_labels = calibration, None
    if isinstance(calibration, str | Path):
        data, data_labels = _calibration(Path(calibration))
    request = ModelRequest(
        model=model,
        example_inputs=example_inputs,
        calibration=data,
        labels=labels,
        dynamic_shapes=dynamic_shapes,
        name=name or type(model).__name__,
        calibration_labels=data_labels,
        batch_dim=batch_dim,
    )
    if not isinstance(model, str | Path):
        return make_source(request)
    source = load_model(str(model), request)
    return source if name is None else replace(source, name=name)


def _calibration(path: Path) -> tuple[Mapping[str, Tensor], Any]:
    """The inputs of an .npz file by name, and their labels if there are any."""
    arrays = read_arrays(path)
    labels = arrays.pop("labels", None)
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise InputError(f"{path}: array {name!r} holds {array.dtype}, not numbers")
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, labels


def _layers(mapping: Layers | str | Path | None, chip: ChipSpec, chips: int) -> Layers:
    if not isinstance(mapping, str | Path):
        return mapping or {}
    text = read_file(Path(mapping), "mapping").decode("utf-8", errors="replace")
    return from_text(text, str(mapping), chip, chips)
