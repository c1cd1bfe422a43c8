"""Compile a C file: once for each source and instruction set, into the user's cache.

A wheel brings its libraries with it (`tools/wheel.py`); from a clone the first use compiles them,
in a second, where there is a C compiler: the system's, or the package index's `ziglang`. A library
is taken from the cache only if folder and file belong to the user, nobody else can write them, and
the file has the digest in its name.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FLAGS = (
    "-O3", "-std=gnu11", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno",
    "-fvisibility=hidden",
)  # fmt: skip
SETS: Mapping[str, Mapping[str, tuple[str, ...]]] = {  # of a processor, the best one first
    "x86_64": {
        "avx512-vnni": ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni"),
        "avx2": ("-mavx2",),
    },
    "aarch64": {"neon-dot": ("-march=armv8.2-a+dotprod",), "neon": ()},
}
_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}  # of processors elsewhere
MACHINE = _NAMES.get(platform.machine().lower(), platform.machine().lower())
INSTRUCTIONS = SETS.get(MACHINE, {})
_NEEDED: Mapping[str, tuple[str, ...]] = {  # what torch calls the instructions
    "avx512-vnni": ("avx512_f", "avx512_bw", "avx512_vl", "avx512_dq", "avx512_vnni"),
    "avx2": ("avx2",),
    "neon-dot": ("neon", "dot"),
    "neon": ("neon",),
}
_ZIG = {"-march=armv8.2-a+dotprod": "-mcpu=generic+dotprod"}  # zig's own words for flags
_HEADERS = Path(__file__).parent  # for all C files
MACOS = "11.0"  # the first with 64-bit Arm processors; libraries run from it on
_SECONDS = 120.0  # of a compiler, at most


def best(source: Path) -> tuple[str, ctypes.CDLL] | None:
    """The library of a C file for the best instructions that the processor has, and their name."""
    for instructions in INSTRUCTIONS:
        if runs(instructions):
            found = load(source, instructions)
            if found is not None:
                return instructions, found
    return None


def functions(
    source: Path, arguments: Mapping[str, tuple[Any, ...]], results: Mapping[str, Any]
) -> ctypes.CDLL | None:
    """The best library with the C types of its functions' arguments and of their results, which
    have none where they are not named; None without a library."""
    found = best(source)
    if found is None:
        return None
    for name, types in arguments.items():
        function = getattr(found[1], name)
        function.argtypes, function.restype = types, results.get(name)
    return found[1]


def runs(instructions: str) -> bool:
    """Whether this processor has the instructions."""
    import torch  # not above: building a wheel has no torch

    has = torch.cpu.get_capabilities()
    return all(has.get(name, False) for name in _NEEDED[instructions])


def load(source: Path, instructions: str) -> ctypes.CDLL | None:
    """The library of a C file for these instructions, compiled if need be; None where that is not
    possible."""
    path = library(source, instructions)
    try:
        return None if path is None else ctypes.CDLL(str(path))
    except OSError:  # of another system, or on a file system without the right to run
        return None


def shipped(source: Path, instructions: str) -> Path:
    """Where a wheel has the library."""
    return source.with_name(f"{source.stem}-{instructions}.so")


def library(source: Path, instructions: str) -> Path | None:
    """The file of the library."""
    if shipped(source, instructions).exists():
        return shipped(source, instructions)
    try:
        folder = _own_folder()
        name = _name(source, instructions)
        return _cached(folder, name) or _compiled(folder, name, source, instructions)
    except OSError:  # no home, a full disk, a read-only file system
        return None


def compile_to(path: Path, source: Path, instructions: str) -> bool:
    """Compile to a file by the first compiler that can; whether one could."""
    for compiler in compilers():
        told = (_ZIG.get(f, f) if "ziglang" in compiler else f for f in flags(instructions))
        command = [*compiler, *told, str(source), "-o", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and path.exists():
            return True
    return False


def flags(instructions: str) -> tuple[str, ...]:
    """What a compiler is told."""
    sets = {name: more for family in SETS.values() for name, more in family.items()}
    return (*FLAGS, *sets[instructions], "-I", str(_HEADERS))


def compilers() -> Iterator[list[str]]:
    """The commands of the C compilers that are there."""
    oldest = [f"-mmacosx-version-min={MACOS}"] if sys.platform == "darwin" else []
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found is not None:
            yield [found, *oldest]
    if find_spec("ziglang") is not None:
        # without a target it compiles for the build machine's own processor
        systems = {"linux": f"{MACHINE}-linux-gnu.2.17", "darwin": f"{MACHINE}-macos.{MACOS}"}
        target = ["-target", systems[sys.platform]] if sys.platform in systems else []
        yield [sys.executable, "-m", "ziglang", "cc", *target, "-s"]


def _own_folder() -> Path:
    """The user's cache, for this user alone."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "hermesc"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _own(folder):
        raise PermissionError(f"{folder} belongs to someone else, or others can write it")
    return folder


def _own(path: Path) -> bool:
    found = path.lstat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def _name(source: Path, instructions: str) -> str:
    parts = ["\0".join(flags(instructions)[:-1]).encode(), source.read_bytes()]
    headers = {*_HEADERS.glob("*.h"), *source.parent.glob("*.h")}
    parts += [path.read_bytes() for path in sorted(headers)]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
    return f"{source.stem}-{instructions}-{digest[:16]}"


def _cached(folder: Path, name: str) -> Path | None:
    for path in folder.glob(f"{name}-*.so"):
        if _own(path) and path.is_file() and path.name == f"{name}-{_digest(path)}.so":
            return path
    return None


def _compiled(folder: Path, name: str, source: Path, instructions: str) -> Path | None:
    with tempfile.TemporaryDirectory(dir=folder) as room:
        made = Path(room) / "made.so"
        if not compile_to(made, source, instructions):
            return None
        made.chmod(0o600)
        path = folder / f"{name}-{_digest(made)}.so"
        made.replace(path)
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
