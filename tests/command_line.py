"""The command line: in this process, or in one of its own for start-up and pipes."""

import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from hermesc.cli import main

HERMESC = Path(sys.executable).parent / "hermesc"
EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left: its exit code and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def exit_code(*words: object) -> int:
    """Run a command in this process, in the current folder."""
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        assert stop.code is None or isinstance(stop.code, int)
        return stop.code or 0
    raise AssertionError("a command ends with its exit code")


def hermesc(*words: object, cwd: Path) -> Ended:
    """Run a command in this process as if in one of its own: folder, outputs, exit code."""
    with _written() as out, _written() as err:
        with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
            code = exit_code(*words)
        return Ended(code, _read(out), _read(err))


def succeed(*words: object, cwd: Path) -> str:
    """What a command writes that ends well."""
    run = hermesc(*words, cwd=cwd)
    assert run.returncode == 0, run.stderr
    return run.stdout


def succeed_json(*words: object, cwd: Path) -> Any:
    """The object that a command prints with --json."""
    return json.loads(succeed(*words, "--json", cwd=cwd))


def process(*words: object, cwd: Path) -> Ended:
    """Run the installed command in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [str(HERMESC), *map(str, words)]
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)
    return Ended(run.returncode, run.stdout, run.stderr)


def script(path: Path, *words: str, cwd: Path) -> str:
    """What a script prints, run in this process as if it were one of its own."""
    known = list(sys.path), list(sys.argv)
    sys.path[:0], sys.argv[:] = [str(path.parent)], [str(path), *words]
    try:
        with _written() as out, chdir(cwd), redirect_stdout(out):
            runpy.run_path(str(path), run_name="__main__")
            return _read(out)
    finally:
        sys.path[:], sys.argv[:] = known


@contextmanager
def _written() -> Iterator[TextIO]:
    """A stream with a file descriptor of its own, which a command may point elsewhere."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stream:
        yield stream


def _read(stream: TextIO) -> str:
    stream.flush()
    try:
        stream.seek(0)
        return stream.read()
    except OSError:  # the command pointed the descriptor at the null device
        return ""
