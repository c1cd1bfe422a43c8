"""The model of the golden texts, and what each step of the pipeline makes of it."""

from functools import cache
from pathlib import Path
from typing import Any

from hermesc.frontend.load import load_model
from hermesc.pipeline import ModelSource, Options, compile_model
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec

GOLDEN = Path(__file__).parents[1] / "golden"
_SIZES = {"grid.rows": 3, "grid.columns": 3, "crossbar.rows": 8, "crossbar.columns": 8}


@cache
def golden_chip() -> ChipSpec:
    """Nine cores of 8x8, so that a small model has cascades and shared cores."""
    return load_chip("hermes", [(key, str(size)) for key, size in _SIZES.items()])


@cache
def golden_source() -> ModelSource:
    """A small model with a bit of everything, from a file of its own."""
    file = load_model(str(GOLDEN / "model.py"))
    return ModelSource(file.model, file.example_inputs, name="golden", folder=GOLDEN)


@cache
def golden_stages() -> dict[str, Any]:
    """What each step of the pipeline made of the golden model, by the step's name."""
    found: dict[str, Any] = {}

    def observe(name: str, stage: object, seconds: float) -> None:
        assert seconds >= 0
        found[name] = stage

    compile_model(golden_source(), golden_chip(), Options(), observe)
    return found
