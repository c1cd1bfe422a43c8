"""Images as a dataflow: the timeline against the reference on CNNs, and schedules made by hand."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import hermesc
from hermes_sim.fifo import critical_path
from hermes_sim.timeline import Timeline
from hermesc.pipeline import parse_options
from hermesrt.chip.load import load_chip

from .reference import Reference


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
        kind = draw(st.sampled_from(["conv", "conv", "transposed", "pool", "relu"]))
        made: nn.Module = nn.ReLU()
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


@settings(max_examples=25, deadline=None, derandomize=True)
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
    wanted = Reference(spec, work, None).run()
    timeline = Timeline(spec, work, None)
    for step in work.work:
        ran = timeline.run(step)
        assert ran.done.times is not None
        assert ran.done.times.tolist() == wanted[step.step.name]
        path = critical_path(ran.done, ran.done.count - 1)
        assert sum(path.values()) == ran.done.last
