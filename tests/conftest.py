"""What all tests share: one thread, hypothesis' settings, checked shapes, and the chip."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# Types and tensor shapes are checked, in what is imported from here on; an int is a float, as mypy
# has it (PEP 484). Of the runtime these are the rooms that handle tensors.
# `hermesc.kernels` is not among them: its tests give wrong arguments, to see them refused in words.
_ROOMS = ("device", "executor", "measurement", "metrics", "programming", "replication")
install_import_hook(
    [*(f"hermesrt.{room}" for room in _ROOMS), "hermes_sim"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec

settings.register_profile(
    "hermesc",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("hermesc")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew instead of comparing"
    )


def pytest_configure() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def chip() -> ChipSpec:
    """The chip as it was built."""
    return load_chip("hermes")


@pytest.fixture(scope="session")
def chip_with() -> Callable[..., ChipSpec]:
    """The chip with other numbers: chip_with(grid_rows=2, crossbar_columns=8)."""

    def make(**settings: int | float) -> ChipSpec:
        pairs = [(key.replace("_", ".", 1), str(value)) for key, value in settings.items()]
        return load_chip("hermes", pairs)

    return make
