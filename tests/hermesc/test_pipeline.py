"""The compiler as a whole."""

import math

import pytest
import torch
from torch import nn

from hermesc.passes.partition import PartitionOptions
from hermesc.passes.quantize import QuantizeOptions
from hermesc.pipeline import ModelSource, Options, compile_model, parse_options
from hermesrt.artifact import io
from hermesrt.errors import CapacityError, InternalError, ModelError, OptionError

STEPS = [
    "capture",
    "convert",
    "canonicalize",
    "bound_loops",
    "convolve",
    "roll",
    "recur",
    "decompose",
    "partition",
    "slice",
    "assign_gates",
    "tile",
    "quantize",
    "place",
]
X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def _compile(chip, model, *inputs, options=None, **more):
    return compile_model(ModelSource(model, inputs or (X,), **more), chip, options or Options())


def test_observer_sees_every_step_in_order(stages):
    assert list(stages) == [*STEPS, "remap", "route", "schedule", "emit"]


def test_any_model_of_the_zoo_becomes_a_program_that_reads_back(any_model, chip):
    torch.manual_seed(0)
    source = ModelSource(any_model.build(), any_model.inputs(), dynamic_shapes=any_model.dynamic)
    made = compile_model(source, chip, Options())
    assert len(made.mvms) == any_model.mvms
    data = io.to_bytes(made)
    back = io.from_bytes(data, "test")
    assert io.to_bytes(back) == data
    nodes = [a.node for a in back.manifest.account]
    assert len(nodes) == len(set(nodes))
    batches = {spec.dims[0] for spec in back.manifest.inputs}
    assert all(isinstance(batch, str) for batch in batches)


class Everywhere(nn.Module):
    """Weights that a crossbar holds as they lie, and weights of the host."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(4, 4))
        self.norm = nn.LayerNorm(4)
        self.register_buffer("factor", torch.randn(4))

    def forward(self, x):
        return self.norm(x @ self.matrix).cos() * self.factor


def test_a_program_stays_as_it_is_when_the_model_goes_on_learning(chip):
    model, x, labels = Everywhere(), X.clone(), torch.arange(6)
    made = _compile(chip, model, x, labels=labels)
    before = io.to_bytes(made)
    for tensor in (*model.state_dict().values(), x, labels):
        tensor += 1
    assert io.to_bytes(made) == before


def test_tied_weights_are_stored_once(chip):
    layer = nn.Linear(4, 4, bias=False)
    made = _compile(chip, nn.Sequential(layer, nn.Tanh(), layer))
    assert len(made.mvms) == 2
    assert len(made.manifest.matrices) == 1
    matrix = made.manifest.matrices[0].name
    assert set(made.tensors) == {matrix, *(step.calibration for step in made.mvms)}


def test_nan_weights_are_refused(chip):
    model = nn.Linear(4, 2)
    model.weight.data[0, 0] = math.nan
    with pytest.raises(ModelError, match="the weights of weight hold NaN"):
        _compile(chip, model)


def test_nan_bias_is_refused(chip):
    model = nn.Linear(4, 2)
    model.bias.data[0] = math.nan
    with pytest.raises(ModelError, match="the weights of bias hold NaN"):
        _compile(chip, model)


def test_infinite_weights_are_refused(chip):
    model = nn.Linear(4, 2)
    model.weight.data[0, 0] = math.inf
    with pytest.raises(ModelError, match="the weights of weight hold NaN or infinity"):
        _compile(chip, model)


def test_an_infinite_bias_is_refused_and_an_infinite_mask_is_not(chip):
    layer = nn.Linear(4, 3)
    layer.bias.data[0] = math.inf
    with pytest.raises(ModelError, match="the weights of bias hold NaN or infinity"):
        compile_model(ModelSource(layer, (torch.randn(2, 4),)), chip, Options())

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mask", torch.tensor([0.0, -math.inf, 0.0, 0.0]))

        def forward(self, x):
            return torch.softmax(x + self.mask, -1)

    compile_model(ModelSource(Masked(), (torch.randn(2, 4),)), chip, Options())


def test_nan_inputs_are_refused(chip):
    with pytest.raises(ModelError, match="not finite on the calibration data"):
        _compile(chip, nn.Linear(4, 2), torch.full((3, 4), math.nan))


def test_a_model_that_is_no_function_of_its_inputs_is_refused(chip):
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    with pytest.raises((InternalError, ModelError), match=r"not a function of its inputs|calls"):
        _compile(chip, Counter())


def test_ranges_come_from_the_calibration_data(chip):
    data = torch.arange(20.0).reshape(5, 4) - 12
    made = _compile(chip, nn.Linear(4, 2), calibration=(data,))
    assert made.mvms[0].input_max == 12.0
    assert made.manifest.calibration_rows == 5
    assert made.manifest.notes == ()


def test_calibration_by_name_equals_calibration_in_order(chip):
    data = torch.full((5, 4), 7.0)
    model = nn.Linear(4, 2)
    by_name = _compile(chip, model, calibration={"input": data})
    assert io.to_bytes(by_name) == io.to_bytes(_compile(chip, model, calibration=(data,)))


def test_calibration_on_the_examples_is_said(chip):
    made = _compile(chip, nn.Linear(4, 2))
    assert made.manifest.notes == (
        "ranges come from the 6 rows of example_inputs; calibrate on real data",
    )


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ((), "calibration_inputs holds 0 tensors and the model takes 1: input"),
        ((X, X), "calibration_inputs holds 2 tensors"),
        ({"other": X}, "calibration data lacks the input input; it has other"),
        ((torch.ones(3, 5),), r"has the shape \(3, 5\); the model takes float32\[s\d+, 4\]"),
        ((torch.ones(4),), r"has the shape \(4,\)"),
        ((torch.ones(0, 4),), r"has the shape \(0, 4\)"),
        ((torch.full((2, 4), math.inf),), "not finite on the calibration data"),
    ],
)
def test_calibration_that_does_not_fit_is_refused(calibration, message, chip):
    with pytest.raises(ModelError, match=message):
        _compile(chip, nn.Linear(4, 2), calibration=calibration)


def test_labels_are_kept_only_where_they_are_those_of_the_examples(chip):
    assert _compile(chip, nn.Linear(4, 2), labels=torch.arange(6)).labels.tolist() == list(range(6))
    assert _compile(chip, nn.Linear(4, 2), labels=torch.arange(5)).labels is None


def test_a_layer_kept_digital_takes_no_core(chip):
    options = Options(PartitionOptions(digital=("0",)))
    made = _compile(chip, nn.Sequential(nn.Linear(4, 2)), options=options)
    assert made.cores == ()
    assert made.count("analog") == 0
    assert made.utilisation == 0.0


def test_too_big_a_model_is_refused(chip_with):
    with pytest.raises(CapacityError, match="needs 2 cores and the chip `hermes` has 1"):
        _compile(chip_with(grid_rows=1, grid_columns=1, crossbar_rows=2), nn.Linear(4, 2))


def test_options_are_parsed():
    options = parse_options([("partition.bias", "host"), ("partition.digital", "a, b,")])
    assert options == Options(PartitionOptions(bias="host", digital=("a", "b")))
    assert parse_options([]) == Options()
    ranges = [("quantize.range", "percentile"), ("quantize.percentile", "99.5")]
    wanted = QuantizeOptions(range="percentile", percentile=99.5)
    assert parse_options(ranges) == Options(quantize=wanted)
    assert parse_options([("quantize.deviations", "4")]).quantize.deviations == 4.0


def test_the_range_option_reaches_the_program(chip):
    data = torch.arange(1.0, 22.0)[:, None] * torch.ones(4)
    options = parse_options([("quantize.range", "percentile"), ("quantize.percentile", "50")])
    made = _compile(chip, nn.Linear(4, 2), calibration=(data,), options=options)
    assert made.mvms[0].input_max == 11.0
    assert made.mvms[0].clipped_share == pytest.approx(10 / 21)


def test_what_calibration_shows_is_noted(chip):
    made = _compile(chip, nn.Linear(4, 2), calibration=(torch.full((5, 4), 7.0),))
    assert len(made.manifest.notes) == 1
    assert "its input has one magnitude, 7" in made.manifest.notes[0]


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        (
            "partition.biass",
            "host",
            r'there is no such option \(did you mean "partition.bias"\?\); there are',
        ),
        ("bias", "host", "there is no such option"),
        ("partition.bias", "gpu", "--set partition.bias=gpu: must be one of ldpu, host"),
        ("partition.bias", "", "must be one of ldpu, host"),
        ("quantize.range", "mean", "quantize.range=mean: must be one of max, percentile, deviat"),
        ("quantize.percentile", "101", "quantize.percentile=101: must be a number from 0 to 100"),
        ("quantize.percentile", "nan", "must be a number from 0 to 100"),
        ("quantize.percentile", "most", "must be a number from 0 to 100"),
        ("quantize.deviations", "0", "must be a number from 0.001 to 1000"),
        ("quantize.deviations", "inf", "must be a number from 0.001 to 1000"),
    ],
)
def test_unknown_options_are_refused(key, text, message):
    with pytest.raises(OptionError, match=message):
        parse_options([(key, text)])


def test_batch_norm_after_a_layer_over_sequences_compiles(chip):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.l, self.b = nn.Linear(4, 5), nn.BatchNorm1d(3)

        def forward(self, x):
            return self.b(self.l(x))

    assert len(_compile(chip, Net(), torch.randn(6, 3, 4)).mvms) == 1


def test_inputs_keep_their_capitals(chip) -> None:
    class Capitals(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)

        def forward(self, X: torch.Tensor, aB: torch.Tensor) -> torch.Tensor:
            return self.layer(X) + aB

    source = ModelSource(Capitals(), (torch.randn(4, 3), torch.randn(4, 2)))
    artifact = compile_model(source, chip, Options())
    assert [i.name for i in artifact.manifest.inputs] == ["X", "aB"]
