"""Layers whose noise hurts most leave the chip until the budget holds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesc.app.digital_fallback import SEEDS, DigitalFallback, FallbackStep, Loss
from hermesc.cli import main
from hermesc.pipeline import Options
from hermesrt.errors import OptionError

X = torch.randn(96, 24, generator=torch.Generator().manual_seed(1))
X[:, 0] = 0.0  # the input of the weights that make a layer fragile

MODEL_FILE = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
example_inputs = (torch.randn(4, 8),)
calibration_inputs = (torch.randn(64, 8),)
with torch.no_grad():
    calibration_labels = model(calibration_inputs[0]).argmax(1)
"""


class Fragile(nn.Module):
    """Three layers; outliers that no input ever meets cost `middle` all its precision."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.first = nn.Linear(24, 24, bias=False)
        self.middle = nn.Linear(24, 24, bias=False)
        self.last = nn.Linear(24, 5, bias=False)
        for layer in (self.first, self.middle, self.last):
            nn.init.normal_(layer.weight, generator=draw)
        with torch.no_grad():
            self.first.weight[0] = 0.0  # output 0 of `first` is always zero
            self.middle.weight[:, 0] = 200.0

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(self.first(x).relu()).relu())


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return Fragile().eval()


@pytest.fixture(scope="module")
def labels(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(X).argmax(1)


@pytest.fixture(scope="module")
def fallback(model: nn.Module, labels: Tensor) -> DigitalFallback:
    return hermesc.digital_fallback(
        model, X[:8], max_accuracy_drop=20.0, calibration=X, labels=labels
    )


def test_the_fragile_layer_is_the_first_to_go_and_alone_enough(fallback: DigitalFallback) -> None:
    assert [s.layer for s in fallback.steps] == [None, "middle"]
    assert fallback.alone["middle"].points < min(
        fallback.alone[name].points for name in ("first", "last")
    )


def test_the_loss_holds_the_budget_and_every_step_has_its_price(fallback: DigitalFallback) -> None:
    before, after = fallback.steps
    assert before.loss.points > 20.0 >= after.loss.points
    assert before.loss.accuracy is not None and after.loss.accuracy is not None
    assert after.loss.accuracy == pytest.approx(1 - after.loss.points / 100)  # FP32 is right
    assert before.latency_ns != after.latency_ns and before.energy_nj != after.energy_nj


def test_the_program_is_the_last_steps_and_the_runs_are_counted(fallback: DigitalFallback) -> None:
    on_chip = {m.label for m in fallback.program.artifact.manifest.matrices}
    assert on_chip == {"first", "last"}
    assert fallback.runs == len(SEEDS) * (1 + 3 + 1)


def test_the_table_names_the_layers_and_the_unit(fallback: DigitalFallback) -> None:
    text = str(fallback)
    assert "budget 20 points of accuracy on 96 rows of the calibration data" in text
    assert "\n  nothing" in text and "\n  middle" in text


def test_compile_with_a_budget_gives_the_same_program(
    model: nn.Module, labels: Tensor, fallback: DigitalFallback
) -> None:
    program = hermesc.compile(model, X[:8], calibration=X, labels=labels, max_accuracy_drop=20.0)
    assert program.sha256 == fallback.program.sha256


def test_without_labels_the_budget_is_of_relative_output_error(model: nn.Module) -> None:
    fallback = hermesc.digital_fallback(model, X[:8], max_accuracy_drop=0.0)
    basis = fallback.to_json()["digital_fallback_basis"]
    assert basis["unit"].startswith("% of relative output error")
    assert basis["data"] == "the example inputs"
    assert fallback.steps[-1].loss.relative_error < 1e-6
    assert fallback.program.artifact.manifest.matrices == ()  # nothing analog is that exact


def test_a_budget_that_holds_at_once_costs_no_search(model: nn.Module) -> None:
    fallback = hermesc.digital_fallback(
        model, X[:8], max_accuracy_drop=100.0, labels=torch.zeros(8).long()
    )
    assert fallback.runs == len(SEEDS)
    assert fallback.alone == {} and len(fallback.steps) == 1


def test_what_the_user_keeps_digital_stays_so(model: nn.Module, labels: Tensor) -> None:
    options = Options()
    options = replace(options, partition=replace(options.partition, digital=("last",)))
    fallback = hermesc.digital_fallback(
        model, X[:8], max_accuracy_drop=20.0, calibration=X, labels=labels, options=options
    )
    assert {m.label for m in fallback.artifact.manifest.matrices} == {"first"}


def test_progress_counts_up_to_at_most_what_was_said(model: nn.Module) -> None:
    seen: list[tuple[int, int]] = []
    hermesc.digital_fallback(
        model, X[:8], max_accuracy_drop=0.0, progress=lambda a, b: seen.append((a, b))
    )
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert all(done <= total for done, total in seen)


@pytest.mark.parametrize("budget", [-0.1, 101.0, float("nan")])
def test_a_budget_that_is_no_share_is_refused(model: nn.Module, budget: float) -> None:
    with pytest.raises(OptionError, match="from 0 to 100 points"):
        hermesc.digital_fallback(model, X[:8], max_accuracy_drop=budget)
    with pytest.raises(OptionError, match="from 0 to 100 points"):
        hermesc.compile(model, X[:8], max_accuracy_drop=budget)


def test_a_step_is_dominated_by_one_that_is_better_in_all(fallback: DigitalFallback) -> None:
    good = FallbackStep(None, Loss(1.0, 0.0, None, 0.1), 10.0, 10.0)
    worse = FallbackStep("a", Loss(2.0, 0.0, None, 0.1), 10.0, 11.0)
    cheaper = FallbackStep("b", Loss(2.0, 0.0, None, 0.1), 9.0, 11.0)
    found = replace(fallback, steps=(good, worse, cheaper))
    assert [found.undominated(s) for s in found.steps] == [True, False, True]


def test_the_command_line_gives_table_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(MODEL_FILE)
    command = ["compile", "net.py", "--set", "partition.max_accuracy_drop=0"]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0
    assert told["digital_fallback_basis"]["rows"] == 64
    assert told["digital_fallback"][0]["layer"] is None
    assert (
        told["digital_fallback"][-1]["within_budget"] and told["digital_fallback"][-1]["drop"] <= 0
    )
    with pytest.raises(SystemExit):
        main(command)
    assert "budget 0 points of accuracy" in capsys.readouterr().out
