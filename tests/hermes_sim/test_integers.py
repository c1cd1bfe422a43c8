"""Layers in whole numbers: against loops in words, the signal chain in FP32, and the kernel."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hermes_sim import crossbar, integers
from hermes_sim.crossbar import Converters, LayerArrays, RowBlock, safe_norm
from hermes_sim.integers import IntegerBlock, IntegerLayer, TorchLayer, integer_layer, squared
from hermes_sim.kernel.layer import KernelLayer
from hermes_sim.kernel.load import Kernel, load
from hermes_sim.layers import runner
from hermes_sim.moved import moved
from hermes_sim.noise import ReadNoise, normals, row_keys
from hermesrt.native.build import INSTRUCTIONS, runs
from hermesrt.reads import mix, numbered

FREE = Converters(
    input_levels=127,
    output_levels=127,
    phase_limit=float("inf"),
    counter_limit=float("inf"),
    counting="round",
    counted="line",
    rounding="truncate",
    asymmetry=0.0,
    four_phase=True,
)
STOPPED = replace(FREE, phase_limit=300.0, counter_limit=520.0)
ONE_PHASE = replace(STOPPED, four_phase=False, asymmetry=0.03)
STREAMS = (11, 22, 33)


def arrays(
    converters: Converters, sizes: tuple[int, ...], columns: int, **more: Any
) -> LayerArrays:
    """A layer of row blocks of those sizes, with everything in it."""
    draw = torch.Generator().manual_seed(sum(sizes) + columns)
    stages, start = [], 0
    for index, rows in enumerate(sizes):
        pair = torch.randn(2, rows, columns, generator=draw).abs() * 1e-5
        pair[0] *= torch.rand(rows, columns, generator=draw) < 0.5
        pair[:, :, -1] = 0  # a column without weights
        gain = 1 + 0.03 * torch.randn(columns, generator=draw)
        unit, scale = 2e6 / rows, 0.8 + 0.4 * torch.rand(columns, generator=draw)
        stage = RowBlock(
            rows=slice(start, start + rows),
            weights=(pair[0] - pair[1]) * unit * gain,
            pair=pair,
            unit=unit,
            gain=gain,
            zero=torch.randn(columns, generator=draw),
            variance=torch.rand(rows, columns, generator=draw) * 2e-4,
            white=torch.rand(columns, generator=draw),
            safe_norm=safe_norm(converters, pair, unit),
            scale=scale * 0.2,
            offset=torch.randn(columns, generator=draw),
            carry=0.0 if index == 0 else 0.7,
        )
        stages.append(replace(stage, **more))
        start += rows
    steps = 0.125 + torch.arange(columns) / 64
    return LayerArrays(converters, 60.0, tuple(stages), steps, False)


def inputs(rows: int, columns: int) -> Tensor:
    """Of all sizes: small and large ones, zeros, one-hot, saturating ones."""
    x = torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))
    x[1::7] *= 0.02
    x[2::7] = x[2::7].sign() * 3
    x[3::7] = 3.0
    x[4::7] = torch.eye(columns)[torch.arange(len(x[4::7])) % columns]
    x[5::7] = 0.0
    return x


def torch_run(layer: LayerArrays, x: Tensor, reads: Any = None) -> Tensor:
    reads = mix(numbered(len(x))) if reads is None else reads
    return TorchLayer.of(integer_layer(layer))(x, ReadNoise(STREAMS, reads))


# Whole numbers


def test_conductances_are_rounded_to_15_bits_of_their_column() -> None:
    stage = arrays(FREE, (40,), 9).stages[0]
    block = integers.integer_block(FREE, stage)
    counts = stage.pair.double() * stage.unit * stage.gain
    found = torch.stack([block.plus, block.minus]) * block.count.double()
    steps = (counts - found).abs() / block.count
    assert steps[..., :-1].max().item() <= 0.51
    assert int(torch.stack([block.plus, block.minus]).amax((0, 1))[:-1].min()) == 2**15 - 1
    assert not bool(block.plus[:, -1].any())


def test_variances_are_rounded_with_what_is_lost_carried_down() -> None:
    stage = arrays(FREE, (200,), 9).stages[0]
    block = integers.integer_block(FREE, stage)
    assert stage.variance is not None and block.read is not None
    exact = stage.variance.double() / block.read_step
    assert int(block.read.max()) <= 127
    assert (block.read - exact).abs().max().item() <= 1.01
    assert (block.read.double().cumsum(0) - exact.cumsum(0)).abs().max().item() <= 0.51


def test_a_few_tiny_variances_beside_a_large_one_are_not_lost() -> None:
    variance = torch.full((256, 1), 1e-3)
    variance[0] = 1.0
    stage = replace(arrays(FREE, (256,), 1).stages[0], variance=variance)
    block = integers.integer_block(FREE, stage)
    assert block.read is not None
    found = block.read.double().sum() * block.read_step
    assert found.item() == pytest.approx(variance.sum().item(), rel=0.01)


def slow_squares(codes: list[int]) -> tuple[list[int], int]:
    """In words: floor((c^2 + a share of a step) / step)."""
    largest = max(c * c for c in codes)
    step = max(1, -(-largest // 127))
    shares = [(i * 40503 % 2**16) * step // 2**16 for i in range(len(codes))]
    return [(c * c + s) // step for c, s in zip(codes, shares, strict=True)], step


@pytest.mark.parametrize("most", [*range(1, 30), 64, 90, 126, 127])
def test_squares_are_those_of_a_division_in_words(most: int) -> None:
    codes = torch.randint(-most, most + 1, (20, 256), generator=torch.Generator().manual_seed(most))
    found, steps = squared(codes.float())
    for row, squares, step in zip(
        codes.tolist(), found.tolist(), steps[:, 0].tolist(), strict=True
    ):
        assert slow_squares(row) == (squares, step)
        assert max(squares) <= 127


@pytest.mark.parametrize("kind", ["Gaussian", "uniform", "one-hot", "small", "one large"])
def test_squares_in_steps_keep_the_variance(kind: str) -> None:
    """The mean of the noise's deviation within 0.2 %, each within 1.2 %; within 20 % where all but
    one input are 25 times smaller than that one, and the noise a hundredth of a count."""
    draw = torch.Generator().manual_seed(0)
    codes = torch.randn(500, 256, generator=draw).mul(30).round().clamp(-127, 127)
    match kind:
        case "uniform":
            codes = torch.randint(-127, 128, (500, 256), generator=draw).float()
        case "one-hot":
            codes = torch.eye(256)[torch.arange(500) % 256] * torch.arange(500)[:, None].fmod(127)
        case "small":
            codes = torch.randint(-4, 5, (500, 256), generator=draw).float()
        case "one large":
            codes = torch.randint(-5, 6, (500, 256), generator=draw).float()
            codes[:, 17] = 127
    variance = torch.rand(256, 20, generator=draw)
    squares, step = squared(codes)
    exact = codes.double().square() @ variance.double()
    there = exact > 0
    ratio = ((squares @ variance * step).double()[there] / exact[there]).sqrt()
    assert ratio.mean().item() == pytest.approx(1, abs=2e-3)
    assert (ratio - 1).abs().max().item() < (0.2 if kind == "one large" else 0.012)


# Against a loop in words


def slow_block(c: Converters, b: IntegerBlock, codes: list[int], column: int) -> np.float32:
    """Counts of a vector and a column without noise: whole numbers, then FP32 step by step."""

    def phase(sign: int, line: Tensor) -> int:
        cells = line[:, column].tolist()
        total = sum(max(sign * code, 0) * g for code, g in zip(codes, cells, strict=True))
        return min(total, int(b.phase[column])) if c.four_phase else total

    up_plus, up_minus, down_plus, down_minus = (
        phase(s, g) for s, g in product((1, -1), (b.plus, b.minus))
    )
    most = int(b.counter[column]) if c.four_phase else 2**62
    total = np.float32(min(up_plus + down_minus, most) - min(up_minus + down_plus, most))
    if c.asymmetry:
        total = total + np.float32(up_plus - up_minus) * np.float32(c.asymmetry)
    counts = total * b.count.numpy()[column] + b.zero.numpy()[column]
    if not c.four_phase:
        limit = np.float32(min(c.phase_limit, c.counter_limit))
        counts = np.clip(counts, -limit, limit)
    whole = {"round": np.round, "floor": np.floor, "truncate": np.trunc}
    return counts if c.counting is None else np.float32(whole[c.counting](counts))


def slow(layer: IntegerLayer, x: list[float], column: int) -> float:
    """One vector and one column through the cascade, without noise."""
    c = layer.converters
    scaled = [np.float32(v) * np.float32(layer.input_scale) for v in x]
    codes = [int(np.clip(np.round(v), -127, 127)) for v in scaled]
    before = None
    for index, b in enumerate(layer.blocks):
        value = slow_block(c, b, codes[b.rows], column) * b.scale.numpy()[column]
        value = value + b.offset.numpy()[column]
        if before is not None:
            value = value + before * np.float32(b.carry)
        last = layer.relu and index == len(layer.blocks) - 1
        if c.rounding is not None:
            value = np.clip(value, np.float32(-c.output_levels), np.float32(c.output_levels))
            value = np.trunc(value) if c.rounding == "truncate" else np.round(value)
        before = np.maximum(value, np.float32(0)) if last else value
    assert before is not None
    return float(before * layer.output_step.numpy()[column])


CASES = {
    "four phases": STOPPED,
    "one phase": ONE_PHASE,
    "one phase without asymmetry": replace(ONE_PHASE, asymmetry=0.0),
    "no saturation": FREE,
    "no count code": replace(STOPPED, counting=None),
    "counts down": replace(STOPPED, counting="floor"),
    "counts toward zero": replace(STOPPED, counting="truncate"),
    "no output code": replace(STOPPED, rounding=None),
    "nearest": replace(STOPPED, rounding="nearest"),
    "few levels": replace(STOPPED, input_levels=7, output_levels=15),
}


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_outputs_without_noise_are_those_of_a_loop_in_words(case: str, relu: bool) -> None:
    converters = CASES[case]
    layer = replace(arrays(converters, (13, 20), 5, variance=None, white=None), relu=relu)
    x = inputs(28, 33)
    levels = converters.input_levels or 0
    if levels != 127:
        x = x.clamp(-levels / 60.0, levels / 60.0)
    whole = integer_layer(layer)
    wanted = [[slow(whole, row, column) for column in range(5)] for row in x.tolist()]
    assert torch_run(layer, x).tolist() == wanted


def test_the_loop_meets_saturated_and_free_columns() -> None:
    x = inputs(28, 33)
    stopped, free = (
        torch_run(arrays(c, (13, 20), 5, variance=None, white=None), x) for c in (STOPPED, FREE)
    )
    assert 0.1 < (stopped != free).float().mean().item() < 0.9


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_those_in_fp32_but_for_ties(case: str) -> None:
    layer = arrays(CASES[case], (100, 90), 60)
    x, reads = inputs(210, 190), mix(numbered(210))
    whole = torch_run(layer, x, reads)
    single = crossbar.layer_mvm(layer, x, ReadNoise(STREAMS, reads))
    apart = (whole - single).abs() / layer.output_step
    assert (apart > 0.05).float().mean().item() < 0.02
    assert apart.mean().item() < 0.02


# The kernel


@pytest.fixture(params=list(INSTRUCTIONS))
def kernel(request: pytest.FixtureRequest) -> Kernel:
    if not runs(request.param):
        pytest.skip(f"the processor has no {request.param}")
    found = load(request.param)
    if found is None:
        pytest.skip("there is no C compiler")
    return found


def same(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.nan_to_num(1e30), b.nan_to_num(1e30))


@pytest.mark.parametrize("noise", ["none", "read", "white", "both"])
@pytest.mark.parametrize("case", CASES)
def test_the_kernel_has_the_bits_of_torch(kernel: Kernel, case: str, noise: str) -> None:
    off: dict[str, Any] = {"none": {"variance": None, "white": None}, "read": {"white": None},
                           "white": {"variance": None}, "both": {}}[noise]  # fmt: skip
    for sizes, columns in (((256, 130, 77), 50), ((5,), 3), ((31, 1), 16), ((516,), 33)):
        for relu in (False, True):
            layer = replace(arrays(CASES[case], sizes, columns, **off), relu=relu)
            x = inputs(131, sum(sizes))
            x[9, 0], x[10, -1], x[11, 0] = torch.nan, torch.nan, torch.inf
            reads = mix(numbered(131))
            run = KernelLayer(kernel, integer_layer(layer), STREAMS[: len(sizes)])
            assert same(run(x, reads), torch_run(layer, x, reads)), (sizes, relu)


def test_normal_numbers_of_the_kernel_are_those_of_torch(kernel: Kernel) -> None:
    reads = mix(numbered(40))
    for columns in (1, 8, 16, 77):
        wanted = normals(*row_keys(5, reads), torch.empty(40, columns))
        assert torch.equal(kernel.normals(5, reads, torch.empty(40, columns)), wanted)


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("compiled", [True, False])
def test_threads_splits_and_orders_change_no_bit(compiled: bool) -> None:
    layer, x, reads = arrays(STOPPED, (256, 130), 200), inputs(500, 386), mix(numbered(500))
    found = next((load(name) for name in INSTRUCTIONS if runs(name)), None)
    run = runner(layer, STREAMS[:2], found if compiled else None)
    whole = run(x, reads)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    assert torch.equal(run(x[order], reads[order.numpy()]), whole[order])
    for part in (1, 7, 96, 97, 333):
        parts = [run(x[i : i + part], reads[i : i + part]) for i in range(0, 500, part)]
        assert torch.equal(torch.cat(parts), whole)
    torch.set_num_threads(3)
    assert torch.equal(run(x, reads), whole)


def test_no_vectors_have_no_outputs(kernel: Kernel) -> None:
    layer = arrays(FREE, (8,), 3)
    x = torch.empty(0, 8)
    for run in (runner(layer, STREAMS[:1], k) for k in (kernel, None)):
        assert run(x, numbered(0)).shape == (0, 3)


def test_layers_that_are_not_in_whole_numbers_run_in_fp32(kernel: Kernel) -> None:
    wide = arrays(FREE, (600,), 4)
    exact = arrays(replace(FREE, input_levels=None), (20,), 4)
    fine = arrays(replace(FREE, input_levels=511), (20,), 4)
    apart = arrays(replace(FREE, counted="counter"), (20,), 4)
    for layer in (wide, exact, fine, apart):
        x, reads = inputs(20, layer.stages[0].rows.stop), numbered(20)
        run = runner(layer, STREAMS[:1], kernel)
        assert not isinstance(run, KernelLayer)
        wanted = crossbar.layer_mvm(layer, x, ReadNoise(STREAMS[:1], reads))
        assert torch.equal(run(x, reads), wanted)


# The noise of a layer against its equations


@pytest.mark.parametrize("compiled", [True, False])
def test_the_noise_of_outputs_has_the_mean_and_variance_of_its_equations(compiled: bool) -> None:
    """counts = sum + zero + normal sqrt(c^2 V + white), of reads, rows, columns and stages."""
    found = next((load(name) for name in INSTRUCTIONS if runs(name)), None)
    bare = replace(FREE, counting=None, rounding=None)
    layer = replace(arrays(bare, (256,), 40), output_step=torch.ones(40))
    run = runner(layer, STREAMS[:1], found if compiled else None)
    stage, reads = layer.stages[0], mix(numbered(20_000))
    assert stage.variance is not None and stage.white is not None
    x = inputs(8, 256)
    for row in x:
        codes = (row * layer.input_scale).round().clamp(-127, 127)
        y = (run(row.expand(20_000, -1), reads) - stage.offset) / stage.scale
        spread = (codes.square() @ stage.variance + stage.white).sqrt()
        z = (y - codes @ stage.weights - stage.zero) / spread
        assert z.mean(0).abs().max().item() < 4.5 / 20_000**0.5
        assert z.std(0).sub(1).abs().max().item() < 4.5 / 40_000**0.5 + 0.01
        assert z.std().item() == pytest.approx(1, abs=0.006)
        correlation = torch.corrcoef(z.T) - torch.eye(40)
        assert correlation.abs().max().item() < 5 / 20_000**0.5


@pytest.mark.parametrize("whole", [True, False])
def test_a_layer_elsewhere_leaves_nothing_on_the_processor(whole: bool) -> None:
    """On torch's meta device no number can be looked at, and no tensor of another one taken."""
    layer, place = arrays(FREE, (30, 20), 24), torch.device("meta")
    noise, x = ReadNoise(STREAMS, numbered(7)), torch.empty(7, 50, device=place)
    if whole:
        found = moved(TorchLayer.of(integer_layer(layer)), place)(x, noise)
    else:
        found = crossbar.layer_mvm(moved(layer, place), x, noise)
    assert found.device == place
    assert found.shape == (7, 24)
    with pytest.raises(RuntimeError, match="meta"):
        x + torch.ones(7, 50)  # as it would be with a tensor left behind
