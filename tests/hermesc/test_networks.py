"""Convolutional networks as a whole: cores, shares, results, copies."""

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesc.pipeline import parse_options
from hermesc.studies.networks.models import ResNet9
from hermesrt.artifact import io
from hermesrt.chip.load import load_chip
from hermesrt.ops import unfold
from hermesrt.program import Program


def unit(inputs: int, outputs: int, *more: nn.Module, inplace: bool = True) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    norm = nn.BatchNorm2d(outputs)
    norm.running_mean.normal_(std=0.1)  # type: ignore[union-attr]
    return nn.Sequential(layer, norm, nn.ReLU(inplace=inplace), *more)


class Small(nn.Module):
    """A residual network of three convolutions."""

    def __init__(self, *, inplace: bool = True) -> None:
        super().__init__()
        self.first, self.second = unit(3, 16, inplace=inplace), unit(16, 16, inplace=inplace)
        self.third, self.head = nn.Conv2d(16, 24, 3, stride=2), nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = self.third(x + self.second(x))
        return self.head(x.mean((2, 3)))


def relative(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.fixture(scope="module")
def small() -> tuple[nn.Module, Program]:
    torch.manual_seed(0)
    model = Small().eval()
    return model, hermesc.compile(model, (torch.randn(4, 3, 12, 12),))


def test_the_chips_own_resnet_equals_torch_without_noise() -> None:
    torch.manual_seed(0)
    model = ResNet9().eval()
    program = hermesc.compile(model, (torch.randn(2, 3, 32, 32),))
    x = torch.randn(3, 3, 32, 32)
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    with torch.no_grad():
        assert relative(chip(x), model(x)) < 1e-6


def test_a_small_network_is_analog_and_right_at_another_batch(
    small: tuple[nn.Module, Program],
) -> None:
    model, program = small
    assert program.workload().analog_mac_share > 0.95
    x = torch.randn(7, 3, 12, 12)
    chip = program.deploy(hermesc.simulate("hermes", seed=1))
    with torch.no_grad():
        wanted = model(x)
    assert 0 < relative(chip(x), wanted) < 0.3
    assert relative(chip.configure(ideal=True)(x), wanted) < 1e-6


def test_a_program_with_windows_reads_back(small: tuple[nn.Module, Program]) -> None:
    artifact = small[1].artifact
    again = io.from_bytes(io.to_bytes(artifact), "test")
    assert again.manifest == artifact.manifest
    assert any(step.window for step in again.mvms)


def test_in_place_layers_are_placed_as_others_are(small: tuple[nn.Module, Program]) -> None:
    torch.manual_seed(0)
    other = hermesc.compile(Small(inplace=False).eval(), (torch.randn(4, 3, 12, 12),))
    ours, theirs = small[1].artifact, other.artifact
    assert ours.manifest.matrices == theirs.manifest.matrices
    assert [type(s) for s in ours.manifest.steps] == [type(s) for s in theirs.manifest.steps]


def test_each_part_of_the_positions_has_noise_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One weight, a constant input: 100 images at once and the next 100 do not read alike."""
    monkeypatch.setattr(unfold, "BLOCK_ELEMENTS", 100 * 64)
    layer, chip = nn.Conv2d(1, 1, 1, bias=False), load_chip("hermes")
    program = hermesc.compile(layer, (torch.ones(2, 1, 8, 8),), chip=chip)
    y = program.deploy(hermesc.simulate(chip))(torch.ones(300, 1, 8, 8))
    parts = y.detach().reshape(3, -1)
    assert all(part.unique().numel() > 2 for part in parts)
    correlation = torch.corrcoef(parts)
    assert float(correlation.fill_diagonal_(0).abs().max()) < 0.1


@pytest.mark.parametrize("copies", ["1", "4"])
def test_a_position_meets_the_same_copy_however_images_are_cut(copies: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ConvTranspose2d(3, 2, 2, stride=3))
    chip = load_chip("hermes", [("effects.read_noise", "off")])
    options = parse_options([("place.objective", "throughput"), ("place.copies", copies)])
    program = hermesc.compile(model, (torch.randn(4, 2, 5, 5),), chip=chip, options=options)
    made = max(m.copies for m in program.artifact.manifest.matrices)
    assert (made > 1) == (copies == "4")
    device = program.deploy(hermesc.simulate(chip, seed=3))
    x = torch.randn(6, 2, 5, 5)
    apart = torch.cat([device(row[None]) for row in x])
    torch.testing.assert_close(device(x), apart)


def test_another_size_of_image_runs_without_a_new_program() -> None:
    """The height is symbolic: a network of convolutions is right at any."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, stride=2))
    shapes = ({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},)
    program = hermesc.compile(model, (torch.randn(3, 2, 9, 8),), dynamic_shapes=shapes)
    chip = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)
    x = torch.randn(5, 2, 16, 8)
    with torch.no_grad():
        assert relative(chip(x), model(x)) < 1e-6
    work = program.workload()
    assert work.analog_mac_share == 1.0
