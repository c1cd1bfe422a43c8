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


def test_the_price_of_an_option_is_nearer_where_the_weights_saw_noise(capsys):
    plain, hardened = _errors("option_price.py", capsys, STEPS=200, CHIPS=2)
    assert plain[0] < 10 and hardened[0] < 10  # in FP32
    assert hardened[1] < 0.9 * plain[1]


def test_a_deep_kernel_learns_through_its_features_and_runs_on_the_chip(capsys):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    plain, hardened = _errors("deep_kernel.py", capsys, EPOCHS=12, CHIPS=1)
    assert min(plain[0], hardened[1]) > 92


def _errors(name, capsys, **smaller):
    """What an example prints of each training: in FP32, and on the chip."""
    namespace = runpy.run_path(str(EXAMPLES / name))
    namespace["main"].__globals__.update(smaller)
    namespace["main"]()
    lines = capsys.readouterr().out.splitlines()
    return [
        (float(re.findall(r"FP32 ([\d.]+)", line)[0]), float(re.findall(r"([\d.]+) ±", line)[0]))
        for line in lines
    ]


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
