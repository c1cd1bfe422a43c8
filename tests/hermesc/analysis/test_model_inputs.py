"""What a user gave beside a model, checked against its graph."""

from dataclasses import replace

import pytest
import torch

from hermesc.analysis.model_inputs import (
    calibration_inputs,
    input_notes,
    labels_of_examples,
    named_inputs,
)
from hermesc.ir.graph import Graph
from hermesc.ir.ops import Input
from hermesc.ir.types import TensorType
from hermesrt.errors import ModelError

A = Input("a", TensorType(("s0", 4), "float32"))
B = Input("b", TensorType(("s0",), "int64"))
GRAPH = Graph((A, B), ())
EXAMPLES = {"a": torch.ones(3, 4), "b": torch.ones(3).long()}


def test_tensors_are_named_in_the_order_of_the_inputs():
    assert named_inputs(GRAPH, (1, 2), "example_inputs") == {"a": 1, "b": 2}
    with pytest.raises(ModelError, match="example_inputs holds 1 tensors and the model takes 2"):
        named_inputs(GRAPH, (1,), "example_inputs")


def test_calibration_data_takes_the_inputs_dtypes_and_leaves_others_out():
    given = {"b": torch.ones(5), "a": torch.ones(5, 4).double(), "more": torch.ones(1)}
    found = calibration_inputs(GRAPH, given, EXAMPLES)
    assert {name: value.dtype for name, value in found.items()} == {
        "a": torch.float32,
        "b": torch.int64,
    }


def test_the_examples_stand_in_for_calibration_data():
    assert calibration_inputs(GRAPH, None, EXAMPLES) == EXAMPLES


def test_inputs_that_share_a_size_must_agree_on_it():
    with pytest.raises(ModelError, match=r"calibration input b has the shape \(6,\)"):
        calibration_inputs(GRAPH, (torch.ones(5, 4), torch.ones(6)), EXAMPLES)


def test_labels_of_other_rows_than_the_examples_are_not_theirs():
    assert labels_of_examples(torch.ones(3), EXAMPLES) is not None
    assert labels_of_examples(torch.ones(4), EXAMPLES) is None
    assert labels_of_examples(None, EXAMPLES) is None


def test_notes_say_what_was_not_given_and_what_cannot_change():
    assert list(input_notes(GRAPH, EXAMPLES, calibrated=True)) == []
    fixed = replace(GRAPH, ops=(replace(A, type=TensorType((3, 4), "float32")), B))
    assert list(input_notes(fixed, EXAMPLES, calibrated=False)) == [
        "ranges come from the 3 rows of example_inputs; calibrate on real data",
        "the model's code fixes the first size of a to 3, for runs too",
    ]
