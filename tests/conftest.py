"""What all tests share: one thread, hypothesis' settings, checked shapes, and the chip."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pkgutil import iter_modules

import jaxtyping
import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# Types and tensor shapes are checked, in what is imported from here on; an int is a float, as mypy
# has it (PEP 484). Two rooms of the runtime are left out: beartype cannot follow types that name
# themselves, those of an operation's arguments (`ops`) and of JSON (`files`).
_UNCHECKED = ("files", "ops")
_RUNTIME = find_spec("hermesrt")
assert _RUNTIME is not None
_ROOMS = [room.name for room in iter_modules(_RUNTIME.submodule_search_locations)]
install_import_hook(
    [
        *(f"hermesrt.{room}" for room in _ROOMS if room not in _UNCHECKED),
        "hermes_sim",
        "hermesc.kernels",
    ],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec

settings.register_profile(
    "hermesc",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=25,
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


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """Functions take any argument, as outside of tests, so that our own refusals are seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
