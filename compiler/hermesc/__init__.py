"""Compile PyTorch models to the HERMES phase-change-memory chip, and run them on a simulated one.

program = hermesc.compile(model, example_inputs, calibration=x)
chip = program.deploy(hermesc.simulate("hermes", seed=0))
y = chip(x)
print(chip.report(x))
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermesc.api import compile, digital_fallback, load, simulate

__all__ = ["compile", "digital_fallback", "load", "simulate"]
_MODULES = ("kernels", "sklearn")


def __dir__() -> list[str]:
    return [*__all__, *_MODULES]


def __getattr__(name: str) -> Any:
    """Import torch only when something of it is asked for."""
    if name in _MODULES:
        return importlib.import_module(f"hermesc.{name}")
    if name in __all__:
        return getattr(importlib.import_module("hermesc.api"), name)
    raise AttributeError(f"module 'hermesc' has no attribute {name!r}")
