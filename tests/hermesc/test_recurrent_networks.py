"""Recurrent networks as a whole: cores, shares, results at another batch and length, noise."""

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

import hermesc
from hermesrt.chip.load import load_chip
from hermesrt.program import Program


class Character(nn.Module):
    """The chip's own network for PTB's characters, 1,299,312 weights. Source: Le Gallo 2023, 26
    cores; that 128 of the 632 rows are the embedding's is derived from the total."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 128)
        self.lstm = nn.LSTM(128, 504, batch_first=True)
        self.head = nn.Linear(504, 50, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.lstm(self.embedding(x))[0])
        return found


def relative(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.fixture(scope="module")
def character() -> tuple[nn.Module, Program]:
    torch.manual_seed(0)
    model = Character().eval()
    x = torch.randint(0, 50, (2, 6))
    return model, hermesc.compile(model, (x,), dynamic_shapes=({1: Dim.DYNAMIC},))


def test_the_chips_own_lstm_takes_the_published_cores(
    character: tuple[nn.Module, Program],
) -> None:
    program = character[1]
    matrices = program.artifact.manifest.matrices
    assert sum(m.rows * m.columns for m in matrices) == 1_299_312
    assert [(m.rows, m.columns, len(m.tiles)) for m in matrices] == [(632, 2016, 24), (504, 50, 2)]
    assert len(program.artifact.cores) == 26
    assert program.workload().analog_mac_share > 0.95


def test_it_is_right_at_another_batch_and_length(character: tuple[nn.Module, Program]) -> None:
    model, program = character
    x = torch.randint(0, 50, (3, 9))
    chip = program.deploy(hermesc.simulate("hermes", seed=1))
    with torch.no_grad():
        wanted = model(x)
    assert 0 < relative(chip(x), wanted) < 0.5
    assert relative(chip.configure(ideal=True)(x), wanted) < 1e-6


def test_the_caption_networks_layers_fill_the_chip() -> None:
    """1008 x 2016 and 504 x 4064 weights, published on 64 cores."""

    class Caption(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(504, 504, batch_first=True)
            self.head = nn.Linear(504, 4064, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.head(self.lstm(x)[0])
            return found

    program = hermesc.compile(Caption(), (torch.randn(2, 2, 504),))
    assert program.artifact.tiles == 64
    assert len(program.artifact.cores) == 64
    assert [s.recurrence.unit for s in program.artifact.mvms if s.recurrence] == ["gdpu"]


def test_each_time_step_reads_with_noise_of_its_own() -> None:
    """The same input and a state of zero at each step, so that nothing else can differ."""

    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.RNN(1, 1, bias=False, batch_first=True)
            self.layer.weight_hh_l0.data.zero_()

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.layer(x)[0]
            return found

    chip = load_chip("hermes")
    program = hermesc.compile(Same(), (torch.ones(2, 40, 1),), chip=chip)
    y = program.deploy(hermesc.simulate(chip))(torch.ones(300, 40, 1))[..., 0].detach()
    assert y.unique().numel() > 2
    correlation = torch.corrcoef(y.T[:6])
    assert float(correlation.fill_diagonal_(0).abs().max()) < 0.25


def test_the_same_seed_gives_the_same_outputs(character: tuple[nn.Module, Program]) -> None:
    x = torch.randint(0, 50, (2, 4))
    runs = [character[1].deploy(hermesc.simulate("hermes", seed=3))(x) for _ in range(2)]
    assert torch.equal(*runs)


def test_the_gate_units_table_is_a_part_of_what_the_chip_gets_wrong() -> None:
    """Two programs that differ in it alone, all other effects off."""
    torch.manual_seed(0)
    names = [
        "input_code", "programming_noise", "drift", "read_noise", "saturation", "count_code",
        "polarity_asymmetry", "converter_spread", "output_noise", "output_code",
    ]  # fmt: skip
    chip = load_chip("hermes", [(f"effects.{name}", "off") for name in names])
    model = nn.Sequential(nn.Linear(6, 8), Gated(8)).eval()
    x = torch.randn(2, 20, 6)
    program = hermesc.compile(model, (x,), chip=chip)
    with torch.no_grad():
        wanted = model(x)
    found = relative(program.deploy(hermesc.simulate(chip))(x), wanted)
    assert 1e-3 < found < 0.05


class Gated(nn.Module):
    """An LSTM's outputs."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.LSTM(width, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(x)[0]
        return found


def test_a_projected_lstm_is_on_crossbars_with_both_its_matrices() -> None:
    torch.manual_seed(0)

    class Projected(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(12, 40, proj_size=10, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.layer(x)[0]
            return found

    model = Projected().eval()
    program = hermesc.compile(model, (torch.randn(2, 6, 12),))
    matrices = program.artifact.manifest.matrices
    assert [(m.label, m.rows, m.columns) for m in matrices] == [
        ("layer.l0", 22, 160), ("layer.l0.projection", 40, 10),
    ]  # fmt: skip
    assert program.workload().analog_mac_share == 1
    x = torch.randn(3, 6, 12)
    chip = program.deploy(hermesc.simulate("hermes", seed=1))
    with torch.no_grad():
        wanted = model(x)
    assert 0.01 < relative(chip(x), wanted) < 0.5
    assert not torch.equal(chip(x), chip(x))
    halves = torch.cat(
        [program.deploy(hermesc.simulate("hermes", seed=1))(part) for part in x.split(1)]
    )
    whole = program.deploy(hermesc.simulate("hermes", seed=1))(x)
    assert torch.equal(whole, halves)
    assert relative(chip.configure(ideal=True)(x), wanted) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_other_precisions_keep_their_dtype(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = Gated(6).to(dtype).eval()
    program = hermesc.compile(model, (torch.randn(2, 5, 6, dtype=dtype),))
    x = torch.randn(3, 5, 6, dtype=dtype)
    found = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)(x)
    assert found.dtype == dtype
    with torch.no_grad():
        wanted = model(x)
    step = 1e-6 if dtype == torch.float64 else 0.03
    assert relative(found.double(), wanted.double()) < step


class ByHand(nn.Module):
    """An LSTM's cell as users write it, in a Python loop."""

    def __init__(self) -> None:
        super().__init__()
        self.of_x, self.of_h = nn.Linear(5, 24), nn.Linear(6, 24)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[0], 6)
        for now in x.unbind(1):
            i, f, g, o = (self.of_x(now) + self.of_h(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


def test_gates_that_are_written_by_hand_store_each_matrix_once() -> None:
    torch.manual_seed(0)
    model = ByHand().eval()
    program = hermesc.compile(model, torch.randn(3, 7, 5))
    assert [m.label for m in program.artifact.manifest.matrices] == ["of_x", "of_h"]
    assert len(program.artifact.mvms) == 2 * 7
    chip, x = program.deploy(hermesc.simulate()).configure(ideal=True), torch.randn(4, 7, 5)
    with torch.no_grad():
        assert relative(chip(x), model(x)) < 1e-6
