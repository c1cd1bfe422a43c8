"""Build hook: compile the C files into the wheel, one wheel a platform for all Python versions.

Without a C compiler, or on a processor that no kernel is for, the wheel is pure: torch runs. The
libraries are called by ctypes, so no version of Python is in them. A wheel of `ziglang` runs on any
Linux from 2014 on; one of the system's compiler is for systems like this one.
"""

import atexit
import platform
import re
import shutil
import sysconfig
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = (
    ("runtime", "hermesrt/native/reads.c"),
    ("runtime", "hermesrt/native/unfold.c"),
    ("runtime", "hermesrt/native/programming.c"),
    ("targets/sim", "hermes_sim/kernel/layer.c"),
    ("targets/sim", "hermes_sim/kernel/pulses.c"),
    ("targets/sim", "hermes_sim/kernel/pcm.c"),
    ("compiler", "hermesc/training/devices.c"),
)


class CustomBuildHook(BuildHookInterface):
    """Of `pip install .` and `python -m build`; an editable install compiles at the first use."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the libraries, and say what the wheel is for."""
        if version == "editable" or platform.machine().lower() not in ("x86_64", "amd64"):
            return
        build, root = _build(Path(self.root)), Path(self.root)
        room = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, room, ignore_errors=True)
        made: dict[str, str] = {}
        for folder, name in SOURCES:
            for instructions in build.INSTRUCTIONS:
                place = build.shipped(root / folder / name, instructions)
                compiled = Path(room) / place.name
                if not build.compile_to(compiled, root / folder / name, instructions):
                    return
                made[str(compiled)] = str(place.relative_to(root / folder))
        build_data["force_include"].update(made)
        build_data["pure_python"] = False
        system = re.sub("[-.]", "_", sysconfig.get_platform())
        build_data["tag"] = f"py3-none-{system}"


def _build(root: Path) -> ModuleType:
    """`hermesrt.native.build`, without the packages that hermesrt needs."""
    spec = spec_from_file_location("build", root / "runtime/hermesrt/native/build.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
