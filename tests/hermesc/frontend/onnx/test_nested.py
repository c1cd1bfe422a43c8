"""Graphs inside of ONNX operations: If, Scan and Loop."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import hermesc
from hermesc.frontend.onnx.module import OnnxGraph
from hermesc.frontend.onnx.operations import refusals
from hermesrt.errors import ModelError, UnsupportedOpError

from .conftest import runtime

R = np.random.default_rng(1)


def f(*shape):
    return R.normal(size=shape).astype(np.float32)


def graph(nodes, inputs, outputs, weights=(), opset=17):
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs],
        [numpy_helper.from_array(v, n) for n, v in weights],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def branch(name, nodes, weights=()):
    value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    made = [numpy_helper.from_array(v, n) for n, v in weights]
    return helper.make_graph(nodes, name, [], [value], made)


def choosing(condition, *nodes, weights=()):
    """A model that doubles or negates; both branches take what lies around them."""
    twice = branch("t", [helper.make_node("Mul", ["x", "two"], ["t"])], [("two", np.float32(2))])
    less = branch("e", [helper.make_node("Neg", ["x"], ["e"])])
    choose = helper.make_node("If", [condition], ["y"], then_branch=twice, else_branch=less)
    sizes = ["n", 3]
    return graph([*nodes, choose], [("x", sizes)], [("y", sizes)], weights)


@pytest.mark.parametrize("truth", [True, False])
def test_a_condition_that_is_known_takes_one_branch(truth):
    model = choosing("c", weights=[("c", np.array(truth))])
    x = f(4, 3)
    program = hermesc.compile(model, x)
    chip = program.deploy(hermesc.simulate(), "ideal").configure(ideal=True)
    np.testing.assert_allclose(chip(f(0, 3) if False else x).numpy(), runtime(model, x)[0])
    assert not any("where" in step.call.op for step in program.artifact.manifest.steps
                   if hasattr(step, "call"))  # fmt: skip


def test_a_condition_of_shapes_takes_one_branch():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=1),
        helper.make_node("Equal", ["s", "three"], ["c"]),
    ]
    model = choosing("c", *nodes, weights=[("three", np.array([3]))])
    x = f(4, 3)
    (found,) = OnnxGraph(model)(torch.from_numpy(x))
    np.testing.assert_allclose(found.numpy(), 2 * x)


def test_a_condition_of_data_selects():
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["c"]),
    ]
    model = choosing("c", *nodes, weights=[("zero", np.float32(0))])
    program = hermesc.compile(model, f(4, 3), batch_dim=0)  # the condition is of all rows
    chip = program.deploy(hermesc.simulate(), "ideal").configure(ideal=True)
    for sign in (1, -1):
        x = np.abs(f(6, 3)) * np.float32(sign)
        np.testing.assert_allclose(chip(x).numpy(), runtime(model, x)[0], rtol=1e-6)


def scanning(nodes, given, made, count, weights=(), **settings):
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in given]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in made]
    body = helper.make_graph(nodes, "body", info, ends)
    node = helper.make_node(
        "Scan", ["start", "x"], ["last", "y"], body=body, num_scan_inputs=count, **settings
    )
    return graph([node], [("x", [5, 3])], [("last", None), ("y", None)], weights)


def test_a_scan_that_hands_something_on_goes_step_by_step():
    nodes = [
        helper.make_node("Add", ["a", "r"], ["b"]),
        helper.make_node("Mul", ["b", "r"], ["o"]),
    ]
    model = scanning(nodes, ["a", "r"], ["b", "o"], 1, [("start", f(3))], scan_input_directions=[1])
    x = f(5, 3)
    for ours, theirs in zip(OnnxGraph(model)(torch.from_numpy(x)), runtime(model, x), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-6)


def test_a_scan_of_rows_is_computed_at_once():
    nodes = [
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Sub", ["a", "r"], ["d"]),
        helper.make_node("Abs", ["d"], ["o"]),
    ]
    model = scanning(nodes, ["a", "r"], ["b", "o"], 1, [("start", f(4, 3))])
    x = f(5, 3)
    for ours, theirs in zip(OnnxGraph(model)(torch.from_numpy(x)), runtime(model, x), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-6)


def looping(nodes, goes_on, count="m", weights=(), given=()):
    """h = tanh(h @ w + x) again and again; the results of all steps are given too."""
    whole = {"i": TensorProto.INT64, "c": TensorProto.BOOL, goes_on: TensorProto.BOOL}

    def value(name):
        shape = [] if name in whole else None
        return helper.make_tensor_value_info(name, whole.get(name, TensorProto.FLOAT), shape)

    steps = [
        helper.make_node("MatMul", ["h", "w"], ["p"]),
        helper.make_node("Add", ["p", "x"], ["q"]),
        helper.make_node("Tanh", ["q"], ["g"]),
        helper.make_node("Identity", ["g"], ["o"]),
        *nodes,
    ]
    body = helper.make_graph(
        steps, "body", [value(n) for n in ("i", "c", "h")], [value(n) for n in (goes_on, "g", "o")]
    )
    node = helper.make_node("Loop", [count, "", "x"], ["last", "all"], body=body)
    held = [("w", f(3, 3)), ("m", np.array(4)), ("two", np.array(2)), *weights]
    turned = helper.make_node("Transpose", ["all"], ["rows"], perm=[1, 0, 2])
    outputs = [("last", None), ("rows", None)]
    return graph([*given, node, turned], [("x", ["n", 3])], outputs, held)


KEEP = helper.make_node("Identity", ["c"], ["d"])
LOOPS = {
    "a number of steps": (looping([KEEP], "d"), 4),
    "a condition of the counter": (
        looping([helper.make_node("Less", ["i", "two"], ["d"])], "d", count=""), 3
    ),
    "whichever is first": (looping([helper.make_node("Less", ["i", "two"], ["d"])], "d"), 3),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_of_known_length_is_written_out_with_its_matrix_once(name):
    model, steps = LOOPS[name]
    program = hermesc.compile(model, f(5, 3))
    assert len(program.artifact.mvms) == steps
    assert len(program.artifact.manifest.matrices) == 1
    chip = program.deploy(hermesc.simulate(), "ideal").configure(ideal=True)
    x = f(7, 3)
    for ours, theirs in zip(chip(x), runtime(model, x), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-6)


SIZE = [helper.make_node("Shape", ["x"], ["s"], end=1), helper.make_node("Squeeze", ["s"], ["n"])]
TOTAL = [
    helper.make_node("ReduceSum", ["g"], ["t"], keepdims=0),
    helper.make_node("Less", ["t", "end"], ["d"]),
]
UNKNOWN = {
    "of the data": (looping(TOTAL, "d", weights=[("end", np.float32(5))]), "whether it goes on"),
    "of a free size": (looping([KEEP], "d", count="n", given=SIZE), "its number of steps"),
    "without end": (looping([KEEP], "d", count=""), "it goes on after 4096 steps"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_another_loop_is_refused_with_the_reason(name):
    model, reason = UNKNOWN[name]
    with pytest.raises(ModelError, match=f"Loop.*{reason}"):
        hermesc.compile(model, f(5, 3))


def test_an_operation_inside_of_a_branch_is_refused_by_name():
    inner = branch("t", [helper.make_node("NonZero", ["x"], ["t"], name="in_there")])
    other = branch("e", [helper.make_node("Neg", ["x"], ["e"])])
    choose = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=other)
    model = graph([choose], [("x", ["n", 3])], [("y", None)], [("c", np.array(True))])
    (refusal,) = refusals(model)
    assert (refusal.op, str(refusal.location)) == ("NonZero", "in_there")


def test_an_unknown_operation_beside_a_branch_is_refused():
    with pytest.raises(UnsupportedOpError, match="no such operation is read"):
        hermesc.compile(choosing("c", helper.make_node("Unheard", [], ["c"])))
