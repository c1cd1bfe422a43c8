"""Images as a dataflow: the timeline against the reference on CNNs, and schedules made by hand."""

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import hermesc
from hermes_sim.engine import cost
from hermes_sim.timeline import Timeline
from hermesc.pipeline import parse_options
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.workload import MvmWork

from .reference import assert_times_agree


class Stack(nn.Module):
    """Layers one after another, with a residual sum where one keeps its input's shape."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(body)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            y = layer(x)
            x = x + y if x.shape == y.shape else y
        return x


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, Tensor]:
    """A few convolutions of any kind, with pooling between, on a small image."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    x = torch.randn(2, draw(st.integers(1, 3)), draw(st.integers(4, 8)), draw(st.integers(4, 8)))
    layers: list[nn.Module] = []
    y = x
    for _ in range(draw(st.integers(1, 4))):
        channels, out = y.shape[1], draw(st.integers(1, 4))
        kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        stride, padding = draw(st.integers(1, 2)), draw(st.integers(0, 3))
        kind = draw(st.sampled_from(["conv", "conv", "transposed", "pool", "relu", "wider"]))
        made: nn.Module = nn.ReLU()
        if kind == "wider":
            way = draw(st.sampled_from(["nearest", "bilinear", "bicubic"]))
            made = nn.Upsample(scale_factor=draw(st.integers(2, 3)), mode=way)
        if kind == "conv":
            made = nn.Conv2d(channels, out, kernel, stride, padding, draw(st.integers(1, 2)))
        if kind == "transposed":
            stride = draw(st.integers(1, 4))
            made = nn.ConvTranspose2d(channels, out, kernel, stride, min(padding, 1))
        if kind == "pool":
            pool = draw(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]))
            made = pool(kernel, stride, padding=0, ceil_mode=draw(st.booleans()))
        try:
            found = made(y)
        except RuntimeError:
            continue  # the kernel is larger than what is left of the image
        if found.numel() and found[0, 0].numel() <= 300:
            layers.append(made)
            y = found
    return Stack(*layers), x


@settings(max_examples=12, phases=[Phase.generate])
@given(
    networks(), st.sampled_from(["hermes", "hermes-dpu"]), st.sampled_from(["balanced", "latency"])
)
def test_rows_of_images_follow_each_other_as_the_reference_says(
    network: tuple[nn.Module, Tensor], chip: str, objective: str
) -> None:
    model, x = network
    options = parse_options([("place.objective", objective)])
    program = hermesc.compile(model, (x,), chip=chip, options=options)
    spec, work = load_chip(chip), program.workload()
    assert_times_agree(spec, work)


def quick_chip() -> ChipSpec:
    """Times that add up by hand: byte 1 ns, MVM 100 ns, output 2 ns, stage 50 ns, host 1 ns."""
    numbers = {
        "host_link_time.byte_ns": "1", "mvm_time.one_phase_ns": "100",
        "ldpu_time.output_interval_ns": "2", "stage_time.stage_ns": "50", "link_time.byte_ns": "1",
        "host_time.op_ns": "1",
    }  # fmt: skip
    return load_chip("hermes", list(numbers.items()))


def times(model: nn.Module, x: Tensor, chip: ChipSpec) -> list[list[int]]:
    """When each token of each step is there, in ns, read in one phase."""
    work = hermesc.compile(model, (x,), chip=chip).workload()
    timeline = Timeline(chip, work, "1-phase")
    found = [timeline.run(step).done.known() for step in work.work]
    return [(t.array() // 1000).tolist() for t in found]


def test_a_second_layer_begins_as_soon_as_its_first_window_is_there() -> None:
    """A 3x3 image, one channel. The first layer's pixel i is there at 4 + 100 (i + 1) + 2 + 50:
    4 bytes in, an MVM, one output of the LDPU, its pipeline. The second layer's window (0, 0)
    waits for pixel 4, each later one for the next pixel or row: pixels 5, 7 and 8."""
    layers = [nn.Conv2d(1, 1, 2, padding=p, bias=False) for p in ("same", 0)]
    first, second = times(nn.Sequential(*layers), torch.randn(2, 1, 3, 3), quick_chip())
    assert first == [4 + 100 * (i + 1) + 2 + 50 for i in range(9)]
    assert second == [first[i] + 4 + 100 + 2 + 50 for i in (4, 5, 7, 8)]


def test_a_pooling_waits_for_its_window_alone() -> None:
    """1x1 and then 2x2 pooling of a 4x4 image: 4 operations of 1 ns each, once pixels 5, 7, 13
    and 15 are there."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.MaxPool2d(2))
    pixels, pooled = times(model, torch.randn(2, 1, 4, 4), quick_chip())
    assert pixels == [1 + 100 * (i + 1) + 2 + 50 for i in range(16)]
    assert pooled == [pixels[i] + 4 for i in (5, 7, 13, 15)]


@pytest.mark.parametrize(
    ("resampling", "sees"),
    [
        (nn.Upsample(scale_factor=2), (0, 0, 1, 1)),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (0, 1, 1, 1)),
        (nn.Upsample(scale_factor=2, mode="bicubic"), (3, 3, 3, 3)),
    ],
    ids=["nearest", "bilinear", "bicubic"],
)
def test_an_upsampling_waits_for_the_neighbours_of_each_place(
    resampling: nn.Module, sees: tuple[int, ...]
) -> None:
    """The first row of a 2x2 image that becomes 4x4: 1 ns for each of its places."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), resampling)
    pixels, wide = times(model, torch.randn(2, 1, 2, 2), quick_chip())
    wanted, free = [], 0
    for place in sees:
        free = max(free, pixels[place]) + 1
        wanted.append(free)
    assert wide[:4] == wanted


def test_shuffled_pixels_follow_the_pixel_that_they_come_from() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False), nn.PixelShuffle(2))
    pixels, wide = times(model, torch.randn(2, 1, 1, 3), quick_chip())
    assert wide[0] == pixels[0] + 1
    assert wide[4] == pixels[2] + 1


def test_nine_layers_as_a_dataflow_take_far_less_than_one_after_another() -> None:
    """Each layer waits for two rows of the one before it, not for all of its image."""
    body = [nn.Conv2d(4, 4, 3, padding=1) for _ in range(9)]
    chip = quick_chip()
    program = hermesc.compile(nn.Sequential(*body), (torch.randn(2, 4, 16, 16),), chip=chip)
    found = cost(chip, program.workload(), "1-phase")
    alone = 256 * 100_000
    assert alone < found.latency_ps < 9 * alone / 3


def test_line_buffers_are_counted_in_values() -> None:
    """3x3 over a width of 32: 67 pixels of 5 channels before the second layer; the first one takes
    the input, which is all there."""
    body = [nn.Conv2d(2, 5, 3, padding=1), nn.Conv2d(5, 3, 3, padding=1), nn.ReLU()]
    chip = load_chip("hermes")
    program = hermesc.compile(nn.Sequential(*body), (torch.randn(2, 2, 32, 32),), chip=chip)
    found = cost(chip, program.workload(), None)
    assert [layer.buffered for layer in found.layers] == [0, 67 * 5]
    assert found.buffered == 335


def test_positions_that_see_only_padding_cost_no_mvm() -> None:
    """Inputs three apart under a 2x2 window: of 12x12 positions 8x8 see one."""
    layer = nn.ConvTranspose2d(3, 2, 2, stride=3, output_padding=1)
    chip = load_chip("hermes")
    work = hermesc.compile(layer, (torch.randn(2, 3, 4, 4),), chip=chip).workload()
    (step,) = work.work
    assert isinstance(step, MvmWork)
    assert step.vectors == 64
    assert step.needs.tokens == 144


def test_what_takes_no_time_still_waits_for_its_window() -> None:
    """A pooling on a host that costs nothing: its positions come as their windows do."""
    chip = load_chip("hermes", [("host_time.op_ns", "0.0")])
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, 1, 1), nn.Conv2d(2, 1, 2))
    assert_times_agree(chip, hermesc.compile(model, torch.randn(2, 1, 6, 6), chip=chip).workload())
