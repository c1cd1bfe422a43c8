"""The Python interface: compile, load, simulate."""

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim.device import SimulatedDevice
from hermesrt.chip.defect_files import read_defects
from hermesrt.chip.defects import DefectMap, check_defects
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import OptionError
from hermesrt.program import Program

if TYPE_CHECKING:  # whoever only runs a program needs neither torch.export nor its memory
    from hermesc.app.digital_fallback import DigitalFallback, FallbackOptions, FallbackProgress
    from hermesc.pipeline import ModelSource, Options, StageObserver

Defects = DefectMap | str | Path


def compile(
    model: Any,
    example_inputs: Any = None,
    *,
    chip: str | ChipSpec = "hermes",
    calibration: Any = None,
    labels: Any = None,
    dynamic_shapes: Any = None,
    options: "Options | None" = None,
    name: str | None = None,
    observe: "StageObserver | None" = None,
    defects: Defects | None = None,
    max_accuracy_drop: float = inf,
) -> Program:
    """The program of an nn.Module, a fitted scikit-learn estimator or pipeline, an onnx.ModelProto,
    a torch.export.ExportedProgram, or a file of one (`model.py`, `model.onnx`, `model.pt2`).

    `example_inputs` are a tensor or array, or a tuple of them, batch first; files may hold their
    own. `calibration` are real inputs (by position or by name) from which the converters' ranges
    are taken (the examples, if there are none); `labels` are those of either; `chip` is a name or a
    TOML file's path; `defects` is a map, or its file, of what is broken on that chip. With
    `max_accuracy_drop` it is the program of `digital_fallback`.
    Raises: ModelError, UnsupportedOpError, ChipError, CapacityError.
    """
    from hermesc.pipeline import Options, compile_model

    options = options or Options()
    spec = load_chip(chip) if isinstance(chip, str) else chip
    known = _defects(defects, spec)
    source = _source(model, example_inputs, calibration, labels, dynamic_shapes, name)
    if max_accuracy_drop != inf:
        from hermesc.app.digital_fallback import digital_fallback as within_budget

        budget = _budget(max_accuracy_drop)
        return within_budget(source, spec, options, budget, observe, None, known).program
    return Program.of(compile_model(source, spec, options, observe, defects=known))


def digital_fallback(
    model: Any,
    example_inputs: Any = None,
    *,
    max_accuracy_drop: float,
    chip: str | ChipSpec = "hermes",
    calibration: Any = None,
    labels: Any = None,
    dynamic_shapes: Any = None,
    options: "Options | None" = None,
    name: str | None = None,
    progress: "FallbackProgress | None" = None,
    defects: Defects | None = None,
) -> "DigitalFallback":
    """As `compile`, with the layers whose noise hurts most left digital, and the price of each.

    `max_accuracy_drop` is in points of accuracy on the calibration data, or on the examples where
    `labels` are theirs; without labels in per cent of relative output error.
    Raises: as `compile`; OptionError when the budget cannot be met.
    """
    from hermesc.app.digital_fallback import digital_fallback as within_budget
    from hermesc.pipeline import Options

    budget = _budget(max_accuracy_drop)
    source = _source(model, example_inputs, calibration, labels, dynamic_shapes, name)
    spec = load_chip(chip) if isinstance(chip, str) else chip
    known = _defects(defects, spec)
    return within_budget(source, spec, options or Options(), budget, None, progress, known)


def _budget(max_accuracy_drop: float) -> "FallbackOptions":
    from hermesc.app.digital_fallback import FallbackOptions

    if not 0 <= max_accuracy_drop <= 100:
        raise OptionError(f"max_accuracy_drop is {max_accuracy_drop}; it is from 0 to 100 points")
    return FallbackOptions(float(max_accuracy_drop))


def _source(
    model: Any,
    example_inputs: Any,
    calibration: Any,
    labels: Any,
    dynamic_shapes: Any,
    name: str | None,
) -> "ModelSource":
    from hermesc.frontend.load import load_model, make_source
    from hermesc.frontend.request import ModelRequest

    request = ModelRequest(
        model=model,
        example_inputs=example_inputs,
        calibration=calibration,
        labels=labels,
        dynamic_shapes=dynamic_shapes,
        name=name or type(model).__name__,
    )
    if not isinstance(model, str | Path):
        return make_source(request)
    source = load_model(str(model), request)
    return source if name is None else replace(source, name=name)


def load(path: str | Path) -> Program:
    """Read a `.hermes` file.

    Raises: ArtifactError when it is damaged, hostile or of another version.
    """
    return Program.load(path)


def simulate(
    chip: str | ChipSpec = "hermes", seed: int = 0, defects: Defects | None = None
) -> SimulatedDevice:
    """A simulated chip of that name or TOML file.

    The seed chooses its devices, their programming and drift, and its noise: the same seed and the
    same calls in the same order give the same bits.
    `defects` are broken on it, whether a program knows of them or not; without them those are
    broken that a program was compiled for.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise OptionError(f"seed {seed!r}: must be a whole number from 0 to 2^63 - 1")
    spec = load_chip(chip) if isinstance(chip, str) else chip
    return SimulatedDevice(spec, seed, _defects(defects, spec))


def _defects(defects: Defects | None, chip: ChipSpec) -> DefectMap | None:
    if defects is None:
        return None
    if isinstance(defects, DefectMap):
        return check_defects(defects, chip, "defects")
    return read_defects(Path(defects), chip)
