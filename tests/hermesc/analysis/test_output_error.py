"""Predicted errors agree with those of simulated chips, and say which layers drown."""

from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesc.kernels.attention import FavorAttention, MultiheadAttention, NystroemAttention
from hermesrt.artifact.schema import Artifact, MvmStep, PredictedError
from hermesrt.chip.load import load_chip
from hermesrt.data import example_samples
from hermesrt.executor import execute, reference_mvm
from hermesrt.facts.errors import drowned
from hermesrt.program import Program
from hermesrt.reader import Reader

FACTOR = 1.3  # within which prediction and simulation agree, where errors are below the signal
SEEDS = (0, 1, 2)


def _kernel_regression() -> nn.Module:
    """Landmarks close to each other: weights that cancel, as those of GP regression do."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            x = torch.randn(60, 3, dtype=torch.float64)
            gram = (-torch.cdist(x, x).square() / 4).exp() + 1e-5 * torch.eye(60)
            self.register_buffer("points", x.float().T.contiguous())
            self.register_buffer("dual", torch.linalg.solve(gram, x[:, :1].sin()).float())

        def forward(self, x: Tensor) -> Tensor:
            squares = x.square().sum(-1, keepdim=True) + self.points.square().sum(0)
            return ((2 * (x @ self.points) - squares) / 4).exp() @ self.dual

    return Net()


MODELS = {
    "MLP": (
        lambda: nn.Sequential(nn.Linear(64, 300), nn.Tanh(), nn.Linear(300, 300), nn.ReLU(),
                              nn.Linear(300, 10)),
        (96, 64),
    ),
    "CNN": (
        lambda: nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(16, 8, 3),
                              nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)),
        (32, 3, 16, 16),
    ),
    "Performer": (lambda: MultiheadAttention(32, 2, lambda s: FavorAttention(s, 64)), (16, 12, 32)),
    "Nyström": (lambda: MultiheadAttention(32, 2, lambda s: NystroemAttention(s, 32)), (16, 8, 32)),
    "kernel regression": (_kernel_regression, (64, 3)),
}  # fmt: skip


def _compiled(name: str, **settings) -> Program:
    torch.manual_seed(0)
    build, shape = MODELS[name]
    return hermesc.compile(build().eval(), (torch.randn(shape),), **settings)


def _relative(step: MvmStep, y: Tensor, exact: Tensor) -> float:
    dim = -1 if step.window is None else -1 - step.window.rank
    y, exact = (t.movedim(dim, -1).flatten(0, -2).double() for t in (y, exact))
    return float(((y - exact).square().mean() / (exact - exact.mean(0)).square().mean()) ** 0.5)


def _simulated(program: Program) -> Mapping[str, tuple[float, float]]:
    """Of each MVM on simulated chips: error on exact inputs, and in a run of the whole program."""
    artifact = program.artifact
    samples, exact = example_samples(artifact), reference_mvm(artifact)
    inputs: dict[str, Tensor] = {}

    def noting(step: MvmStep, x: Tensor) -> Tensor:
        inputs[step.name] = x
        return exact(step, x)

    execute(artifact, samples.inputs, noting)
    squares: dict[str, list[tuple[float, float]]] = {s.name: [] for s in artifact.mvms}
    for seed in SEEDS:
        chip = program.deploy(hermesc.simulate("hermes", seed=seed))
        reader = Reader(artifact, chip.device)
        on_chip = reader.mvm(samples, reader.keys(samples.inputs), frozenset())

        def compared(step: MvmStep, x: Tensor, on_chip=on_chip) -> Tensor:
            x_exact, y = inputs[step.name], on_chip(step, x)
            wanted = exact(step, x_exact)
            alone = _relative(step, on_chip(step, x_exact), wanted)
            squares[step.name].append((alone, _relative(step, y, wanted)))
            return y

        execute(artifact, samples.inputs, compared)
    return {
        name: tuple(float(torch.tensor(v).square().mean().sqrt()) for v in zip(*found, strict=True))
        for name, found in squares.items()
    }


@pytest.mark.parametrize("name", MODELS)
def test_predictions_agree_with_the_simulator(name):
    program = _compiled(name)
    simulated = _simulated(program)
    relu = {step.name for step in program.artifact.mvms if step.relu}
    assert len(program.artifact.manifest.predicted) == len(simulated) > 1
    for found in program.artifact.manifest.predicted:
        own, total = simulated[found.mvm]
        if found.mvm not in relu:  # the own error is that before a ReLU
            assert _agree(found.own, own)
        assert _agree(found.total, total)


def _agree(predicted: float, simulated: float) -> bool:
    """Within the factor, or both larger than the signal: outputs clip then."""
    if simulated > 1:
        return predicted > 1
    return simulated / FACTOR < predicted < simulated * FACTOR


@pytest.mark.parametrize(
    ("effect", "part"),
    [("programming_noise", "programming"), ("read_noise", "read"), ("input_code", "input_code")],
)
def test_an_effect_that_is_off_adds_nothing(effect, part):
    chip = load_chip("hermes")
    off = replace(chip, effects=replace(chip.effects, **{effect: False}))
    for found in _compiled("MLP", chip=off).artifact.manifest.predicted:
        assert asdict(found)[part] == 0
        assert found.own > 0


def test_causes_add_up_in_squares():
    for found in _compiled("MLP").artifact.manifest.predicted:
        parts = (found.programming, found.read, found.input_code, found.converters)
        assert sum(p**2 for p in parts) ** 0.5 == pytest.approx(found.own, rel=1e-2)
        assert found.total >= found.own * 0.95


def test_an_input_that_never_changes_has_no_signal_but_its_size():
    program = hermesc.compile(nn.Linear(6, 5).eval(), (torch.ones(8, 6),))
    (found,) = program.artifact.manifest.predicted
    assert 0 < found.own < 0.5


def test_zeros_and_host_functions_that_fail_on_noise_still_give_an_entry():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 2)
            self.a.weight.data = torch.eye(4) * 1e-3

        def forward(self, x: Tensor) -> Tensor:
            gram = self.a(x).unsqueeze(-1) * torch.eye(4) + 1e-6 * torch.eye(4)
            return self.b(torch.linalg.cholesky(gram).sum(-1))

    program = hermesc.compile(Net().eval(), (torch.rand(8, 4),))
    assert len(program.artifact.manifest.predicted) == 2
    zeros = hermesc.compile(nn.Linear(4, 4), (torch.zeros(4, 4),)).artifact
    assert [found.own for found in zeros.manifest.predicted] == [0.0]


def test_predictions_repeat():
    first, second = (_compiled("Performer").artifact.manifest.predicted for _ in range(2))
    assert first == second
    assert all(isinstance(found, PredictedError) for found in first)


def test_kernel_regression_drowns_and_the_others_do_not():
    def labels(artifact: Artifact) -> list[str]:
        return [layer.label for layer in drowned(artifact)]

    assert labels(_compiled("kernel regression").artifact) == ["dual"]
    assert labels(_compiled("Performer").artifact) == []
