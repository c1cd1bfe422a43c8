"""A small compiled model, its hostile and empty variants, and a browser to load pages in."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.artifact.schema import Artifact, HostStep, MvmStep, NodeAssignment
from hermesrt.cost import Cost
from hermesrt.errors import Location
from hermesrt.program import Chip, Program
from hermesrt.run_report import RunReport
from hermesrt.snapshot import ProgrammingSnapshot, snapshot

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MARK = 'document.documentElement.dataset.injected="yes"'
HOSTILE = f"</script><script>{MARK}</script><img src=x onerror='{MARK}'>]]>\"&\x00\ud800"

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
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


class Block(nn.Module):
    """A matrix, a function, a matrix, and a way around them."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.back = nn.Linear(64, 96), nn.Linear(96, 64)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.back(torch.tanh(self.wide(x)))


class Deep(nn.Module):
    """A stack of two blocks and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = nn.Sequential(Block(), Block())
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stack(x).cos())


class Digital(nn.Module):
    """No matrix at all."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cos()


@dataclass(frozen=True)
class Opened:
    """A page in a browser, and all that it wrote to the console or threw, so far."""

    page: "Page"
    console: list[str]


Open = Callable[..., Opened]


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
    steps = tuple(
        replace(step, location=place) if isinstance(step, MvmStep | HostStep) else step
        for step in manifest.steps
    )
    account = (
        NodeAssignment("a", f"aten.{HOSTILE}.default", "digital", HOSTILE, place),
        NodeAssignment("b", HOSTILE, "digital", f"moves or renames data {HOSTILE}", place),
    )
    changed = replace(
        manifest,
        name=HOSTILE,
        generator=HOSTILE,
        chip=manifest.chip | {"name": HOSTILE, "description": HOSTILE},
        matrices=tuple(replace(m, label=HOSTILE) for m in manifest.matrices),
        account=account,
        steps=steps,
        notes=(HOSTILE,),
    )
    return replace(artifact, manifest=changed)


@pytest.fixture(scope="module")
def held(chip: Chip) -> ProgrammingSnapshot:
    return snapshot(chip)


@pytest.fixture(scope="module")
def deep() -> Program:
    """Two blocks of several operations each, a branch, and one module in another."""
    torch.manual_seed(0)
    return hermesc.compile(Deep(), torch.randn(16, 64), name="deep")


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Headless Chromium; skips where there is none."""
    binary = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is on the PATH")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: "Browser", tmp_path: Path) -> Iterator[Open]:
    """Open a page from a file."""
    contexts = []

    def open_page(
        html: str, *, fragment: str = "", width: int = 1280, scheme: str = "light"
    ) -> Opened:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        console: list[str] = []
        page.on("console", lambda message: console.append(message.text))
        page.on("pageerror", lambda error: console.append(str(error)))
        page.goto(path.as_uri() + fragment)
        return Opened(page, console)

    yield open_page
    for context in contexts:
        context.close()
