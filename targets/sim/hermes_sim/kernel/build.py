"""Compile the kernel: once for each source, instruction set and compiler, into the user's cache.

A wheel brings its libraries with it (`tools/wheel.py`); from a clone the first use compiles one, in
a second, where there is a C compiler: the system's, or the package index's `ziglang`. A library is
taken from the cache only if folder and file belong to the user, nobody else can write them, and the
file has the digest in its name.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "layer.c"
FLAGS = (
    "-O3", "-std=gnu11", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno",
    "-fvisibility=hidden",
)  # fmt: skip
INSTRUCTIONS: Mapping[str, tuple[str, ...]] = {  # the best one first
    "avx512-vnni": ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni"),
    "avx2": ("-mavx2",),
}
_SECONDS = 120.0  # of a compiler, at most


def shipped(instructions: str) -> Path:
    """Where a wheel has the library."""
    return FOLDER / f"layer-{instructions}.so"


def library(instructions: str) -> Path | None:
    """The library for an instruction set, compiled if need be; None where that is not possible."""
    if shipped(instructions).exists():
        return shipped(instructions)
    try:
        folder = _own_folder()
        return _cached(folder, instructions) or _compiled(folder, instructions)
    except OSError:  # no home, a full disk, a read-only file system
        return None


def compile_to(path: Path, instructions: str) -> bool:
    """Compile to a file by the first compiler that can; whether one could."""
    for compiler in compilers():
        command = [*compiler, *FLAGS, *INSTRUCTIONS[instructions], str(SOURCE), "-o", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and path.exists():
            return True
    return False


def compilers() -> Iterator[list[str]]:
    """The commands of the C compilers that are there."""
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found is not None:
            yield [found]
    if find_spec("ziglang") is not None:
        yield [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.17", "-s"]


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


def _name(instructions: str) -> str:
    text = "\0".join((*FLAGS, *INSTRUCTIONS[instructions])).encode()
    return f"layer-{instructions}-{hashlib.sha256(text + SOURCE.read_bytes()).hexdigest()[:16]}"


def _cached(folder: Path, instructions: str) -> Path | None:
    for path in folder.glob(f"{_name(instructions)}-*.so"):
        if _own(path) and path.is_file() and path.stem.endswith(f"-{_digest(path)}"):
            return path
    return None


def _compiled(folder: Path, instructions: str) -> Path | None:
    with tempfile.TemporaryDirectory(dir=folder) as room:
        made = Path(room) / "layer.so"
        if not compile_to(made, instructions):
            return None
        made.chmod(0o600)
        path = folder / f"{_name(instructions)}-{_digest(made)}.so"
        made.replace(path)
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
