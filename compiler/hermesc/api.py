"""The Python interface: compile, load, simulate."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim.device import SimulatedDevice
from hermesc.errors import OptionError
from hermesc.target.load import load_chip
from hermesc.target.spec import ChipSpec
from hermesrt.program import Program

if TYPE_CHECKING:  # whoever only runs a program needs neither torch.export nor its memory
    from hermesc.pipeline import Observer, Options


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
    observe: "Observer | None" = None,
) -> Program:
    """The program of an nn.Module, a fitted scikit-learn estimator or pipeline, an onnx.ModelProto,
    a torch.export.ExportedProgram, or a file of one (`model.py`, `model.onnx`, `model.pt2`).

    `example_inputs` are a tensor or array, or a tuple of them, batch first; files may hold their
    own. `calibration` are real inputs (by position or by name) from which the converters' ranges
    are taken (the examples, if there are none); `chip` is a name or a TOML file's path.
    Raises: ModelError, UnsupportedOpError, ChipError, CapacityError.
    """
    from hermesc.frontend.load import load_model
    from hermesc.frontend.source import Given, make_source
    from hermesc.pipeline import Options, compile_model

    spec = load_chip(chip) if isinstance(chip, str) else chip
    given = Given(
        model=model,
        example_inputs=example_inputs,
        calibration=calibration,
        labels=labels,
        dynamic_shapes=dynamic_shapes,
        name=name or type(model).__name__,
    )
    if isinstance(model, str | Path):
        source = load_model(str(model), given)
        source = source if name is None else replace(source, name=name)
    else:
        source = make_source(given)
    return Program.of(compile_model(source, spec, options or Options(), observe))


def load(path: str | Path) -> Program:
    """Read a `.hermes` file.

    Raises: ArtifactError when it is damaged, hostile or of another version.
    """
    return Program.load(path)


def simulate(chip: str | ChipSpec = "hermes", seed: int = 0) -> SimulatedDevice:
    """A simulated chip of that name or TOML file; the same seed gives the same bits."""
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise OptionError(f"seed {seed!r}: must be a whole number from 0 to 2^63 - 1")
    return SimulatedDevice(load_chip(chip) if isinstance(chip, str) else chip, seed)
