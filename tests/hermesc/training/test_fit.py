"""The loop: the same bits after a stop, and refusals that say what to change."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import hermesc
from hermesc.training import FitOptions, learned_ranges, second_loss
from hermesc.training.build import harden
from hermesc.training.data import TrainingData
from hermesc.training.fit import TrainingError, fit
from hermesrt.errors import ArtifactError, InputError


class Stop(Exception):
    """What a power cut is to the process."""


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Dropout(0.1), nn.Linear(12, 3))


def samples(count=200, seed=0):
    torch.manual_seed(seed)
    x = torch.randn(count, 16)
    return TrainingData({"input": x}, (x[:, :3] + 0.1 * torch.randn(count, 3)).argmax(1))


def run(tmp_path, recipe="rasch", stop_at=None, data=None, model=None, **settings):
    data = data or samples()
    model = harden(model or net(), {"input": data.inputs["input"][:8]}, recipe=recipe)

    def observe(progress):
        if stop_at is not None and progress.step == stop_at:
            raise Stop

    options = FitOptions(**{"epochs": 4, "batch": 32, "learning_rate": 1e-2, **settings})
    kept = tmp_path / "w.pt.checkpoint"
    return model, fit(model, data, samples(64, 1), options, kept, observe)


def test_training_lowers_the_loss_and_moves_ranges(tmp_path):
    data = samples()
    model, progress = run(tmp_path, epochs=12)
    assert progress.tested[-1] < 0.6 * progress.tested[0]
    first = harden(net(), {"input": data.inputs["input"][:8]}, recipe="rasch")
    assert learned_ranges(model) != learned_ranges(first)


@pytest.mark.parametrize("stop_at", [2, 7, 15, 21])
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(tmp_path, monkeypatch, stop_at):
    monkeypatch.setattr("hermesc.training.fit._KEEP_S", 0.0)
    (tmp_path / "whole").mkdir(), (tmp_path / "cut").mkdir()
    whole, _ = run(tmp_path / "whole", patience=3)
    with pytest.raises(Stop):
        run(tmp_path / "cut", patience=3, stop_at=stop_at)
    again, progress = run(tmp_path / "cut", patience=3)
    assert progress.resumed == stop_at - 1
    for own, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(own, other)


def test_a_scheduled_rate_rises_and_falls_to_0_and_survives_a_stop(tmp_path, monkeypatch):
    monkeypatch.setattr("hermesc.training.fit._KEEP_S", 0.0)
    rates, step = [], torch.optim.Adam.step

    def watched(self, *given, **more):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *given, **more)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    settings = {"recipe": "none", "schedule": "cosine", "epochs": 6}
    whole, _ = run(tmp_path, **settings)
    assert len(rates) == 42
    assert rates[0] < 0.6 * max(rates)
    assert rates[1:] != sorted(rates[1:])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[-1] < 1e-4 < 9e-3 < max(rates) <= 1e-2
    (tmp_path / "cut").mkdir()
    with pytest.raises(Stop):
        run(tmp_path / "cut", stop_at=20, **settings)
    again, _ = run(tmp_path / "cut", **settings)
    assert torch.equal(whole.get_parameter("0.weight"), again.get_parameter("0.weight"))


def test_gradients_longer_than_the_limit_shrink(tmp_path):
    settings = {"recipe": "none", "optimizer": "sgd", "momentum": 0.0, "epochs": 1, "batch": 200}
    first, moved = net(), []
    for largest in (0.0, 1e-3):
        (tmp_path / f"{largest}").mkdir()
        model, _ = run(tmp_path / f"{largest}", largest_gradient=largest, **settings)
        gaps = [(a - b).detach().square().sum() for a, b in
                zip(model.parameters(), first.parameters(), strict=False)]  # fmt: skip
        moved.append(float(torch.stack(gaps).sum().sqrt()))
    assert moved[1] == pytest.approx(1e-2 * 1e-3, rel=1e-2)
    assert moved[0] > 10 * moved[1]


def test_a_checkpoint_of_another_run_is_refused_with_what_differs(tmp_path):
    run(tmp_path)
    with pytest.raises(ArtifactError, match="a run with another recipe"):
        run(tmp_path, recipe="joshi")
    other = nn.Sequential(nn.Linear(16, 3))
    with pytest.raises(ArtifactError, match="a run with another model"):
        run(tmp_path, model=other)
    with pytest.raises(ArtifactError, match="a run with another data and settings"):
        run(tmp_path, data=samples(150), learning_rate=0.1)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(tmp_path)
    kept = tmp_path / "w.pt.checkpoint"
    whole = kept.read_bytes()
    for damaged in (whole[:-100], whole[:50], b"", whole[:2000] + b"x" + whole[2001:]):
        kept.write_bytes(damaged)
        with pytest.raises(ArtifactError, match="not a whole checkpoint"):
            run(tmp_path)


def test_a_loss_that_is_not_finite_names_layer_and_step_and_keeps_the_checkpoint(tmp_path):
    class Roots(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.root, self.last = nn.Linear(16, 4), Root(), nn.Linear(4, 3)

        def forward(self, input):
            return self.last(self.root(self.first(input)))

    class Root(nn.Module):
        def forward(self, x):
            return torch.sqrt(x.sum() + 1e3 * (x.sum() > -1e9) - 1e3) * torch.ones_like(x)

    torch.manual_seed(0)
    model = Roots()
    with torch.no_grad():
        model.first.bias.fill_(1.0)
    with pytest.raises(TrainingError, match=r"step 8: the loss is nan; .* are in root;") as stopped:
        data = samples()
        order = torch.arange(len(data.labels))
        data.inputs["input"][order >= 0] = 0.0
        hardened = harden(model, {"input": data.inputs["input"][:8]}, recipe="joshi")

        def observe(progress):
            if progress.step == 7:
                with torch.no_grad():
                    hardened.first.bias.fill_(-1.0)

        kept = tmp_path / "w.pt.checkpoint"
        options = FitOptions(epochs=4, batch=32, learning_rate=1e-6)
        fit(hardened, data, data, options, kept, observe)
    assert "the last good checkpoint is" in str(stopped.value)
    assert (tmp_path / "w.pt.checkpoint").exists()


def test_a_learning_rate_that_diverges_is_said(tmp_path):
    with pytest.raises(TrainingError, match="learning rate 1e\\+06 is too high"):
        run(tmp_path, optimizer="sgd", learning_rate=1e6, recipe="none")


def test_labels_out_of_range_are_refused(tmp_path):
    data = samples()
    data.labels[3] = 7
    with pytest.raises(InputError, match="labels are from 0 to 7; the model has 3 outputs"):
        run(tmp_path, data=data)


def test_patience_stops_early_and_keeps_the_best(tmp_path):
    _, progress = run(tmp_path, epochs=60, patience=2, learning_rate=0.1)
    assert progress.stopped and progress.epoch < 60


def test_the_adversary_adds_what_the_worst_weights_nearby_do():
    data = samples()
    hardened = harden(net().eval(), {"input": data.inputs["input"][:8]}, recipe="adversarial")
    hardened.eval()
    hardened.train(False)
    for module in hardened.modules():
        module.training = not isinstance(module, nn.Dropout)
    inputs = dict(data.inputs)
    outputs = hardened(**inputs)
    found = second_loss(hardened, inputs, outputs, classes=True)
    found.backward()
    assert found.item() > 1e-5 and hardened[0].weight.grad.abs().max().item() > 0
    model, y = hardened, outputs.detach().log_softmax(1)
    kept = {n: p.detach().clone() for n, p in model.named_parameters()}
    drawn = []
    for _ in range(20):
        with torch.no_grad():
            for name in ("0.weight", "3.weight"):
                away = 0.1 * kept[name].abs() * (2 * torch.rand_like(kept[name]) - 1)
                model.get_parameter(name).copy_(kept[name] + away)
            moved = model(**inputs).log_softmax(1)
        kl = nn.functional.kl_div(moved, y, reduction="batchmean", log_target=True)
        drawn.append(0.25 * kl.item())
    assert found.item() > 3 * max(drawn)


def test_the_command_trains_tests_and_compiles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = samples(300)
    np.savez("x.npz", x=data.inputs["input"].numpy(), labels=data.labels.numpy())

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = net()

        def forward(self, x):
            return self.body(x)

    model = Named()
    options = FitOptions(epochs=15, batch=32, learning_rate=1e-2)
    report = hermesc.train(
        model, "x.npz", "w.pt", example_inputs=data.inputs["input"][:8], settings=options, chips=2
    )
    assert report.trained > 75 > report.before
    assert report.on_chip[0].mean > 70 and len(report.on_chip) == 3
    json.dumps(report.to_json())
    assert "chip 30 d" in str(report)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.pt", "x.npz"]
    held = torch.load("w.pt", weights_only=True)
    model.load_state_dict(held)
    program = hermesc.compile(Named(), data.inputs["input"][:8], weights="w.pt")
    steps = [s for s in program.artifact.manifest.steps if s.tag == "mvm"]
    assert [s.input_max for s in steps] == pytest.approx(list(report.input_ranges.values()))


def test_weights_of_another_model_are_refused(tmp_path):
    torch.save(net().state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match="not the weights of this model"):
        hermesc.compile(nn.Linear(16, 3), torch.randn(4, 16), weights=tmp_path / "w.pt")
    torch.save({"a": Stop}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="weights_only=True"):
        hermesc.compile(nn.Linear(16, 3), torch.randn(4, 16), weights=tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((4, 16))}, "there is no array 'labels'"),
        ({"y": np.zeros((4, 16)), "labels": np.zeros(4, int)}, "the model takes input"),
        ({"input": np.zeros((4, 16)), "labels": np.zeros(5, int)}, "differ in number"),
        ({"input": np.zeros((4, 16, 1)), "labels": np.zeros(4, int)}, "the model's example is"),
        ({"input": np.full((4, 16), np.nan), "labels": np.zeros(4, int)}, "NaN or infinite"),
        ({"input": np.zeros((4, 16)), "labels": np.array(["a"] * 4)}, "must be finite numbers"),
        ({"input": np.zeros((1, 16)), "labels": np.zeros(1, int)}, "leave none to test"),
    ],
)
def test_unfit_samples_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match=words):
        hermesc.train(
            net(), tmp_path / "x.npz", tmp_path / "w.pt", example_inputs=torch.randn(4, 16)
        )
