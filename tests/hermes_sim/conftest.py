"""Chips and a layer with published test statistics."""

from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from torch import Tensor, nn

from hermes_sim.kernel import pcm as compiled
from hermes_sim.kernel.load import kernel
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec


@pytest.fixture(scope="session")
def chip() -> ChipSpec:
    """Two devices per polarity, as the chip's default is."""
    return load_chip("hermes")


@pytest.fixture(scope="session")
def odp_chip() -> ChipSpec:
    """One device per polarity."""
    return load_chip("hermes", [("unit_cell.devices_per_polarity", "1")])


@pytest.fixture(scope="session")
def chip_with() -> Callable[..., ChipSpec]:
    """The chip with other numbers: chip_with({"effects.drift": "false"})."""
    return lambda settings: load_chip("hermes", list(settings.items()))


@pytest.fixture(scope="session")
def only(chip: ChipSpec) -> Callable[..., dict[str, str]]:
    """Settings with all effects off but the named ones: only("drift", "read_noise")."""
    every = [f.name for f in fields(chip.effects) if f.name != "pedigree"]

    def make(*names: str) -> dict[str, str]:
        assert set(names) <= set(every)
        return {f"effects.{name}": str(name in names).lower() for name in every}

    return make


class Product(nn.Module):
    """x @ W."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("W", matrix)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.W


@pytest.fixture(scope="session")
def product() -> type[Product]:
    """A module that is one product with a fixed matrix."""
    return Product


@pytest.fixture(scope="session")
def sparse_uniform() -> tuple[Tensor, Tensor]:
    """W and x uniform with 30 % zeros, the test of Le Gallo 2023, Fig. 2."""
    draw = torch.Generator().manual_seed(0)

    def sample(rows: int) -> Tensor:
        values = torch.rand(rows, 256, generator=draw) * 2 - 1
        return values * (torch.rand(rows, 256, generator=draw) >= 0.3)

    return sample(256), sample(2048)


@pytest.fixture
def without_functions(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, equations of devices are computed without compiled functions."""
    if compiled.functions() is None or kernel() is None:
        pytest.skip("no functions are compiled here")
    return lambda: monkeypatch.setattr(compiled, "functions", lambda: None)
