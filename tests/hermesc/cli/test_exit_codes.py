"""What the user's machine is short of is no bug of ours."""

import subprocess
import sys

import pytest

from hermesc import cli
from hermesc.api import installed
from hermesrt.errors import shortage

TORCHS = (
    "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError(TORCHS), "out of memory"),
        (MemoryError(), "out of memory"),
        (ImportError("libtorch_cpu.so: cannot open shared object file: Too many open files"),
         "ulimit -n"),
        (OSError(24, "Too many open files"), "ulimit -n"),
    ],
)  # fmt: skip
def test_a_shortage_is_the_users_machine(
    error: Exception,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(_name: str | None) -> None:
        raise error

    monkeypatch.setattr(installed, "chips", fails)
    with pytest.raises(SystemExit) as stop:
        cli.main(["chips"])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert words in told
    assert "bug" not in told
    assert len(told.splitlines()) == 1


def test_other_errors_are_no_shortage() -> None:
    assert shortage(RuntimeError("shape mismatch")) is None
    wrapped = ValueError("outer")
    wrapped.__cause__ = RuntimeError(TORCHS)
    assert shortage(wrapped) is not None


def test_few_open_files_end_in_one_sentence() -> None:
    code = (
        "import resource, hermesc.cli as c\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))\n"
        "opened = open('/dev/null')\n"
        "c.main(['run', 'p.hermes'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
