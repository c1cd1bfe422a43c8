"""The models of the zoo, and the golden model with its texts."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from hermesrt.chip.spec import ChipSpec

from ..zoo import golden as golden_model
from ..zoo.case import Case, Fn
from ..zoo.front import ALL, ALL_PRODUCTS, Front, run_front
from ..zoo.front import front_of as front_of_case
from ..zoo.networks import NOT_PRODUCTS


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with tests/golden/NAME, or write it there under --update-golden."""

    def compare(name: str, text: str) -> None:
        text = re.sub(r"\bs\d+\b", "s0", text)  # torch numbers its symbols as it likes
        path = golden_model.GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no {path}; write it with pytest --update-golden"
        assert text == path.read_text(encoding="utf-8")

    return compare


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`product`, `not_product` and `any_model` run a test once for each such model of the zoo."""
    groups = {"product": ALL_PRODUCTS, "not_product": NOT_PRODUCTS, "any_model": ALL}
    for fixture, cases in groups.items():
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, cases, ids=[case.name for case in cases])


@pytest.fixture(scope="session")
def front_of() -> Callable[[Case], Front]:
    """A model of the zoo, partitioned; each is compiled once."""
    return front_of_case


@pytest.fixture(scope="session")
def front() -> Callable[..., Front]:
    """Any model, partitioned: front(model, inputs, options)."""
    return run_front


@pytest.fixture(scope="session")
def module() -> type[Fn]:
    """A module of a function over random parameters: module(lambda m, x: x @ m.w, w=(16, 5))."""
    return Fn


@pytest.fixture(scope="session")
def golden_chip() -> ChipSpec:
    """Nine cores of 8x8, so that a small model has cascades and shared cores."""
    return golden_model.golden_chip()


@pytest.fixture(scope="session")
def stages() -> dict[str, Any]:
    """What each step of the pipeline made of the golden model."""
    return golden_model.golden_stages()
