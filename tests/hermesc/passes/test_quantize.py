"""Ranges and conductances against hand computed numbers and a slow reference."""

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesc.ir.interpret import interpret
from hermesc.ir.text import stage_text
from hermesc.ir.verify import verify_quantized
from hermesc.passes import quantize as module
from hermesc.passes.quantize import QuantizeOptions, quantize
from hermesrt.errors import ModelError


@pytest.fixture(scope="session")
def quantized_of(mvm_graph, tiled_of):
    """One matrix, cut for the chip and calibrated on x."""

    def make(chip, matrix, x, rows_independent=True, extra=None, options=None, **changes):
        partitioned, weights = mvm_graph(matrix, **changes)
        weights = weights | (extra or {})
        tiled = tiled_of(partitioned, weights, chip)
        quantized = quantize(
            tiled, weights, {"x0": x}, rows_independent, chip, options or QuantizeOptions()
        )
        verify_quantized(quantized, chip)
        return quantized

    return make


def test_golden(stages, golden):
    golden("quantize.txt", stage_text(stages["quantize"]))


def test_golden_codes(stages, golden):
    quantized = stages["quantize"]
    lines = []
    for ranges, codes in zip(quantized.ranges, quantized.vectors, strict=True):
        lines += [ranges.mvm, *(" ".join(map(str, row)) for row in codes.tolist())]
    golden("codes.txt", "\n".join([*lines, *quantized.notes]) + "\n")


@pytest.mark.parametrize(("rows", "runs"), [(2, 1), (1024, 1), (1025, 4)])
def test_rows_that_are_run_together_are_run_once(rows, runs, chip, quantized_of, monkeypatch):
    ran = []

    def counted(*arguments):
        ran.append(arguments)
        return interpret(*arguments)

    monkeypatch.setattr(module, "interpret", counted)
    quantized_of(chip, torch.randn(5, 3), torch.randn(rows, 5))
    assert len(ran) == runs


def test_ranges_are_the_largest_input_and_partial_sums(chip_with, quantized_of):
    chip = chip_with(crossbar_rows=2)
    matrix = torch.tensor([[1.0, -2.0], [3.0, 4.0], [5.0, 6.0], [-7.0, 8.0]])
    x = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, -2.0, 0.5, -3.0]])
    # after rows 0-1: [1, -2] and [-5, -10]; after all rows: [1, -2] and [18.5, -31]
    (ranges,) = quantized_of(chip, matrix, x).ranges
    assert ranges.input_max == 3.0
    assert ranges.output_max == (10.0, 31.0)


def test_the_last_range_holds_scale_bias_and_relu(chip_with, quantized_of):
    chip = chip_with(crossbar_rows=1)
    matrix = torch.tensor([[1.0, 2.0], [1.0, -1.0]])
    extra = {"s": torch.tensor([2.0, 10.0]), "b": torch.tensor([1.0, -100.0])}
    made = quantized_of(
        chip, matrix, torch.tensor([[3.0, 4.0]]), extra=extra, scale="s", bias="b", relu=True
    )
    # row 0 scaled: [6, 60]; both: [14, 20]; with bias and relu: [15, 0]
    assert made.ranges[0].output_max == (60.0, 15.0)


def test_all_zero_inputs_get_ranges_above_zero(chip, quantized_of):
    (ranges,) = quantized_of(chip, torch.randn(5, 3), torch.zeros(4, 5)).ranges
    assert ranges.input_max == 1.0
    assert ranges.output_max == (1.0,)


def test_all_zero_weights_get_ranges_above_zero(chip, quantized_of):
    made = quantized_of(chip, torch.zeros(5, 3), torch.randn(4, 5))
    assert made.ranges[0].output_max == (1.0,)
    assert made.g_max_siemens == ((chip.pcm.g_max_siemens,),)


def test_g_max_is_the_devices_limit_for_few_inputs(chip, quantized_of):
    made = quantized_of(chip, torch.ones(8, 3), torch.ones(2, 8))
    assert made.g_max_siemens == ((chip.pcm.g_max_siemens,),)


def test_g_max_is_lowered_for_dense_positive_inputs(chip, quantized_of):
    made = quantized_of(chip, torch.ones(256, 3), torch.ones(2, 256))
    # 256 cells of g_max at 0.2 V must stay below 100 uA: 500 uS / 256
    assert made.g_max_siemens[0][0] == pytest.approx(100e-6 / 0.2 / 256)


def test_inputs_of_both_signs_load_a_line_with_each_sign_apart(chip, quantized_of):
    x = torch.cat([torch.ones(2, 128), -torch.ones(2, 128)], 1)
    made = quantized_of(chip, torch.ones(256, 3), x)
    assert made.g_max_siemens[0][0] == pytest.approx(100e-6 / 0.2 / 128)


def test_each_row_block_has_a_g_max_of_its_own(chip_with, quantized_of):
    chip = chip_with(crossbar_rows=128)
    x = torch.cat([torch.ones(1, 128), torch.zeros(1, 128)], 1)
    ((first, second),) = quantized_of(chip, torch.ones(256, 3), x).g_max_siemens
    assert first < second == chip.pcm.g_max_siemens


def _slow(matrix, x, ranges, chip):
    """Line by line: the largest sum of w / max|w_column| that inputs of one sign switch on."""
    limits = []
    largest = [max(abs(float(w)) for w in column) or 1.0 for column in matrix.T]
    for start, end in ranges:
        full = 0.0
        for row in x:
            for sign in (1, -1):
                on = [i for i in range(start, end) if float(row[i]) * sign > 0]
                for column in range(matrix.shape[1]):
                    for polarity in (1, -1):
                        cells = [float(matrix[i, column]) * polarity / largest[column] for i in on]
                        full = max(full, math.fsum(c for c in cells if c > 0))
        limit = chip.pcm.g_max_siemens
        limits.append(min(limit, chip.line_siemens / full) if full else limit)
    return limits


NUMBERS = st.integers(-3, 3).map(float)


@given(
    st.integers(1, 5).flatmap(
        lambda rows: st.tuples(
            st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=rows, max_size=rows),
            st.lists(st.lists(NUMBERS, min_size=rows, max_size=rows), min_size=1, max_size=3),
        )
    )
)
def test_ranges_and_g_max_equal_a_slow_reference(chip_with, quantized_of, case):
    chip = chip_with(crossbar_rows=2, adc_saturation_ampere=4e-6)
    matrix, x = torch.tensor(case[0]), torch.tensor(case[1])
    made = quantized_of(chip, matrix, x)
    ranges = made.tiled.matrices[0].row_ranges
    assert made.ranges[0].input_max == (float(x.abs().max()) or 1.0)
    sums = [float((x[:, :end] @ matrix[:end]).abs().max()) or 1.0 for _, end in ranges]
    assert list(made.ranges[0].output_max) == pytest.approx(sums)
    assert list(made.g_max_siemens[0]) == pytest.approx(_slow(matrix, x, ranges, chip))


def test_calibration_in_parts_equals_calibration_at_once(chip, quantized_of):
    torch.manual_seed(0)
    matrix, x = torch.randn(6, 4), torch.randn(2500, 6)
    assert (
        quantized_of(chip, matrix, x).ranges
        == quantized_of(chip, matrix, x, rows_independent=False).ranges
    )


def test_matrix_with_nan_is_refused_with_its_line(chip, quantized_of):
    matrix = torch.ones(4, 2)
    matrix[1, 1] = math.nan
    with pytest.raises(ModelError, match=r"model.py:1: the weights of layer0 hold NaN or infinity"):
        quantized_of(chip, matrix, torch.ones(2, 4))


def test_infinite_calibration_data_is_refused_with_its_line(chip, quantized_of):
    with pytest.raises(ModelError, match=r"model.py:1: the input of layer0 is not finite"):
        quantized_of(chip, torch.ones(4, 2), torch.full((2, 4), math.inf))


def _one_row_each(values):
    """Calibration data of one input, a value for each vector."""
    return torch.tensor(values, dtype=torch.float32)[:, None]


def test_a_percentile_is_that_of_the_magnitudes(chip, quantized_of):
    values = [v if v % 2 else -v for v in range(101)]  # magnitudes 0 to 100
    options = QuantizeOptions(range="percentile", percentile=90.0)
    (ranges,) = quantized_of(chip, torch.ones(1, 1), _one_row_each(values), options=options).ranges
    assert ranges.input_max == 90.0
    assert ranges.clipped_share == pytest.approx(10 / 101)


def test_deviations_are_about_zero_as_the_range_lies(chip, quantized_of):
    values = [1.0, 3.0] * 50 + [2.0 + 10, 2.0 - 10]  # squares: 50 (1 + 9) + 144 + 64
    options = QuantizeOptions(range="deviations", deviations=2.0)
    (ranges,) = quantized_of(chip, torch.ones(1, 1), _one_row_each(values), options=options).ranges
    assert ranges.input_max == pytest.approx(2 * math.sqrt(708 / 102))
    assert ranges.clipped_share == pytest.approx(2 / 102)


def test_the_largest_clips_nothing(chip, quantized_of):
    (ranges,) = quantized_of(chip, torch.ones(1, 1), _one_row_each([0.1, -7.0, 2.0])).ranges
    assert (ranges.input_max, ranges.clipped_share) == (7.0, 0.0)


@pytest.mark.parametrize(
    "options",
    [
        QuantizeOptions(range="percentile", percentile=100.0),
        QuantizeOptions(range="deviations", deviations=1000.0),
    ],
)
def test_a_range_is_never_above_the_largest_input(chip, quantized_of, options):
    x = _one_row_each([0.5, -4.0, 1.0])
    (ranges,) = quantized_of(chip, torch.ones(1, 1), x, options=options).ranges
    assert (ranges.input_max, ranges.clipped_share) == (4.0, 0.0)


@pytest.mark.parametrize(
    "options",
    [
        QuantizeOptions(range="percentile", percentile=50.0),
        QuantizeOptions(range="percentile", percentile=0.0),
    ],
)
def test_a_range_of_zero_becomes_the_largest_input(chip, quantized_of, options):
    x = _one_row_each([0.0] * 9 + [3.0])
    (ranges,) = quantized_of(chip, torch.ones(1, 1), x, options=options).ranges
    assert (ranges.input_max, ranges.clipped_share) == (3.0, 0.0)


OPTIONS = st.one_of(
    st.builds(QuantizeOptions, range=st.just("max")),
    st.builds(QuantizeOptions, st.just("percentile"), percentile=st.floats(0, 100)),
    st.builds(QuantizeOptions, st.just("deviations"), deviations=st.floats(1e-3, 10)),
)


@given(OPTIONS, st.integers(0, 1000))
def test_the_clipped_share_is_that_of_a_direct_count(chip, quantized_of, options, seed):
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(seed))
    (ranges,) = quantized_of(chip, torch.ones(3, 2), x, options=options).ranges
    assert 0 < ranges.input_max <= float(x.abs().max())
    beyond = sum(abs(v) > ranges.input_max for v in x.flatten().tolist())
    assert ranges.clipped_share == pytest.approx(beyond / 60)


@given(OPTIONS, st.integers(0, 1000))
def test_output_ranges_are_those_of_clipped_inputs(chip_with, quantized_of, options, seed):
    chip = chip_with(crossbar_rows=2)
    draw = torch.Generator().manual_seed(seed)
    matrix, x = torch.randn(5, 3, generator=draw), torch.randn(20, 5, generator=draw)
    made = quantized_of(chip, matrix, x, options=options)
    (ranges,) = made.ranges
    clipped = x.clamp(-ranges.input_max, ranges.input_max)
    ends = [end for _, end in made.tiled.matrices[0].row_ranges]
    sums = [float((clipped[:, :end] @ matrix[:end]).abs().max()) for end in ends]
    assert list(ranges.output_max) == pytest.approx(sums)


def test_the_output_range_may_see_what_the_inputs_clip(chip, quantized_of):
    x = _one_row_each([1.0, 1.0, 8.0])
    found = {
        rule: quantized_of(
            chip,
            torch.full((1, 1), 2.0),
            x,
            options=QuantizeOptions(range="deviations", deviations=0.5, output_range=rule),
        ).ranges[0]
        for rule in ("clipped", "unclipped")
    }
    assert found["clipped"].input_max == found["unclipped"].input_max == pytest.approx(22**0.5 / 2)
    assert found["clipped"].output_max == pytest.approx((2 * 22**0.5 / 2,))
    assert found["unclipped"].output_max == (16.0,)


def test_clipping_leaves_the_conductances_as_they_are(chip, quantized_of):
    """A line's current is highest while all pulses are on, however long they are."""
    x = torch.cat([torch.full((2, 255), 0.1), torch.full((2, 1), 5.0)], 1)
    options = QuantizeOptions(range="percentile", percentile=50.0)
    clipped, whole = (quantized_of(chip, torch.ones(256, 3), x, options=o) for o in (options, None))
    assert clipped.ranges[0].input_max == pytest.approx(0.1)
    assert clipped.g_max_siemens == whole.g_max_siemens


@given(OPTIONS, st.integers(1, 300))
def test_kept_codes_are_input_codes_of_calibration_vectors(chip, quantized_of, options, count):
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(count))
    made = quantized_of(chip, torch.ones(3, 2), x, options=options)
    (codes,), (ranges,) = made.vectors, made.ranges
    assert codes.dtype == torch.int8
    assert min(count, 128) <= codes.shape[0] <= 256
    assert codes.shape[1] == 3
    unit = ranges.input_max / 127
    every = {tuple(round(max(-127, min(127, v / unit))) for v in row) for row in x.tolist()}
    near = [any(max(abs(a - b) for a, b in zip(c, e, strict=True)) <= 1 for e in every) for c in
            codes.tolist()[:20]]  # fmt: skip
    assert all(near)


@pytest.mark.parametrize("rows_independent", [True, False])
@pytest.mark.parametrize("count", [256, 300, 511, 512, 2500])
def test_kept_codes_are_spread_over_the_calibration_data(
    chip, quantized_of, count, rows_independent
):
    """Each twentieth of the data is among them: what a column is corrected for is all of it."""
    x = torch.arange(1.0, count + 1)[:, None]
    (codes,) = quantized_of(chip, torch.ones(1, 1), x, rows_independent=rows_independent).vectors
    assert 128 <= codes.shape[0] <= 256
    twentieths = {int((c - 0.5) * 20 // 127) for c in codes[:, 0].tolist()}
    assert twentieths >= set(range(1, 20))


@pytest.mark.parametrize("length", [3, 16, 28, 64])
def test_kept_codes_meet_every_place_of_a_sequence_alike(chip, quantized_of, length):
    """Every n-th vector would meet a few places of them all, whose mean is not that of the rest."""
    x = torch.arange(length).repeat(4096 // length)[:, None] + 1.0
    (codes,) = quantized_of(chip, torch.ones(1, 1), x).vectors
    places = torch.bincount((codes[:, 0] * (length / 127)).round().long(), minlength=length + 1)[1:]
    assert places.min() > 0.5 * places.float().mean()
    assert float((codes[:, 0] / 127).mean()) == pytest.approx(float(x.mean() / length), abs=0.01)


@pytest.mark.parametrize("bits", [4, 10])
def test_vectors_are_kept_alike_whatever_the_converters_bits(chip_with, quantized_of, bits):
    chip = chip_with(input_input_bits=bits)
    (vectors,) = quantized_of(chip, torch.ones(1, 1), _one_row_each([1.0, -2.0])).vectors
    assert vectors.dtype == torch.int8
    assert vectors.flatten().tolist() == [64, -127]


def test_an_outlier_among_the_weights_is_noted_with_its_place_and_price(chip, quantized_of):
    matrix = torch.full((100, 3), 0.01)
    matrix[7, 1] = 0.56  # 56 times the rms of the others: 4 bits more than the 3.5 of a normal one
    notes = quantized_of(chip, matrix, torch.randn(4, 100)).notes
    assert notes == (
        "layer0: the weight of input 7 in output 1 is 56 times the rms of the others in its column "
        "and costs them 4.0 bits of precision; 1 column with such an outlier",
    )


@pytest.mark.parametrize("size", [1e3, 1e6, 1e15])
def test_the_price_of_an_enormous_outlier_is_noted_too(chip, quantized_of, size):
    matrix = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)).abs() + 0.1
    matrix[5, 2] = -size
    (note,) = quantized_of(chip, matrix, torch.randn(4, 64)).notes
    assert "the weight of input 5 in output 2 is" in note
    bits = float(re.findall(r"costs them ([0-9.]+) bits", note)[0])
    assert bits == pytest.approx(math.log2(size / 3.5), abs=0.5)


@given(st.integers(0, 10**6), st.floats(2.0, 200.0), st.floats(0.0, 0.99), st.floats(1e-12, 1e12))
def test_every_outlier_is_found_that_a_direct_count_finds(
    chip, quantized_of, seed, size, sparsity, scale
):
    draw = torch.Generator().manual_seed(seed)
    matrix = torch.randn(40, 6, generator=draw) * scale
    matrix[torch.rand(40, 6, generator=draw) < sparsity] = 0
    matrix[seed % 40, seed % 6] = size * scale
    squares, largest = matrix.double().square(), matrix.double().abs().amax(0)
    count = (matrix != 0).sum(0) - 1
    rms = ((squares.sum(0) - largest.square()) / count.clamp(min=1)).clamp(min=0).sqrt()
    ratios = torch.where((count > 0) & (rms > 1e-9 * largest), largest / rms, 0.0)
    if not bool(((ratios - 16).abs() > 1e-3).all()):
        return
    notes = [n for n in quantized_of(chip, matrix, torch.randn(4, 40)).notes if "precision" in n]
    found = int(re.findall(r"(\d+) columns? with such", notes[0])[0]) if notes else 0
    assert found == int((ratios > 16).sum())


@pytest.mark.parametrize("seed", range(5))
def test_normal_weights_have_no_outlier(chip, quantized_of, seed):
    matrix = torch.randn(256, 64, generator=torch.Generator().manual_seed(seed))
    assert quantized_of(chip, matrix, torch.randn(4, 256)).notes == ()


@pytest.mark.parametrize("matrix", [torch.eye(4), torch.ones(1, 3), torch.ones(4, 1)])
def test_columns_of_one_weight_or_equal_ones_have_no_outlier(chip, quantized_of, matrix):
    assert quantized_of(chip, matrix, torch.randn(4, matrix.shape[0])).notes == ()


def test_weights_and_inputs_without_information_are_noted(chip, quantized_of):
    zero = quantized_of(chip, torch.zeros(4, 3), torch.randn(5, 4))
    assert zero.notes == ("layer0: all weights are zero",)
    constant = quantized_of(chip, torch.randn(4, 3), torch.full((5, 4), -0.25))
    assert constant.notes == ("layer0: its input has one magnitude, 0.25, on calibration data",)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("width", [64, 128, 256])
def test_a_percentile_sees_every_feature_and_every_block_alike(chip, quantized_of, width, order):
    """One feature in eight is wide, and the wide rows come last or first."""
    x = torch.randn(4096, width, generator=torch.Generator().manual_seed(0))
    x[:, 1::8] *= 50
    x = x * torch.linspace(0.1, 1, 4096)[:, None]
    x = x.flip(0) if order < 0 else x
    options = QuantizeOptions(range="percentile", percentile=99.0)
    made = quantized_of(chip, torch.ones(width, 1), x, options=options, rows_independent=True)
    wanted = float(x.abs().flatten().sort().values[round(0.99 * (x.numel() - 1))])
    assert made.ranges[0].input_max == pytest.approx(wanted, rel=0.03)
