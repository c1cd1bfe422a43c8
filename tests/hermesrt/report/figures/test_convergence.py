"""The picture of how programming converged."""

from pathlib import Path

import pytest

from hermesrt.programming.loop import Iteration
from hermesrt.programming.session import OperationCounts
from hermesrt.report.figures.export import curve_picture

CURVE = (
    Iteration("start", (2.0, 1.5), OperationCounts()),
    Iteration("verify", (0.3, 0.2), OperationCounts()),
    Iteration("descend", (0.2, 0.1), OperationCounts()),
    Iteration("descend", (0.1, 0.05), OperationCounts()),
)
MAGIC = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.mark.parametrize("suffix", MAGIC)
def test_the_suffix_is_the_format(suffix: str) -> None:
    assert curve_picture(CURVE, Path(f"c.{suffix}")).startswith(MAGIC[suffix])


def test_the_same_curve_gives_the_same_svg() -> None:
    first, second = (curve_picture(CURVE, Path("c.svg")) for _ in range(2))
    assert first == second
    assert first != curve_picture(CURVE[:3], Path("c.svg"))


def test_it_names_its_axes_and_the_moves_that_were_made() -> None:
    text = curve_picture(CURVE, Path("c.svg")).decode()
    for words in (
        "MVM error (%) while programming",
        "iteration",
        "Programming 2 cores",
        "gradient descent",
    ):
        assert words in text
    assert "one pulse" not in text


def test_cores_without_error_can_be_drawn() -> None:
    flat = (
        Iteration("start", (0.0,), OperationCounts()),
        Iteration("verify", (0.0,), OperationCounts()),
    )
    assert curve_picture(flat, Path("c.svg"))
    assert curve_picture((Iteration("start", (), OperationCounts()),), Path("c.svg"))
