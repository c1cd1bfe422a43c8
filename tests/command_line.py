"""The command line: in this process, or in one of its own for start-up and pipes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from hermesc.cli import main

HERMESC = Path(sys.executable).parent / "hermesc"


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


def process(*words: object, cwd: Path) -> Ended:
    """Run the installed command in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [str(HERMESC), *map(str, words)]
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)
    return Ended(run.returncode, run.stdout, run.stderr)


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
