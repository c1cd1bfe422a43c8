"""The examples, through the command line."""

from pathlib import Path

import pytest

from ...command_line import EXAMPLES, script, succeed, succeed_json


def compiled_examples() -> list[str]:
    """Those that are a model; the decoder is costed by its shapes alone, the others train."""
    others = {
        "decoder", "deep_kernel", "option_price", "training", "training_accelerate",
        "training_lightning",
    }  # fmt: skip
    return sorted({p.stem for p in EXAMPLES.glob("*.py")} - others)


@pytest.mark.parametrize("example", compiled_examples())
def test_every_example_runs_and_is_ideal_when_asked(example: str, tmp_path: Path) -> None:
    succeed("compile", EXAMPLES / f"{example}.py", cwd=tmp_path)
    found = succeed_json("run", f"{example}.hermes", "--ideal", cwd=tmp_path)
    assert all(o["relative_error"] < 1e-5 for o in found["outputs"].values())
    noisy = succeed_json("run", f"{example}.hermes", cwd=tmp_path)
    assert all(0.001 < o["relative_error"] < 0.5 for o in noisy["outputs"].values())


def test_the_main_example_classifies_as_well_as_in_fp32(tmp_path: Path) -> None:
    succeed("compile", EXAMPLES / "rbf_ridge.py", cwd=tmp_path)
    script(EXAMPLES / "rbf_ridge.py", "test.npz", cwd=tmp_path)
    found = succeed_json("run", "rbf_ridge.hermes", "--inputs", "test.npz", cwd=tmp_path)
    assert found["samples"] == 599
    assert found["reference_accuracy"] > 0.95
    assert found["accuracy"] > found["reference_accuracy"] - 0.03
