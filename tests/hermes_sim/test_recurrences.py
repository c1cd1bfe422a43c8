"""Recurrences in time: the timeline against the reference, and schedules made by hand."""

import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import hermesc
from hermes_sim.fifo import critical_path
from hermes_sim.timeline import Timeline
from hermesc.pipeline import parse_options
from hermesrt.chip.load import load_chip

from .reference import Reference


class Network(nn.Module):
    """Recurrent layers with linear ones before, between and behind them."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)[0] if isinstance(layer, nn.RNNBase) else layer(x)
        return x


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, Tensor]:
    """A few layers, some of them recurrent, on a short sequence."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    width = draw(st.sampled_from([1, 3, 40, 300]))
    x = torch.randn(2, draw(st.integers(1, 6)), width)
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 3))):
        out = draw(st.sampled_from([1, 2, 30, 140]))
        kind = draw(st.sampled_from([nn.LSTM, nn.GRU, nn.RNN, nn.Linear]))
        if kind is nn.Linear:
            layers.append(nn.Linear(width, out))
        else:
            both, count = draw(st.booleans()), draw(st.integers(1, 2))
            layers.append(kind(width, out, count, batch_first=True, bidirectional=both))
            out *= 2 if both else 1
        width = out
    return Network(layers), x


@settings(max_examples=25, phases=[Phase.generate])
@given(
    networks(),
    st.sampled_from(["hermes", "hermes-dpu"]),
    st.sampled_from(["balanced", "cores", "latency"]),
)
def test_time_steps_follow_each_other_as_the_reference_says(
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
