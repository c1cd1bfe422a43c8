"""The last stage as an artifact."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermesc.passes.emit import ProgramInfo, emit
from hermesc.passes.place import place
from hermesc.passes.quantize import QuantizeOptions, quantize
from hermesc.passes.remap import remap
from hermesc.passes.route import route
from hermesc.passes.schedule import schedule
from hermesc.placement.options import PlaceOptions
from hermesrt.artifact import io
from hermesrt.artifact.schema import PredictedError
from hermesrt.errors import ModelError
from hermesrt.files.container import to_json
from hermesrt.files.typed import encode


@pytest.fixture(scope="session")
def emitted(mvm_graph, tiled_of):
    """The artifact of matrices, each with an input of its own."""

    def make(chip, *matrices, labels=None, predicted=()):
        partitioned, weights = mvm_graph(*matrices)
        tiled = tiled_of(partitioned, weights, chip)
        x = {f"x{i}": torch.ones(2, m.shape[0]) for i, m in enumerate(matrices)}
        quantized = quantize(tiled, weights, x, True, chip, QuantizeOptions())
        placed = place(quantized, chip, PlaceOptions(), {})
        scheduled = schedule(route(remap(placed, weights, chip, None), chip))
        return emit(
            scheduled, weights, chip, ProgramInfo("made", x, labels, True, (), predicted=predicted)
        )

    return make


def test_without_a_map_of_defects_a_program_says_nothing_of_lines(emitted, chip):
    artifact = emitted(chip, torch.ones(4, 3))
    assert not any(name.startswith("wiring:") for name in artifact.tensors)
    assert artifact.manifest.defects == ()


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def artifact(stages):
    """The golden model's program."""
    return stages["emit"]


def test_golden(artifact, golden):
    plain = {k: v for k, v in encode(artifact.manifest).items() if k not in ("chip", "generator")}
    plain["steps"] = [json.dumps(_rounded(step)) for step in plain["steps"]]
    plain["account"] = [json.dumps(a) for a in plain["account"]]
    plain["matrices"] = [json.dumps(_rounded(m)) for m in plain["matrices"]]
    golden("emit.json", json.dumps(plain, indent=1) + "\n")


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=4))
def test_any_artifact_reads_back_as_it_was_written(chip_with, emitted, shapes):
    chip = chip_with(crossbar_rows=8, crossbar_columns=8)
    made = emitted(chip, *(torch.ones(*s) * (i + 1) for i, s in enumerate(shapes)))
    back = io.from_bytes(io.to_bytes(made), "test")
    assert to_json(encode(back.manifest)) == to_json(encode(made.manifest))
    assert back.chip == made.chip == chip
    assert io.to_bytes(back) == io.to_bytes(made)


def test_steps_leave_the_inputs_out(artifact):
    inputs = {spec.name for spec in artifact.manifest.inputs}
    assert inputs == {"x"}
    assert not inputs & {step.name for step in artifact.manifest.steps}


def test_matrix_is_stored_as_it_is(artifact, stages):
    _, weights = stages["partition"]
    for matrix in artifact.manifest.matrices:
        assert torch.equal(torch.from_numpy(artifact.tensors[matrix.name]), weights[matrix.name])


def test_labels_are_kept_beside_the_examples(chip, emitted):
    assert emitted(chip, torch.ones(4, 2), labels=torch.tensor([1, 0])).labels.tolist() == [1, 0]


def test_a_dtype_that_no_file_holds_is_refused(chip, emitted):
    with pytest.raises(ModelError, match=r"w0 has the dtype torch.float8_e4m3fn.*model.float\(\)"):
        emitted(chip, torch.ones(4, 2).to(torch.float8_e4m3fn))


def test_predicted_errors_follow_the_order_of_the_steps(chip, emitted):
    matrices = [torch.ones(4, 2) * (i + 1) for i in range(3)]
    names = [step.name for step in emitted(chip, *matrices).mvms]
    predicted = tuple(PredictedError(name, 0.1, 0.1, 0.1, 0.0, 0.0, 0.0) for name in names[::-1])
    made = emitted(chip, *matrices, predicted=predicted)
    assert [found.mvm for found in made.manifest.predicted] == names
    io.from_bytes(io.to_bytes(made), "test")
