"""The signal chain against slow loops written from the same sentences.

Codes, weights and gains are small multiples of powers of two, so that both sum exactly.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hermes_sim.crossbar import (
    Converters,
    LayerArrays,
    RowBlock,
    asymmetry_of,
    core_counts,
    four_phases,
    input_codes,
    layer_mvm,
    output_code,
    safe_norm,
    stop_phases,
    wire_drop,
)

FREE = Converters(
    input_levels=127,
    output_levels=127,
    phase_limit=1e9,
    counter_limit=1e9,
    counting="round",
    counted="line",
    rounding="truncate",
    asymmetry=0.0,
    four_phase=True,
)
WHOLE: dict[str, Callable[[float], float]] = {
    "round": lambda c: float(round(c)),
    "floor": math.floor,
    "truncate": math.trunc,
}
NARROW = replace(FREE, phase_limit=60.0, counter_limit=90.0)


def silent(_: int, __: int, out: Tensor) -> Tensor:
    return out.zero_()


def stage_of(pair: Tensor, converters: Converters = FREE, start: int = 0, **more: Any) -> RowBlock:
    """A RowBlock of [polarity, rows, columns], whose counts go on as they are."""
    columns = pair.shape[2]
    made = RowBlock(
        rows=slice(start, start + pair.shape[1]),
        weights=pair[0] - pair[1],
        pair=pair,
        unit=1.0,
        gain=torch.ones(columns),
        zero=torch.zeros(columns),
        variance=None,
        white=None,
        safe_norm=safe_norm(converters, pair, 1.0),
        scale=torch.ones(columns),
        offset=torch.zeros(columns),
        carry=0.0,
    )
    made = replace(made, **more)
    return replace(made, weights=(pair[0] - pair[1]) * made.unit * made.gain)


def signed(weights: Tensor) -> Tensor:
    """g+ and g-, one of them zero."""
    return torch.stack([weights.clamp(min=0), (-weights).clamp(min=0)])


def drawn(seed: int, rows: int, columns: int, vectors: int) -> tuple[Tensor, Tensor]:
    """A pair with both devices on, in quarters, and codes."""
    draw = torch.Generator().manual_seed(seed)
    pair = torch.randint(0, 9, (2, rows, columns), generator=draw) / 4
    return pair, torch.randint(-7, 8, (vectors, rows), generator=draw).float()


def slow_counts(c: Converters, s: RowBlock, vector: list[float], column: int) -> float:
    """One vector and one line: each phase is summed and stopped, then each counter."""

    def phase(sign: int, polarity: int) -> float:
        on = [max(sign * code, 0.0) for code in vector]
        cells = s.pair[polarity, :, column].tolist()
        current = sum(code * g for code, g in zip(on, cells, strict=True)) * s.unit
        return min(current, c.phase_limit)

    positive = min(phase(1, 0) + phase(-1, 1), c.counter_limit)
    negative = min(phase(1, 1) + phase(-1, 0), c.counter_limit)
    counts = float(s.zero[column]) + (positive - negative) * float(s.gain[column])
    return WHOLE[c.counting](counts) if c.counting else counts


def slow_apart(c: Converters, s: RowBlock, vector: list[float], column: int) -> float:
    """The same where each counter or each phase becomes whole for itself."""
    whole, part = WHOLE[c.counting or "round"], float(s.zero[column]) / (4 if c.four_phase else 2)

    def counter(way: int) -> float:
        phases = []
        for sign, polarity in ((1, 0), (-1, 1)) if way > 0 else ((1, 1), (-1, 0)):
            on = [max(sign * code, 0.0) for code in vector]
            cells = s.pair[polarity, :, column].tolist()
            current = sum(code * g for code, g in zip(on, cells, strict=True)) * s.unit
            phases.append(min(current, c.phase_limit))
        phases = phases if c.four_phase else [sum(phases)]
        read = [max(p * float(s.gain[column]) + way * part, 0.0) for p in phases]
        if c.counted == "phase":
            read = [whole(r) for r in read]
        return min(whole(sum(read)), c.counter_limit)

    return counter(1) - counter(-1)


def slow_all(c: Converters, s: RowBlock, codes: Tensor) -> list[list[float]]:
    columns = range(s.pair.shape[2])
    return [[slow_counts(c, s, v, column) for column in columns] for v in codes.tolist()]


@pytest.mark.parametrize("rounding", list(WHOLE))
@pytest.mark.parametrize("each", ["counter", "phase"])
@pytest.mark.parametrize("four_phase", [True, False])
def test_counters_and_phases_become_whole_for_themselves(
    rounding: str, each: str, four_phase: bool
) -> None:
    converters = replace(NARROW, counting=rounding, counted=each, four_phase=four_phase)
    pair, codes = drawn(3, rows=8, columns=5, vectors=12)
    gain = torch.tensor([1.0, 0.75, 1.25, 0.5, 1.5])
    zero = torch.tensor([0.0, 1.0, -2.0, 0.25, -0.25])
    stage = stage_of(pair, converters, unit=2.0, gain=gain, zero=zero)
    found = core_counts(converters, stage, codes, silent).tolist()
    wanted = [[slow_apart(converters, stage, v, c) for c in range(5)] for v in codes.tolist()]
    assert found == wanted
    assert all(float(value).is_integer() for line in found for value in line)


def test_a_line_counts_as_its_rounding_says() -> None:
    pair, codes = drawn(4, rows=8, columns=5, vectors=12)
    for rounding in WHOLE:
        converters = replace(FREE, counting=rounding)
        stage = stage_of(pair, converters, zero=torch.full((5,), 0.4))
        found = core_counts(converters, stage, codes, silent)
        assert found.tolist() == slow_all(converters, stage, codes)


@pytest.mark.parametrize("converters", [FREE, NARROW, replace(NARROW, counting=None)])
@pytest.mark.parametrize("seed", range(5))
def test_counts_equal_a_loop_over_phases(converters: Converters, seed: int) -> None:
    pair, codes = drawn(seed, rows=8, columns=5, vectors=12)
    gain = torch.tensor([1.0, 0.75, 1.25, 0.5, 1.5])
    zero = torch.tensor([0.0, 1.0, -2.0, 0.25, -0.25])
    stage = stage_of(pair, converters, unit=2.0, gain=gain, zero=zero)
    stage = replace(stage, safe_norm=safe_norm(converters, pair, 2.0))
    counts = core_counts(converters, stage, codes, silent)
    assert counts.tolist() == slow_all(converters, stage, codes)


def test_the_loop_meets_saturated_and_free_vectors() -> None:
    pair, codes = drawn(0, rows=8, columns=5, vectors=12)
    stage = stage_of(pair, NARROW, unit=2.0)
    stopped = torch.tensor(slow_all(NARROW, stage, codes)) != torch.tensor(
        slow_all(FREE, stage, codes)
    )
    assert 0 < int(stopped.any(1).sum()) < len(codes)


def test_each_phase_stops_by_itself() -> None:
    pair = torch.tensor([[[1.0], [0.0]], [[0.0], [1.0]]])  # one column: g+ = (1, 0), g- = (0, 1)
    codes = torch.tensor([[100.0, 100.0], [100.0, -100.0], [10.0, 10.0]])
    net = four_phases(replace(FREE, phase_limit=60.0), codes, pair)
    # +100 x g+ stops at 60, +100 x g- stops at 60; -100 x g- adds to the positive counter
    assert net.flatten().tolist() == [0.0, 120.0, 0.0]


def test_a_counter_stops_at_its_last_count() -> None:
    pair = torch.tensor([[[1.0], [0.0]], [[0.0], [1.0]]])
    net = four_phases(replace(FREE, counter_limit=150.0), torch.tensor([[100.0, -100.0]]), pair)
    assert net.item() == 150.0  # two phases of 100 in one counter


CELLS = st.integers(0, 4).map(float)
CASES = st.integers(1, 5).flatmap(
    lambda rows: st.tuples(
        st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=rows, max_size=rows),
        st.lists(
            st.lists(st.integers(-7, 7).map(float), min_size=rows, max_size=rows),
            min_size=1,
            max_size=6,
        ),
    )
)
LIMITS = st.tuples(st.integers(1, 150).map(float), st.integers(1, 300).map(float))


def limited(limits: tuple[float, float]) -> Converters:
    return replace(FREE, input_levels=7, phase_limit=limits[0], counter_limit=limits[1])


@given(CASES, LIMITS)
def test_no_vector_that_saturates_is_missed(
    case: tuple[list[list[float]], list[list[float]]], limits: tuple[float, float]
) -> None:
    cells, codes = torch.tensor(case[0]), torch.tensor(case[1])
    pair = torch.stack([cells[:, :2], cells[:, 2:]])
    converters = limited(limits)
    stage = stage_of(pair, converters)
    counts = codes @ stage.weights
    stop_phases(converters, stage, codes, counts)
    assert counts.tolist() == four_phases(converters, codes, pair).tolist()


@given(CASES, LIMITS)
def test_inputs_within_the_safe_norm_saturate_nothing(
    case: tuple[list[list[float]], list[list[float]]], limits: tuple[float, float]
) -> None:
    cells, codes = torch.tensor(case[0]), torch.tensor(case[1])
    pair = torch.stack([cells[:, :2], cells[:, 2:]])
    converters = limited(limits)
    safe = safe_norm(converters, pair, 1.0)
    for vector in codes:
        norm = max(float(vector.clamp(min=0).norm()), float(vector.clamp(max=0).norm()))
        # the longest vector of that direction that is called safe, and that codes can be
        factor = min(safe / norm if norm else 1.0, 7 / float(vector.abs().max().clamp(min=1e-9)))
        longest = (vector * factor * (1 - 1e-6))[None]
        free = four_phases(replace(converters, phase_limit=1e9, counter_limit=1e9), longest, pair)
        torch.testing.assert_close(four_phases(converters, longest, pair), free)


def test_a_small_enough_array_needs_no_test_for_saturation() -> None:
    pair = torch.ones(2, 10, 3)  # 10 x 7 in a phase, twice that in a counter
    assert safe_norm(limited((70.0, 140.0)), pair, 1.0) == float("inf")
    assert safe_norm(limited((69.0, 140.0)), pair, 1.0) < float("inf")
    assert safe_norm(limited((70.0, 139.0)), pair, 1.0) < float("inf")
    assert safe_norm(limited((1.0, 1.0)), torch.zeros(2, 10, 3), 1.0) == float("inf")


def test_one_phase_reads_stop_at_the_net_current() -> None:
    one_phase = replace(FREE, four_phase=False, phase_limit=50.0)
    pair = signed(torch.tensor([[1.0, -1.0, 0.5], [0.25, 0.0, 0.0]]))
    codes = torch.tensor([[70.0, 0.0], [40.0, 4.0]])
    got = core_counts(one_phase, stage_of(pair, one_phase), codes, silent)
    assert got.tolist() == [[50.0, -50.0, 35.0], [41.0, -40.0, 20.0]]


def test_one_phase_reads_have_a_polarity_asymmetry() -> None:
    uneven = replace(FREE, four_phase=False, asymmetry=0.5)
    codes = torch.tensor([[100.0], [-100.0]])
    up, down = core_counts(uneven, stage_of(signed(torch.ones(1, 1))), codes, silent).flatten()
    assert (up.item(), down.item()) == (150.0, -100.0)
    assert asymmetry_of("4-phase", 0.02) == 0.0
    assert asymmetry_of("1-phase", 0.02) == 0.02


def test_inputs_become_signed_codes_and_clip() -> None:
    x = torch.tensor([[0.0, 0.5, 1.0, -1.0, 3.0, -0.003]])
    codes = input_codes(FREE, 127.0, x, torch.empty(1, 6))
    assert codes.tolist() == [[0, 64, 127, -127, 127, 0]]
    exact = input_codes(replace(FREE, input_levels=None), 127.0, x, torch.empty(1, 6))
    assert exact.flatten().tolist() == pytest.approx([0, 63.5, 127, -127, 381, -0.381])


VALUES = (0.9, -0.9, 1.6, -1.6, 1000.0, -1000.0)


@pytest.mark.parametrize(
    ("rounding", "relu", "wanted"),
    [
        ("truncate", False, [0, 0, 1, -1, 127, -127]),
        ("nearest", False, [1, -1, 2, -2, 127, -127]),
        (None, False, list(VALUES)),
        ("truncate", True, [0, 0, 1, 0, 127, 0]),
        ("nearest", True, [1, 0, 2, 0, 127, 0]),
        (None, True, [0.9, 0, 1.6, 0, 1000.0, 0]),
    ],
)
def test_the_output_word(rounding: str | None, relu: bool, wanted: list[float]) -> None:
    code = output_code(replace(FREE, rounding=rounding), torch.tensor(VALUES), relu=relu)
    assert code.tolist() == pytest.approx(wanted)


def slow_layer(layer: LayerArrays, x: list[float], columns: int) -> list[float]:
    """One input vector through the cascade, column by column, in words."""
    c = layer.converters
    assert c.input_levels is not None
    codes = [max(-c.input_levels, min(c.input_levels, round(v * layer.input_scale))) for v in x]
    result = []
    for column in range(columns):
        code = 0.0
        for index, s in enumerate(layer.stages):
            counts = slow_counts(c, s, [float(v) for v in codes[s.rows]], column)
            value = counts * float(s.scale[column]) + float(s.offset[column]) + s.carry * code
            if index == len(layer.stages) - 1 and layer.relu:
                value = max(value, 0.0)
            code = max(-c.output_levels, min(c.output_levels, int(value)))  # toward zero
        result.append(code * float(layer.output_step[0]))
    return result


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("converters", [FREE, NARROW, replace(FREE, output_levels=10)])
def test_a_cascade_carries_the_code_of_the_stage_before(converters: Converters, relu: bool) -> None:
    pair, codes = drawn(3, rows=9, columns=4, vectors=20)
    draw = torch.Generator().manual_seed(4)
    stages = []
    for index, rows in enumerate((slice(0, 2), slice(2, 5), slice(5, 9))):
        scale, offset = torch.randint(1, 9, (2, 4), generator=draw) / 8
        carry = 0.0 if index == 0 else 0.25 * (index + 1)
        stages.append(
            stage_of(
                pair[:, rows], converters, rows.start, scale=scale, offset=offset - 0.5, carry=carry
            )
        )
    layer = LayerArrays(converters, 0.5, tuple(stages), torch.full((4,), 0.25), relu)
    wanted = [slow_layer(layer, x, 4) for x in (2 * codes).tolist()]
    assert layer_mvm(layer, 2 * codes, silent).tolist() == wanted
    assert any(v < 0 for row in wanted for v in row) != relu


def normal(_: int, __: int, out: Tensor) -> Tensor:
    return out.normal_(generator=torch.Generator().manual_seed(0))


UNROUNDED = replace(FREE, counting=None)


def test_read_noise_has_the_variance_of_its_devices() -> None:
    variance = torch.tensor([[9.0], [9.0], [4.0], [1.0]])
    noisy = stage_of(torch.zeros(2, 4, 1), variance=variance)
    codes = torch.tensor([[1.0, -1.0, 2.0, 0.0]]).expand(20000, 4).contiguous()
    counts = core_counts(UNROUNDED, noisy, codes, normal)
    assert counts.std().item() == pytest.approx((9 + 9 + 4 * 4) ** 0.5, rel=0.03)


@pytest.mark.parametrize("read_variance", [None, 9.0])
def test_white_noise_adds_to_the_read_noise(read_variance: float | None) -> None:
    variance = None if read_variance is None else torch.full((1, 2), read_variance)
    noisy = stage_of(torch.zeros(2, 1, 2), variance=variance, white=torch.tensor([16.0, 0.0]))
    counts = core_counts(UNROUNDED, noisy, torch.ones(20000, 1), normal)
    own = read_variance or 0.0
    wanted = [(own + 16) ** 0.5, own**0.5]
    assert counts.std(0).tolist() == pytest.approx(wanted, rel=0.03)


def test_each_stage_has_noise_of_its_own_and_each_vector_too() -> None:
    """Noise that says where it is meant for: 1000 x stage + a number for each value."""

    def numbered(stage: int, first: int, out: Tensor) -> Tensor:
        place = torch.arange(out.numel()).view(out.shape) + first * out.shape[1]
        return out.copy_(place + 1000.0 * stage)

    wide = replace(UNROUNDED, rounding=None, output_levels=10**9)
    stages = [
        stage_of(torch.zeros(2, 1, 3), start=i, variance=torch.ones(1, 3), carry=0.5)
        for i in range(2)
    ]
    layer = LayerArrays(wide, 1.0, tuple(stages), torch.ones(3), False)
    y = layer_mvm(layer, torch.ones(5, 2), numbered)
    assert y.flatten().tolist() == [1000.0 + 1.5 * i for i in range(15)]


def test_many_vectors_give_what_each_gives_alone() -> None:
    pair, codes = drawn(5, rows=6, columns=5000, vectors=70)
    stages = tuple(
        stage_of(pair[:, r], NARROW, r.start, carry=0.5) for r in (slice(0, 4), slice(4, 6))
    )
    layer = LayerArrays(NARROW, 1.0, stages, torch.ones(5000), False)
    together = layer_mvm(layer, codes, silent)
    alone = torch.cat([layer_mvm(layer, vector[None], silent) for vector in codes])
    assert torch.equal(together, alone)
    assert layer_mvm(layer, codes[:0], silent).shape == (0, 5000)


@pytest.mark.parametrize("seed", range(3))
def test_wire_drop_equals_a_direct_sum_over_segments(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    g = torch.rand(2, 6, 3, generator=draw) * 2e-5
    duty = torch.rand(6, generator=draw)
    ohm = 200.0
    dropped = g * wire_drop(g, duty, ohm)
    for polarity in range(2):
        for column in range(3):
            for cell in range(6):
                lost = 0.0
                for segment in range(cell + 1):  # between the converter and the cell
                    for beyond in range(segment, 6):  # whose current flows through it
                        lost += ohm * float(g[polarity, beyond, column] * duty[beyond])
                wanted = float(g[polarity, cell, column]) * (1 - lost)
                assert float(dropped[polarity, cell, column]) == pytest.approx(wanted, rel=1e-4)


def test_wire_drop_is_the_first_order_of_kirchhoffs_laws() -> None:
    """The network solved whole: node i takes (V - u_i) g_i from its cell; one end is at 0 V."""
    cells, ohm = 40, 10.0
    g = torch.rand(cells, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2e-5
    segment = 1 / ohm
    laws = torch.zeros(cells, cells, dtype=torch.float64)
    for i in range(cells):
        laws[i, i] = g[i] + segment + (segment if i < cells - 1 else 0)
        if i > 0:
            laws[i, i - 1] = laws[i - 1, i] = -segment
    current = (1 - torch.linalg.solve(laws, g)) * g
    pair = g.float()[None, :, None].expand(2, cells, 1)
    dropped = (pair * wire_drop(pair, torch.ones(cells), ohm))[0, :, 0].double()
    lost = float((1 - current / g).max())
    assert lost > 0.05
    assert float((dropped / current - 1).abs().max()) < lost**2


def test_without_resistance_nothing_drops() -> None:
    g = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0)) * 1e-5
    whole = torch.ones_like(g)
    assert torch.equal(wire_drop(g, torch.ones(5), 0.0), whole)
    assert torch.equal(wire_drop(g, torch.zeros(5), 10.0), whole)
