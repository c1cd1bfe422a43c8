"""What all tests share: one thread, golden texts, and the option that writes them anew."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

_GOLDEN = Path(__file__).parent / "golden"

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
    # tensor shapes are checked; an int is a float, as mypy has it (PEP 484)
    install_import_hook(
        ["hermes_sim"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with tests/golden/NAME, or write it there under --update-golden."""

    def compare(name: str, text: str) -> None:
        text = re.sub(r"\bs\d+\b", "s0", text)  # torch numbers its symbols as it likes
        path = _GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no {path}; write it with pytest --update-golden"
        assert text == path.read_text(encoding="utf-8")

    return compare
