"""Recurrences in time: the timeline against the reference, and schedules made by hand."""

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.export import Dim

import hermesc
from hermes_sim.engine import cost
from hermes_sim.timeline import Timeline
from hermesc.pipeline import parse_options
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.workload import MvmWork, workload

from .reference import assert_times_agree


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
            projected = kind is nn.LSTM and out > 1 and draw(st.booleans())
            more = {"proj_size": max(1, out // 3)} if projected else {}
            layers.append(kind(width, out, count, batch_first=True, bidirectional=both, **more))
            out = more.get("proj_size", out) * (2 if both else 1)
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
    assert_times_agree(spec, work)


def quick_chip(*more: tuple[str, str]) -> ChipSpec:
    """Times that add up by hand: byte 1 ns, MVM 100 ns, output 2 ns, stage 50 ns, host 1 ns an
    operation and two a function."""
    numbers = {
        "host_link_time.byte_ns": "1", "mvm_time.one_phase_ns": "100",
        "ldpu_time.output_interval_ns": "2", "stage_time.stage_ns": "50", "link_time.byte_ns": "1",
        "host_time.op_ns": "1", "host_time.transcendental_ops": "2",
    }  # fmt: skip
    return load_chip("hermes", [*numbers.items(), *more])


class Outputs(nn.Module):
    """The outputs of recurrent layers alone."""

    def __init__(self, *layers: nn.RNNBase) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)[0]
        return x


def times(model: nn.Module, x: Tensor, chip: ChipSpec, unit: str) -> list[list[int]]:
    """When each token of each product is there, in ns, read in one phase."""
    options = parse_options([("gates.unit", unit)])
    work = hermesc.compile(model, (x,), chip=chip, options=options).workload()
    timeline = Timeline(chip, work, "1-phase")
    ran = [timeline.run(step).done.known() for step in work.work if isinstance(step, MvmWork)]
    return [(t.array() // 1000).tolist() for t in ran]


def test_a_time_step_waits_for_the_gates_of_the_one_before() -> None:
    """3 inputs and 2 hidden values: 5 bytes in, an MVM, 8 outputs of the LDPU, its pipeline; then
    on the host 4 operations and 5 functions a value."""
    step = 5 + 100 + 8 * 2 + 50 + 2 * (4 + 5 * 2)
    layer = Outputs(nn.LSTM(3, 2, batch_first=True))
    (found,) = times(layer, torch.randn(2, 4, 3), quick_chip(), "host")
    assert found == [step * (i + 1) for i in range(4)]


@pytest.mark.parametrize("unit", ["host", "auto"])
def test_a_projection_is_a_second_product_behind_the_gates(unit: str) -> None:
    """3 inputs and 2 projected values of 4: 5 bytes in, an MVM, 16 outputs of the LDPU, its
    pipeline and the gates; then 4 bytes in, an MVM, 2 outputs and the pipeline again."""
    gates = 4 * (4 + 5 * 2) if unit == "host" else 60
    step = 5 + 100 + 16 * 2 + 50 + gates + 4 + 100 + 2 * 2 + 50
    layer = Outputs(nn.LSTM(3, 4, proj_size=2, batch_first=True))
    (found,) = times(layer, torch.randn(2, 4, 3), quick_chip(), unit)
    assert found == [step * (i + 1) for i in range(4)]


def test_both_products_of_a_time_step_are_counted() -> None:
    """An MVM of each core for each time step, and the projection is no work of the host."""
    layer, chip = Outputs(nn.LSTM(3, 4, proj_size=2, batch_first=True)), quick_chip()
    work = hermesc.compile(layer, (torch.randn(2, 4, 3),), chip=chip).workload()
    assert (work.analog_macs, work.digital_macs) == (4 * (5 * 16 + 4 * 2), 0)
    found = cost(chip, work, "1-phase")
    rows = [(r.label, r.core_mvms) for r in found.layers]
    assert rows == [("layers.0.l0", 4), ("layers.0.l0.projection", 4)]
    assert sum(found.latency_by.values()) == found.latency_ps


def test_the_chips_own_gates_take_their_time_and_no_host() -> None:
    """The gate unit's 60 ns behind the LDPU's last output and its pipeline; 2 bytes leave."""
    step = 5 + 100 + 8 * 2 + 50 + 60
    layer = Outputs(nn.LSTM(3, 2, batch_first=True))
    (found,) = times(layer, torch.randn(2, 4, 3), quick_chip(), "auto")
    assert found == [step * (i + 1) for i in range(4)]


def test_a_second_layer_follows_the_first_one_step_behind() -> None:
    """Two layers in the chip's gate unit, on cores of their own: the second one's step i waits for
    the first one's step i, and is shorter by a byte in."""
    layer = Outputs(nn.LSTM(3, 2, batch_first=True), nn.LSTM(2, 2, batch_first=True))
    first, second = times(layer, torch.randn(2, 4, 3), quick_chip(), "auto")
    step = 5 + 100 + 8 * 2 + 50 + 60
    assert first == [step * (i + 1) for i in range(4)]
    assert second == [step * (i + 1) + step - 1 for i in range(4)]


def test_the_other_direction_is_there_at_once_and_waits_for_all_inputs() -> None:
    """The linear layer's tokens come every 100 ns; a GRU back in time begins with the last one, and
    all its results are there when its first time step is: 8 outputs, 5 operations and 3 functions a
    value."""
    model = Network([nn.Linear(3, 3), nn.GRU(3, 2, batch_first=True, bidirectional=True)])
    linear, forward, back = times(model, torch.randn(2, 4, 3), quick_chip(), "auto")
    step = 5 + 100 + 8 * 2 + 50 + 2 * (5 + 3 * 2)
    assert linear == [3 + 100 * (i + 1) + 3 * 2 + 50 for i in range(4)]
    assert forward == [linear[0] + step * (i + 1) for i in range(4)]
    assert len(back) == 1
    assert back[0] >= linear[3] + 4 * step


@pytest.mark.parametrize(
    ("mode", "step_ns", "step_uj"), [("1-phase", 1043, 3.46), ("4-phase", 1430, 5.24)]
)
def test_the_published_step_takes_its_published_time_and_energy(
    mode: Mode, step_ns: float, step_uj: float
) -> None:
    """Le Gallo 2023, Table I: 1008 x 2016 on 32 cores with the GDPU, time and energy within 3 %;
    host work and transfers left out, as in the paper."""
    free = ("host_link_time.byte_ns", "host_time.op_ns", "host_energy.op_pj")
    chip = load_chip("hermes", [(k, "0.0") for k in (*free, "host_link_energy.byte_pj")])
    layer = Outputs(nn.LSTM(504, 504, bias=False, batch_first=True))
    shapes = ({1: Dim.DYNAMIC},)
    program = hermesc.compile(layer, (torch.randn(2, 3, 504),), chip=chip, dynamic_shapes=shapes)
    assert len(program.artifact.cores) == 32
    for steps in (1, 10):
        work = workload(program.artifact, {"x": (1, steps, 504)})
        found = cost(chip, work, mode)
        assert found.latency_ps / 1000 == pytest.approx(steps * step_ns, rel=0.03)
        assert found.energy_pj / 1e6 == pytest.approx(steps * step_uj, rel=0.03)
        assert found.latency_by["gdpu"] == 60_000 * steps


def test_sequences_of_a_batch_that_the_model_fixes_share_each_time_step() -> None:
    """Three sequences at once: a step's vectors follow each other through the array, and their
    gates are one operation."""

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.GRU(3, 300, batch_first=True), nn.Linear(300, 2)
            self.offset = nn.Parameter(torch.randn(3, 5, 3))

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.head(self.layer(x + self.offset)[0])
            return found

    chip = load_chip("hermes")
    work = hermesc.compile(Fixed(), (torch.randn(3, 5, 3),), chip=chip).workload()
    (first, _) = (w for w in work.work if isinstance(w, MvmWork))
    assert (first.steps, first.vectors) == (5, 15)
    assert_times_agree(chip, work)


def test_a_sequence_waits_for_the_gate_unit_but_not_for_the_host_between_time_steps() -> None:
    """The unit keeps the cells of one sequence until its end; the host those of many, so that only
    the busiest resource counts: the array, 4 MVMs of 100 ns."""
    layer, chip = Outputs(nn.LSTM(3, 2, batch_first=True)), quick_chip()
    found = []
    for unit in ("auto", "host"):
        options = parse_options([("gates.unit", unit)])
        program = hermesc.compile(layer, (torch.randn(2, 4, 3),), chip=chip, options=options)
        found.append(cost(chip, program.workload(), "1-phase").interval_ps // 1000)
    assert found == [4 * (5 + 100 + 8 * 2 + 50 + 60), 400]
