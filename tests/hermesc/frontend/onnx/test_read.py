"""ONNX files as they come: broken, old, with weights and functions outside of the graph."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.datasets import load_iris

import hermesc
from hermesrt.errors import InputError, ModelError

from .conftest import changed_product, ideal, one_node

X = load_iris().data.astype(np.float32)


def test_old_opset_is_refused_where_an_operation_has_changed():
    message = "it is of opset 12; the oldest that is read is 13, and Softmax changed since"
    with pytest.raises(ModelError, match=message):
        hermesc.compile(one_node("Softmax", [X], opset=12))
    hermesc.compile(one_node("Relu", [X], opset=13))
    hermesc.compile(one_node("Cos", [X], opset=12))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.graph.node[0].input.__setitem__(0, "nothing"), "not a valid ONNX model"),
        (lambda m: m.graph.ClearField("output"), "no input or no output"),
        (lambda m: m.graph.ClearField("input"), "not a valid ONNX model|no input or no output"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, 2**40), "not a valid|damaged"),
        (lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"), "give example inputs"),
    ],
)
def test_broken_model_is_refused(change, message):
    with pytest.raises(ModelError, match=message):
        hermesc.compile(changed_product(change))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no", b"\x08", os.urandom(300)])
def test_a_file_that_is_no_model_is_refused(data, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"m\.onnx: not a"):
        hermesc.compile(path)


@pytest.mark.parametrize(
    ("location", "entries", "message"),
    [
        ("../secret.bin", {}, "outside the model's folder"),
        ("/etc/passwd", {}, "outside the model's folder"),
        ("link.bin", {}, "outside the model's folder"),
        ("w\0.bin", {}, "outside the model's folder"),
        ("a" * 5000, {}, "which is no name of a file"),
        ("hard.bin", {}, "a hard link"),
        ("weights.bin", {"length": "9" * 5000}, "at a place that is no number"),
        ("none.bin", {}, "which is not there"),
        ("weights.bin", {"offset": "8"}, "shorter than the model says"),
        ("weights.bin", {"offset": "-8", "length": "32"}, "shorter than the model says"),
        ("weights.bin", {"length": "many"}, "at a place that is no number"),
    ],
)
def test_external_weights_stay_in_their_folder(location, entries, message, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(32))
    (folder / "weights.bin").write_bytes(bytes(32))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "hard.bin").hardlink_to(tmp_path / "secret.bin")

    def outside(model):
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        values = {"location": location, "length": "32"} | entries
        for key, value in values.items():
            weight.external_data.add(key=key, value=value)

    model = changed_product(outside)
    with pytest.raises(ModelError, match="its weights are not loaded"):
        hermesc.compile(model)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=message):
        hermesc.compile(path)


def test_external_weights_beside_the_file_are_read(tmp_path):
    weight = np.arange(8, dtype=np.float32).reshape(4, 2)
    model = one_node("MatMul", [X, weight], fixed=(1,))
    path = tmp_path / "m.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    np.testing.assert_allclose(ideal(hermesc.compile(path, X), X)[0].numpy(), X @ weight, rtol=1e-5)


@pytest.mark.parametrize("linked", ["both", "model"])
def test_external_weights_beside_a_link_to_the_model_are_read(linked, tmp_path):
    """As a hub's cache has them: links in one folder, their targets in another."""
    weight = np.arange(8, dtype=np.float32).reshape(4, 2)
    model = one_node("MatMul", [X, weight], fixed=(1,))
    blobs, links = tmp_path / "blobs", tmp_path / "links"
    blobs.mkdir()
    links.mkdir()
    place = blobs / "aaa"
    onnx.save_model(model, place, save_as_external_data=True, location="w.bin", size_threshold=0)
    (links / "m.onnx").symlink_to(place)
    if linked == "both":
        (blobs / "w.bin").rename(blobs / "bbb")
        (links / "w.bin").symlink_to(blobs / "bbb")
    found = ideal(hermesc.compile(links / "m.onnx", X), X)[0]
    np.testing.assert_allclose(found.numpy(), X @ weight, rtol=1e-5)


def test_a_constant_may_not_read_a_file_outside(tmp_path):
    outside = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=[4])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../secret.bin")
    nodes = [
        helper.make_node("Constant", [], ["c"], value=outside),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 4]) for n in "xy")
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]))
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside the model's folder"):
        hermesc.compile(folder / "m.onnx")


def _chain(depth):
    """Functions that each call the next one twice."""
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    functions = []
    for i in range(depth):
        op, domain = (f"f{i + 1}", "mine") if i + 1 < depth else ("Neg", "")
        nodes = [
            helper.make_node(op, ["a"], ["t"], domain=domain),
            helper.make_node(op, ["t"], ["b"], domain=domain),
        ]
        functions.append(helper.make_function("mine", f"f{i}", ["a"], ["b"], nodes, opsets))
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 4]) for n in "xy")
    graph = helper.make_graph([helper.make_node("f0", ["x"], ["y"], domain="mine")], "g", [x], [y])
    return helper.make_model(graph, functions=functions, opset_imports=opsets)


def test_functions_that_come_to_too_many_nodes_are_refused():
    message = "1073741824 nodes when its functions are written out; at most 65536 are read"
    with pytest.raises(ModelError, match=message):
        hermesc.compile(_chain(30))
    with pytest.raises(ModelError, match=r"more than 10\^12 nodes"):
        hermesc.compile(_chain(3000))
    np.testing.assert_array_equal(ideal(hermesc.compile(_chain(3), X), X)[0].numpy(), X)


def test_functions_that_call_each_other_in_a_circle_are_refused():
    model = _chain(2)
    model.functions[1].node[0].op_type, model.functions[1].node[0].domain = "f0", "mine"
    with pytest.raises(ModelError, match=r"the function f[01] of the model calls itself"):
        hermesc.compile(model)


def test_local_functions_are_written_out():
    node = helper.make_node("Twice", ["x0"], ["y0"], domain="mine")
    function = helper.make_function(
        "mine", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 18)],
    )  # fmt: skip
    x = helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y0", TensorProto.FLOAT, ["n", 4])
    model = helper.make_model(
        helper.make_graph([node], "g", [x], [y]),
        functions=[function],
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)],
    )
    np.testing.assert_array_equal(ideal(hermesc.compile(model, X), X)[0].numpy(), 2 * X)


def test_a_node_whose_operation_is_no_text_is_refused(tmp_path):
    data = one_node("Relu", [X]).SerializeToString()
    assert data.count(b"Relu") == 1
    (tmp_path / "m.onnx").write_bytes(data.replace(b"Relu", b"Re\xffu"))
    with pytest.raises(InputError, match=r"Re\\xffu: no such operation is read"):
        hermesc.compile(tmp_path / "m.onnx")
