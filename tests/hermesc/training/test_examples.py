"""The examples of training run and say what they should."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_a_network_that_saw_the_noise_keeps_its_accuracy_for_a_month(capsys):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    namespace = runpy.run_path(str(EXAMPLES / "training.py"))
    namespace["main"].__globals__["CHIPS"] = 2
    namespace["main"]()
    lines = capsys.readouterr().out.splitlines()
    plain, hardened = (float(re.findall(r"days ([\d.]+)", line)[0]) for line in lines)
    assert hardened > 94 and hardened > plain - 0.5


@pytest.mark.parametrize(
    ("module", "words"),
    [("lightning", r"accuracy on the chip ([\d.]+)"), ("accelerate", r"<Program Sequential")],
)
def test_it_trains_in_other_loops(module, words, capsys):
    pytest.importorskip(module, reason=f"{module} is not installed")
    runpy.run_path(str(EXAMPLES / f"training_{module}.py"))["main"]()
    found = re.search(words, capsys.readouterr().out)
    assert found is not None
    assert module != "lightning" or float(found.group(1)) > 80
