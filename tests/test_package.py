"""What the wheel holds."""

import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

from hermesrt.native import build

ROOT = Path(__file__).parents[1]
PACKAGES = ("hermesc", "hermesrt", "hermes_chip", "hermes_sim")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = str(tmp_path_factory.mktemp("wheel"))
    (path,) = WheelBuilder(str(ROOT)).build(directory=folder, versions=["standard"])
    return ZipFile(path)


def test_the_wheel_holds_the_licence(wheel: ZipFile) -> None:
    (name,) = (n for n in wheel.namelist() if n.endswith("licenses/LICENSE"))
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()
    assert b"Apache License" in wheel.read(name)
    (metadata,) = (n for n in wheel.namelist() if n.endswith("METADATA"))
    assert b"License-Expression: Apache-2.0" in wheel.read(metadata)


def test_the_wheel_holds_four_packages_with_their_data_and_nothing_else(wheel: ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert "hermes_chip/mesh2d.toml" in wheel.namelist()


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_wheel_holds_the_libraries_where_there_is_a_compiler(wheel: ZipFile) -> None:
    """One wheel for all versions of Python; without a compiler it is pure."""
    (name,) = (n for n in wheel.namelist() if n.endswith("/WHEEL"))
    text, names = wheel.read(name).decode(), set(wheel.namelist())
    made = {
        f"{place}-{instructions}.so"
        for place in ("hermesrt/native/reads", "hermes_sim/kernel/layer")
        for instructions in build.INSTRUCTIONS
    }
    there = bool(build.INSTRUCTIONS) and any(build.compilers())
    assert names & made == (made if there else set())
    assert ("Tag: py3-none-any" in text) != there
    assert "Tag: py3-none-" in text
    assert {"hermesrt/native/reads.c", "hermes_sim/kernel/layer.c"} <= names
    assert {f"hermesrt/native/lanes{of}.h" for of in ("", "_x86", "_neon")} <= names
    assert "hermesrt/native/window.h" in names


def test_a_shipped_library_is_found_and_loaded(wheel: ZipFile, tmp_path: Path) -> None:
    name = next(filter(build.runs, build.INSTRUCTIONS), None)
    if f"hermes_sim/kernel/layer-{name}.so" not in wheel.namelist():
        pytest.skip("the wheel is pure")
    assert name is not None
    wheel.extractall(tmp_path)
    source = tmp_path / "hermes_sim/kernel/layer.c"
    assert build.library(source, name) == source.with_name(f"layer-{name}.so")
    assert build.load(source, name) is not None


def test_what_is_installed_can_be_compiled_again(
    wheel: ZipFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a processor that the wheel has no library for."""
    name = next(filter(build.runs, build.INSTRUCTIONS), None)
    if name is None or not any(build.compilers()):
        pytest.skip("there is no C compiler, or this processor has no kernel")
    wheel.extractall(tmp_path)
    monkeypatch.setattr(build, "_HEADERS", tmp_path / "hermesrt/native")
    source = tmp_path / "hermesrt/native/programming.c"
    assert build.compile_to(tmp_path / "again.so", source, name)
