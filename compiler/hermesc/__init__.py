"""Compile PyTorch models to the HERMES phase-change-memory chip, and run them on a simulated one.

program = hermesc.compile(model, example_inputs, calibration=x)
chip = program.deploy(hermesc.simulate("hermes", seed=0))
y = chip(x)
print(chip.report(x))

Every command of `hermesc` is a function here under the same name: hermesc.run("p.hermes"),
hermesc.study_kernels().
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermesc.api import (
        chips,
        compile,
        cost,
        defects,
        diff,
        digital_fallback,
        export,
        export_mapping,
        inspect,
        load,
        program,
        run,
        schema,
        shaped,
        simulate,
        spread,
        view,
    )
    from hermesc.api.notebook import Chip, Program
    from hermesc.pipeline import Options
    from hermesc.studies.accelerators.study import study_accelerators
    from hermesc.studies.ageing.study import study_ageing
    from hermesc.studies.attention.study import study_attention
    from hermesc.studies.chip.study import study_chip
    from hermesc.studies.kernels.study import study_kernels
    from hermesc.studies.lra.study import study_lra
    from hermesc.studies.networks.study import study_networks
    from hermesc.studies.programming.study import study_programming
    from hermesc.studies.sweep.study import sweep
    from hermesc.studies.tune.study import tune
    from hermesc.training.train import train
    from hermesrt.chip.spec import ChipSpec
    from hermesrt.run_report import RunReport

__all__ = [
    "Chip",
    "ChipSpec",
    "Options",
    "Program",
    "RunReport",
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
    "study_accelerators",
    "study_ageing",
    "study_attention",
    "study_chip",
    "study_kernels",
    "study_lra",
    "study_networks",
    "study_programming",
    "sweep",
    "train",
    "tune",
    "view",
]
_MODULES = ("kernels", "sklearn", "training")
_HOMES = {
    "Chip": "hermesc.api.notebook",
    "ChipSpec": "hermesrt.chip.spec",
    "Options": "hermesc.pipeline",
    "Program": "hermesc.api.notebook",
    "RunReport": "hermesrt.run_report",
    "sweep": "hermesc.studies.sweep.study",
    "train": "hermesc.training.train",
    "tune": "hermesc.studies.tune.study",
}


def __dir__() -> list[str]:
    return [*__all__, *_MODULES]


def __getattr__(name: str) -> Any:
    """Import torch only when something of it is asked for."""
    if name in _MODULES:
        return importlib.import_module(f"hermesc.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'hermesc' has no attribute {name!r}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    kind, _, study = name.partition("_")
    home = f"hermesc.studies.{study}.study" if kind == "study" else "hermesc.api"
    return getattr(importlib.import_module(home), name)
