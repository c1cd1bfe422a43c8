"""Small crossbars, matrices to program into them, and a device whose pulses can be looked at."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Device, Pulses
from hermesrt.program import Program

# Pulses land where they are sent, reads are exact to a count, RESET devices hold nothing.
CLEAN = {
    "write_noise.step_share": "0.0",
    "write_noise.floor_siemens": "0.0",
    "write_noise.verify_counts": "0.0",
    "set_statistics.reset_spread_siemens": "0.0",
    "effects.read_noise": "false",
}


class Product(nn.Module):
    """x @ W."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("W", matrix)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.W


@pytest.fixture(scope="session")
def chip_of() -> Callable[..., ChipSpec]:
    """A chip of crossbars of that size: chip_of(8, 8, {"effects.drift": "false"})."""

    def make(rows: int, columns: int, settings: dict[str, str] | None = None) -> ChipSpec:
        size = {"crossbar.rows": str(rows), "crossbar.columns": str(columns)}
        return load_chip("hermes", list((size | (settings or {})).items()))

    return make


@pytest.fixture(scope="session")
def clean() -> dict[str, str]:
    """Settings of cells and reads without any randomness but that of the SET levels."""
    return CLEAN


@pytest.fixture(scope="session")
def compiled() -> Callable[..., Program]:
    """The program of x @ matrix for a chip."""

    def make(matrix: Tensor, chip: ChipSpec) -> Program:
        x = torch.randn(64, matrix.shape[0], generator=torch.Generator().manual_seed(9))
        return hermesc.compile(Product(matrix), x, chip=chip)

    return make


@pytest.fixture(scope="session")
def matrices() -> dict[str, Tensor]:
    """Gaussian weights, uniform ones with zeros, sparse ones, random features (16 x 252)."""
    draw = torch.Generator().manual_seed(0)
    gaussian = torch.randn(64, 64, generator=draw)
    uniform = torch.rand(64, 64, generator=draw) * 2 - 1
    zeros = uniform * (torch.rand(64, 64, generator=draw) >= 0.3)
    features = nn.init.trunc_normal_(torch.empty(16, 252), a=-3, b=3, generator=draw)
    sparse = gaussian * (torch.rand(64, 64, generator=draw) < 0.1)
    return {"Gaussian": gaussian, "with zeros": zeros, "sparse": sparse, "features": features}


class Watched:
    """A device that keeps the pulses that it was sent, core by core."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.sent: list[tuple[int, Pulses]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.device, name)

    def pulse(self, core: int, pulses: Pulses, index: int) -> None:
        self.sent.append((core, pulses))
        self.device.pulse(core, pulses, index)


@pytest.fixture(scope="session")
def watched() -> type[Watched]:
    """A device around another: watched(device).sent are its pulses."""
    return Watched
