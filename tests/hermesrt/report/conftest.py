"""A small compiled model, its hostile and empty variants, and a browser to load pages in."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesc.artifact.schema import Account, Artifact
from hermesc.errors import Location
from hermesrt.cost import Cost
from hermesrt.program import Chip, Program
from hermesrt.report.run import RunReport

MARK = 'document.documentElement.dataset.injected="yes"'
HOSTILE = f"</script><script>{MARK}</script><img src=x onerror='{MARK}'>]]>\"&\x00\ud800"

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
    "--enable-logging=stderr",
    "--v=0",
    "--dump-dom",
)


class Small(nn.Module):
    """A matrix of two row blocks, a cosine, a reshape, and a matrix in one core."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(512, 40)
        self.head = nn.Linear(80, 10)

    def forward(self, x: Tensor) -> Tensor:
        z = self.first(x)
        return self.head(torch.cat([z.cos(), z.sin()], dim=-1))


class Digital(nn.Module):
    """No matrix at all."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cos()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a browser made of a page: its document, and what it wrote to the console."""

    dom: str
    console: tuple[str, ...]


Load = Callable[..., Loaded]


@pytest.fixture(scope="module")
def small() -> Program:
    torch.manual_seed(0)
    return hermesc.compile(Small(), torch.randn(16, 512), name="small")


@pytest.fixture(scope="module")
def chip(small: Program) -> Chip:
    return small.deploy(hermesc.simulate("hermes", seed=0))


@pytest.fixture(scope="module")
def artifact(small: Program) -> Artifact:
    return small.artifact


@pytest.fixture(scope="module")
def cost(small: Program, chip: Chip) -> Cost:
    return chip.device.cost(small.workload(), "4-phase")


@pytest.fixture(scope="module")
def run(chip: Chip) -> RunReport:
    torch.manual_seed(1)
    return chip.report(torch.randn(8, 512), labels=torch.arange(8))


@pytest.fixture(scope="module")
def digital() -> Program:
    return hermesc.compile(Digital(), torch.randn(16, 8), name="digital")


@pytest.fixture(scope="module")
def hostile(artifact: Artifact) -> Artifact:
    """The same program with every name that an artifact may hold replaced by an attack."""
    manifest = artifact.manifest
    place = Location(HOSTILE, HOSTILE, 1, HOSTILE)
    printable = "".join(c for c in HOSTILE if c.isprintable())  # a chip's text is checked
    account = (
        Account("a", f"aten.{HOSTILE}.default", "digital", HOSTILE, place),
        Account("b", HOSTILE, "digital", f"moves or renames data {HOSTILE}", place),
    )
    changed = replace(
        manifest,
        name=HOSTILE,
        generator=HOSTILE,
        chip=manifest.chip | {"name": printable, "description": printable},
        matrices=tuple(replace(m, label=HOSTILE) for m in manifest.matrices),
        account=account,
        notes=(HOSTILE,),
    )
    return replace(artifact, manifest=changed)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a page from a file in headless Chromium; skips where there is none."""
    binary = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is on the PATH")

    def load(html: str, *, fragment: str = "", width: int = 1280) -> Loaded:
        page = tmp_path / "page.html"
        page.write_text(html, encoding="utf-8")
        profile = tmp_path / "profile"
        command = [binary, *_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},900"]
        done = subprocess.run(
            [*command, page.as_uri() + fragment],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        console = tuple(line for line in done.stderr.splitlines() if "CONSOLE" in line)
        return Loaded(done.stdout, console)

    return load
