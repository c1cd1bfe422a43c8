"""The Python interface: every command is a function of the same name.

Nothing is imported before it is asked for: looking at a program needs no torch, running one no
compiler.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermesc.api.comparing import diff
    from hermesc.api.compiling import compile, digital_fallback
    from hermesc.api.costing import cost
    from hermesc.api.exporting import export
    from hermesc.api.installed import chips
    from hermesc.api.looking import export_mapping, inspect
    from hermesc.api.making import defects, load, simulate
    from hermesc.api.running import program, run
    from hermesc.api.schemas import schema
    from hermesc.api.shaping import shaped
    from hermesc.api.spreading import spread
    from hermesc.api.viewing import view

__all__ = [
    "chips",
    "compile",
    "cost",
    "defects",
    "diff",
    "digital_fallback",
    "export",
    "export_mapping",
    "inspect",
    "load",
    "program",
    "run",
    "schema",
    "shaped",
    "simulate",
    "spread",
    "view",
]
_HOMES = {
    "compiling": ("compile", "digital_fallback"),
    "comparing": ("diff",),
    "costing": ("cost",),
    "exporting": ("export",),
    "installed": ("chips",),
    "looking": ("export_mapping", "inspect"),
    "making": ("defects", "load", "simulate"),
    "running": ("program", "run"),
    "schemas": ("schema",),
    "shaping": ("shaped",),
    "spreading": ("spread",),
    "viewing": ("view",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"hermesc.api.{home}"), name)
    raise AttributeError(f"module 'hermesc.api' has no attribute {name!r}")
