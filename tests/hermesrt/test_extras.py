"""Packages that only some features need."""

import subprocess
import sys
from pathlib import Path

import pytest

from hermesrt.errors import InputError
from hermesrt.extras import require


def command(missing: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command line where a package is not installed."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None; from hermesc.cli import main; main({words})"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd)


def test_what_is_installed_is_neither_complained_about_nor_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "onnx", raising=False)
    require("onnx", "m.onnx")
    assert "onnx" not in sys.modules


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("sklearn", "scikit-learn", "sklearn"),
        ("onnx", "onnx", "onnx"),
        ("matplotlib", "matplotlib", "plots"),
        ("distributed", "distributed", "cluster"),
    ],
)
def test_what_is_missing_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError) as raised:
        require(module, "--this")
    assert str(raised.value) == (
        f"--this needs the package {package}, which is not installed; "
        f"pip install 'hermesc[{extra}]'"
    )


def test_an_onnx_file_without_onnx_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"x")
    run = command("onnx", "compile", "m.onnx", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr == (
        "error: m.onnx needs the package onnx, which is not installed; "
        "pip install 'hermesc[onnx]'\n"
    )


@pytest.mark.parametrize(
    "words",
    [("program", "p.hermes"), ("study", "kernels"), ("study", "attention"), ("study", "chip")],
)
def test_a_plot_without_matplotlib_is_refused_before_the_work(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    run = command("matplotlib", *words, "--plot", "p.svg", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("error: --plot needs the package matplotlib")
