"""Inputs of ONNX models: names, sizes, examples and calibration."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

import hermesc
from hermesrt.errors import ModelError

from .conftest import Favor, KernelMachine, changed_product, ideal, one_node

X = load_iris().data.astype(np.float32)


def test_inputs_take_the_names_of_the_file_as_far_as_python_allows(export):
    path = export(KernelMachine(), torch.randn(4, 16), dynamo=False, opset=17)
    (spec,) = hermesc.compile(path).artifact.manifest.inputs
    assert spec.name == "in_0"
    assert spec.dims[1] == 16
    assert isinstance(spec.dims[0], str)


def test_ranges_from_random_inputs_are_noted_and_from_calibration_not(export):
    path = export(KernelMachine(), torch.randn(4, 16), dynamo=False)
    notes = hermesc.compile(path).artifact.manifest.notes
    assert any("ranges come from random numbers" in note for note in notes)
    program = hermesc.compile(path, calibration={"in_0": torch.randn(99, 16)})
    assert program.artifact.manifest.notes == ()
    assert program.artifact.examples["in_0"].shape == (64, 16)


def test_a_fixed_batch_is_free_where_the_graph_allows_it(export):
    path = export(KernelMachine(), torch.randn(1, 16), dynamo=False, symbolic=())
    assert len(ideal(hermesc.compile(path), torch.randn(5, 16))[0]) == 5


def test_a_batch_that_the_graph_fixes_stays_fixed(export):
    path = export(Favor(), torch.randn(1, 5, 16), dynamo=False, symbolic=())
    artifact = hermesc.compile(path).artifact
    assert artifact.manifest.inputs[0].dims == (1, 5, 16)
    assert any("fixes the first size of in_0 to 1" in note for note in artifact.manifest.notes)


def test_a_model_whose_inputs_are_too_large_asks_for_examples():
    model = changed_product(lambda m: m.graph.input[0].type.tensor_type.shape.dim[0].__setattr__(
        "dim_value", 2**40
    ))  # fmt: skip
    with pytest.raises(ModelError, match="give example inputs"):
        hermesc.compile(model)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((X, X), "2 inputs given; the model takes 1: x0"),
        (X[:, :3], r"the input x0 has the shape \(150, 3\); the model takes \[batch, 4\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, message):
    with pytest.raises(ModelError, match=message):
        hermesc.compile(changed_product(lambda _: None), inputs)


def test_calibration_of_another_name_is_refused():
    with pytest.raises(ModelError, match="lacks the input x0; it has X"):
        hermesc.compile(changed_product(lambda _: None), calibration={"X": torch.from_numpy(X)})


def test_an_output_needs_no_shape_and_an_input_none_beside_examples():
    weight = np.ones((4, 2), np.float32)
    model = one_node("MatMul", [X, weight], fixed=(1,))
    model.graph.output[0].ClearField("type")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    np.testing.assert_allclose(
        ideal(hermesc.compile(model, X), X)[0].numpy(), X @ weight, rtol=1e-5
    )


@pytest.mark.parametrize(
    "name", ["self", "class", "None", "labels", "a b", "\ufb01", "x\u00b2", "\n"]
)
def test_an_input_may_have_any_name(name):
    model = one_node("MatMul", [X, np.ones((4, 2), np.float32)], fixed=(1,))
    model.graph.input[0].name = model.graph.node[0].input[0] = name
    (taken,) = hermesc.compile(model, X).artifact.manifest.inputs
    assert taken.name.isidentifier()
