"""Build hook: compile the C files into the wheel, one wheel a platform for all Python versions.

Without a C compiler, or on a processor that no kernel is for, the wheel is pure: torch runs. The
libraries are called by ctypes, so no version of Python is in them. A wheel whose libraries ask for
no newer C library than that of 2012 runs on any Linux from 2014 on (manylinux_2_17); libraries that
the system's compiler made may ask for a newer one, and are for systems like this one.
"""

import atexit
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
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
_OLDEST = 17  # of version 2 of the C library, that a wheel may ask for


class CustomBuildHook(BuildHookInterface):
    """Of `pip install .` and `python -m build`; an editable install compiles at the first use."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the libraries, and say what the wheel is for."""
        build, root = _build(Path(self.root)), Path(self.root)
        if version == "editable" or not build.INSTRUCTIONS:
            return
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
        build_data["tag"] = f"py3-none-{system(build, map(Path, made))}"


def system(build: ModuleType, libraries: Iterable[Path]) -> str:
    """What the libraries are for, as a wheel's tag has it."""
    if sys.platform == "darwin":  # Python's own name may stand for two processors
        processor = {"aarch64": "arm64"}.get(build.MACHINE, build.MACHINE)
        return f"macosx_{build.MACOS.replace('.', '_')}_{processor}"
    asked = [int(m) for p in libraries for m in re.findall(rb"GLIBC_2\.(\d+)", p.read_bytes())]
    if sys.platform == "linux" and asked and max(asked) <= _OLDEST:
        return f"manylinux_2_{_OLDEST}_{build.MACHINE}"
    return re.sub("[-.]", "_", sysconfig.get_platform())


def _build(root: Path) -> ModuleType:
    """`hermesrt.native.build`, without the packages that hermesrt needs."""
    spec = spec_from_file_location("build", root / "runtime/hermesrt/native/build.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
