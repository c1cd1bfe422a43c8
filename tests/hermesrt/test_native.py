"""C files are compiled once, and only what is the user's own is taken from the cache."""

import os
import stat
import sys
from pathlib import Path

import pytest
import torch

from hermes_sim.kernel import load as kernel_load
from hermesrt.native import build

SOURCE = "int answer(void) { return 42; }\n"
SET = next(reversed(build.INSTRUCTIONS), "avx2")  # the one that most processors of a kind have


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "answer.c"
    path.write_text('__attribute__((visibility("default"))) ' + SOURCE)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hermesc"


@pytest.fixture
def compiler() -> None:
    if not build.runs(SET) or not list(build.compilers()):
        pytest.skip("there is no C compiler, or this processor has no kernel")


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """No C compiler, as far as build can see."""
    monkeypatch.setattr(build, "compilers", lambda: iter(()))


@pytest.mark.usefixtures("compiler")
def test_a_library_is_compiled_once(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = build.load(source, SET)
    assert found is not None and found.answer() == 42
    (path,) = cache.glob("*.so")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    refuse(monkeypatch)
    assert build.library(source, SET) == path
    source.write_text(source.read_text().replace("42", "43"))
    assert build.library(source, SET) is None


@pytest.mark.usefixtures("compiler")
def test_another_header_is_another_library(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "headers"
    folder.mkdir()
    (folder / "number.h").write_text("#define NUMBER 42\n")
    source.write_text('#include "number.h"\n' + source.read_text().replace("42", "NUMBER"))
    monkeypatch.setattr(build, "_HEADERS", folder)
    found = build.load(source, SET)
    assert found is not None and found.answer() == 42
    (folder / "number.h").write_text("#define NUMBER 43\n")
    found = build.load(source, SET)
    assert found is not None and found.answer() == 43


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("damage", ["cut", "others write", "folder", "link"])
def test_a_library_that_may_be_anothers_is_not_loaded(
    source: Path, cache: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build.library(source, SET)
    assert path is not None
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "others write":
            path.chmod(0o666)
        case "folder":
            cache.chmod(0o777)
        case "link":
            moved = path.rename(path.with_suffix(".moved"))
            path.symlink_to(moved)
            path.with_suffix(".moved").chmod(0o666)
    refuse(monkeypatch)
    assert build.library(source, SET) is None


@pytest.mark.usefixtures("compiler")
def test_another_owner_is_refused(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build.library(source, SET) is not None
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert build.library(source, SET) is None


def test_a_compiler_that_fails_or_is_missing_leaves_nothing(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [[sys.executable, "-c", "raise SystemExit(1)"], ["/no/such/compiler"]]
    monkeypatch.setattr(build, "compilers", lambda: iter(failing))
    assert build.library(source, SET) is None
    assert build.load(source, SET) is None
    assert list(cache.iterdir()) == []


def test_a_file_system_that_cannot_be_written_is_no_error(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert build.library(source, SET) is None


def test_what_is_no_library_is_not_loaded(source: Path) -> None:
    build.shipped(source, SET).write_text("no library")
    assert build.load(source, SET) is None


def test_a_shipped_library_comes_first(source: Path) -> None:
    build.shipped(source, SET).write_text("")
    assert build.library(source, SET) == source.with_name(f"answer-{SET}.so")


def test_without_instructions_or_compiler_there_is_no_kernel(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    refuse(monkeypatch)
    assert build.best(kernel_load.SOURCE) is None
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "riscv64"})
    assert not any(map(build.runs, build.INSTRUCTIONS))
    assert build.best(kernel_load.SOURCE) is None


@pytest.mark.parametrize(
    ("has", "best"),
    [
        ({"neon": True, "dot": True}, "neon-dot"),
        ({"neon": True, "dot": False}, "neon"),
        ({"avx2": True, "avx512_f": True}, "avx2"),
        ({}, None),
    ],
)
def test_a_processor_runs_the_best_instructions_of_those_that_torch_names(
    has: dict[str, bool], best: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    sets = [name for family in build.SETS.values() for name in family]
    assert next(filter(build.runs, sets), None) == best


@pytest.mark.parametrize(
    ("platform", "machine", "target"),
    [
        ("linux", "x86_64", "x86_64-linux-gnu.2.17"),
        ("linux", "aarch64", "aarch64-linux-gnu.2.17"),
        ("darwin", "aarch64", "aarch64-macos.11.0"),
    ],
)
def test_zig_compiles_for_all_processors_of_a_kind(
    platform: str, machine: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MACHINE", machine)
    monkeypatch.setattr(build, "find_spec", lambda name: name)
    monkeypatch.setattr(sys, "platform", platform)
    *_, zig = build.compilers()
    assert zig[1:] == ["-m", "ziglang", "cc", "-target", target, "-s"]


@pytest.mark.parametrize("compiler", ["cc", "ziglang"])
def test_a_compiler_is_told_in_its_own_words(compiler: str, source: Path, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    script = tmp_path / "compiler.py"
    script.write_text("import sys\nopen(sys.argv[-1], 'w').write(' '.join(sys.argv))\n")
    command = [sys.executable, str(script), compiler]
    monkeypatch.setattr(build, "compilers", lambda: iter([command]))
    assert build.compile_to(tmp_path / "told", source, "neon-dot")
    told = (tmp_path / "told").read_text()
    assert ("-march=armv8.2-a+dotprod" in told) == (compiler == "cc")
    assert ("-mcpu=generic+dotprod" in told) == (compiler == "ziglang")
