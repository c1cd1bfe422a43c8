"""From a model's shapes to a program without weights, for time, energy and where all would lie."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hermesc.api.given import ShapedProgram
from hermesc.app.settings import chip_of, settings_of
from hermesc.frontend.on_meta import shapes_source
from hermesc.frontend.request import ModelRequest
from hermesc.pipeline import Options, StageObserver, compile_model
from hermesrt.chip.spec import ChipSpec


def shaped(
    model: Any,
    example_inputs: Any = None,
    *,
    chip: str | ChipSpec = "hermes",
    dynamic_shapes: Any = None,
    options: Options | Mapping[str, Any] | None = None,
    name: str | None = None,
    observe: StageObserver | None = None,
) -> ShapedProgram:
    """The program of a model of any size from its shapes alone, on as many chips as it needs.

    model: a `model.py`, run so that its tensors take no memory; or an nn.Module that was made under
        `torch.device("meta")`.
    example_inputs: tensors of the right shapes, on any device; files may hold their own.

    The other arguments are those of `compile`.
    Raises: ModelError, UnsupportedOpError, OptionError, ChipError, CapacityError.
    """
    said = settings_of(options)
    spec = chip_of(chip, said)
    request = ModelRequest(
        model=str(model) if isinstance(model, Path) else model,
        example_inputs=example_inputs,
        dynamic_shapes=dynamic_shapes,
        name=name or type(model).__name__,
    )
    return ShapedProgram(compile_model(shapes_source(request), spec, said.options, observe))
