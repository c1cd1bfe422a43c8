"""The Python interface: compile, load, simulate."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from hermes_sim.device import SimulatedDevice
from hermesc.errors import ModelError, OptionError
from hermesc.target.load import load_chip
from hermesc.target.spec import ChipSpec
from hermesrt.program import Program

if TYPE_CHECKING:  # whoever only runs a program needs neither torch.export nor its memory
    from hermesc.pipeline import Observer, Options

Calibration = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


def compile(
    model: nn.Module,
    example_inputs: Tensor | Sequence[Tensor],
    *,
    chip: str | ChipSpec = "hermes",
    calibration: Calibration | None = None,
    labels: Tensor | None = None,
    dynamic_shapes: Any = None,
    options: "Options | None" = None,
    name: str | None = None,
    observe: "Observer | None" = None,
) -> Program:
    """The program of any nn.Module.

    `example_inputs` has a batch first; `calibration` are real inputs from which the converters'
    ranges are taken (the examples, if there are none); `chip` is a name or a TOML file's path.
    Raises: ModelError, UnsupportedOpError, ChipError, CapacityError.
    """
    from hermesc.pipeline import Options, Source, compile_model

    spec = load_chip(chip) if isinstance(chip, str) else chip
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    if not isinstance(model, nn.Module):
        raise ModelError(f"the model is a {type(model).__name__}, not an nn.Module")
    if not inputs or not all(isinstance(t, Tensor) for t in inputs):
        raise ModelError("example_inputs must be a tensor or a tuple of tensors, batch first")
    given = (calibration,) if isinstance(calibration, Tensor) else calibration
    source = Source(
        model=model,
        example_inputs=inputs,
        calibration=given,
        labels=labels,
        dynamic_shapes=dynamic_shapes,
        name=name or type(model).__name__,
    )
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
