"""What a wheel says it is for."""

import sys
import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel() -> ModuleType:
    spec = spec_from_file_location("wheel", ROOT / "tools/wheel.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("platform", "machine", "named", "asked", "tag"),
    [
        ("linux", "x86_64", "linux-x86_64", b"GLIBC_2.14", "manylinux_2_17_x86_64"),
        ("linux", "aarch64", "linux-aarch64", b"GLIBC_2.17", "manylinux_2_17_aarch64"),
        ("linux", "aarch64", "linux-aarch64", b"GLIBC_2.2.5 GLIBC_2.38", "linux_aarch64"),
        ("linux", "aarch64", "linux-aarch64", b"another C library", "linux_aarch64"),
        ("darwin", "aarch64", "macosx-10.13-universal2", b"", "macosx_11_0_arm64"),
        ("darwin", "x86_64", "macosx-10.9-x86_64", b"", "macosx_11_0_x86_64"),
    ],
)
def test_a_wheel_is_for_the_processor_and_the_oldest_system_that_its_libraries_run_on(
    wheel: ModuleType,
    platform: str,
    machine: str,
    named: str,
    asked: bytes,
    tag: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = tmp_path / "some.so"
    library.write_bytes(b"\0".join([b"\x7fELF", *asked.split(), b"end"]))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sysconfig, "get_platform", lambda: named)
    assert wheel.system(SimpleNamespace(MACHINE=machine, MACOS="11.0"), [library]) == tag
