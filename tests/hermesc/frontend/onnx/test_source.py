"""Whole ONNX models, exported by torch and skl2onnx."""

import warnings

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC, SVR
from torch import nn

import hermesc
from hermesrt.errors import ModelError, UnsupportedOpError

from .conftest import Favor, KernelMachine, ideal, one_node, runtime


class Convolutional(nn.Module):
    """A convolution, a transposed one and a linear head."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.SiLU())
        self.wider = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(128, 5))

    def forward(self, x):
        return self.head(self.wider(F.max_pool2d(self.body(x), 2))).log_softmax(-1)


class Tokens(nn.Module):
    """An embedding, a Transformer layer, positions cut to the length."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.position = nn.Parameter(torch.randn(32, 16))
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, ids):
        return self.layer(self.embed(ids) + self.position[: ids.shape[1]])[:, 0]


# name: model, inputs, symbolic axes, products with a fixed matrix
MODELS = {
    "kernel machine": (KernelMachine, (torch.randn(4, 16),), (0,), 2),
    "favor": (Favor, (torch.randn(3, 5, 16),), (0, 1), 4),
    "convolutional": (Convolutional, (torch.randn(2, 3, 8, 8),), (0,), 3),
    "tokens": (Tokens, (torch.randint(0, 20, (3, 7)),), (0,), 4),
}
WAYS = {
    "classic, opset 17": {"dynamo": False, "opset": 17},
    "classic, opset 20": {"dynamo": False, "opset": 20},
    "dynamo": {"dynamo": True},
    "dynamo, opset 23": {"dynamo": True, "opset": 23, "external": True},
}


@pytest.mark.parametrize(
    ("name", "way"),
    [(n, w) for n in MODELS for w in WAYS if n in ("kernel machine", "favor") or "opset" not in w]
    + [("tokens", "dynamo, opset 23"), ("tokens", "classic, opset 17")],
)
def test_exported_model_equals_onnxruntime_on_other_sizes(name, way, export):
    kind, inputs, symbolic, mvms = MODELS[name]
    torch.manual_seed(0)
    path = export(kind(), *inputs, symbolic=symbolic, **WAYS[way])
    program = hermesc.compile(path, inputs)
    assert program.artifact.count("analog") == mvms
    larger = [torch.cat([x, x[:1]]) for x in inputs]
    if 1 in symbolic:
        larger = [torch.cat([x, x[:, :2]], 1) for x in larger]
    for ours, theirs in zip(ideal(program, *larger), runtime(path, *larger), strict=True):
        assert tuple(ours.shape) == theirs.shape
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-5)


def test_weights_and_nodes_keep_their_names(export):
    path = export(KernelMachine(), torch.randn(4, 16), dynamo=True)
    artifact = hermesc.compile(path).artifact
    assert {m.label for m in artifact.manifest.matrices} == {"omega", "head"}
    assert [str(s.location) for s in artifact.mvms] == ["node_MatMul_3", "node_linear"] or all(
        str(s.location).startswith("node_") for s in artifact.mvms
    )


X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32)


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize(
    ("model", "targets"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), Y),
        (make_pipeline(StandardScaler(), PCA(2), LogisticRegression()), Y * 3 + 2),
        (make_pipeline(Normalizer(), LogisticRegression()), (Y > 0).astype(int)),
        (make_pipeline(StandardScaler(), Ridge()), X[:, 0] * X[:, 1]),
        (make_pipeline(StandardScaler(), SVR()), X[:, 0] * X[:, 1]),
    ],
)
def test_skl2onnx_pipeline_equals_onnxruntime(model, targets, zipmap):
    from skl2onnx import to_onnx

    model.fit(X, targets)
    options = {"zipmap": zipmap} if hasattr(model, "classes_") else None
    proto = to_onnx(model, X[:1], target_opset={"": 18, "ai.onnx.ml": 3}, options=options)
    classifies = targets.dtype.kind == "i"
    program = hermesc.compile(proto, X, labels=targets if classifies else None)
    wanted = [
        np.array([list(row.values()) for row in value]) if isinstance(value, list) else value
        for value in runtime(proto, X)
    ]
    for ours, theirs in zip(ideal(program, X), wanted, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-5)
    if classifies:
        chip = program.deploy(hermesc.simulate(), method="ideal").configure(ideal=True)
        assert chip.report().accuracy == pytest.approx(model.score(X, targets))


def test_labels_that_are_strings_leave_the_scores():
    from skl2onnx import to_onnx

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, np.array(list("abc"))[Y])
    proto = to_onnx(model, X[:1], target_opset={"": 18, "ai.onnx.ml": 3})
    program = hermesc.compile(proto, X)
    (scores,) = ideal(program, X)
    np.testing.assert_allclose(scores.numpy(), model.predict_proba(X), rtol=1e-3, atol=1e-5)
    assert "outputs of strings are left out" in " ".join(program.artifact.manifest.notes)


def test_all_unknown_nodes_are_listed_at_once():
    nodes = [
        helper.make_node("NonZero", ["x"], ["a"], name="first"),
        helper.make_node("Relu", ["x"], ["b"], name="fine"),
        helper.make_node("Mystery", ["b"], ["c"], name="second", domain="org.example"),
        helper.make_node("Det", ["b"], ["d"]),
        helper.make_node("NoSuchThing", ["b"], ["e"], name="third"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n", 4])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("org.example", 1)]
    graph = helper.make_graph(nodes, "g", [x], [y])
    with pytest.raises(UnsupportedOpError) as caught:
        hermesc.compile(helper.make_model(graph, opset_imports=opsets))
    text = str(caught.value)
    assert text.startswith("4 nodes of the model can run neither on the chip nor on the host:")
    assert "first: NonZero: no such" in text
    assert "second: org.example.Mystery: no such" in text
    assert "Det_3: Det: no such" in text
    assert "third: NoSuchThing: no such" in text


@pytest.mark.parametrize("targets", [Y * 2 + 1, (Y > 0).astype(int)])
def test_kernel_classifier_by_skl2onnx_equals_onnxruntime(targets):
    proto = _svm(make_pipeline(StandardScaler(), SVC()).fit(X, targets))
    program = hermesc.compile(proto, X)
    assert program.artifact.count("analog") == 2
    for ours, theirs in zip(ideal(program, X), runtime(proto, X), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-5)


def _svm(model):
    from skl2onnx import to_onnx

    options = {"zipmap": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return to_onnx(model, X[:1], target_opset={"": 18, "ai.onnx.ml": 3}, options=options)


def test_a_refusal_says_that_the_pipeline_itself_may_be_given():
    with pytest.raises(UnsupportedOpError, match=r"hermesc\.compile\(pipeline, X\) takes it"):
        hermesc.compile(one_node("NonZero", [np.ones((3, 4), np.float32)]))


def test_a_size_that_depends_on_the_data_names_its_node():
    values = [np.ones((3, 4), np.float32), np.array([2, -1])]
    with pytest.raises(ModelError, match=r"the node the_node \(Reshape\): its sizes depend on the"):
        hermesc.compile(one_node("Reshape", values))


@pytest.mark.parametrize(
    ("op", "values"),
    [
        ("ConstantOfShape", [np.array([2**20, 2**20])]),
        ("Tile", [X, np.array([2**20, 2**20])]),
        ("Expand", [X[:1], np.array([2**40, 4])]),
        ("Range", [np.array(0), np.array(2**60), np.array(1)]),
    ],
)
def test_tensors_that_only_burn_memory_are_refused(op, values):
    model = one_node(op, values, fixed=range(len(values)))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    model.graph.input.append(x)
    with pytest.raises(ModelError, match=r"it makes a tensor of the sizes"):
        hermesc.compile(model)


def test_a_pad_with_a_given_value_compiles():
    fill = np.float32(2.5)
    model = one_node("Pad", [X, np.array([0, 1, 0, 1]), fill], fixed=(1, 2))
    wanted = np.pad(X, ((0, 0), (1, 1)), constant_values=2.5)
    np.testing.assert_allclose(ideal(hermesc.compile(model, X), X)[0].numpy(), wanted, rtol=1e-5)


def test_a_run_that_takes_more_than_the_machines_memory_is_refused():
    sizes = numpy_helper.from_array(np.array([2**14, 2**14]), "s")
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["t0"])]
    nodes += [helper.make_node("Add", [f"t{i}", "x"], [f"t{i + 1}"]) for i in range(2000)]
    nodes += [helper.make_node("ReduceSum", ["t2000"], ["y"])]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1]) for n in "xy")
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y], [sizes]))
    with pytest.raises(ModelError, match="more than the machine's memory"):
        hermesc.compile(model, np.ones((1, 1), np.float32))


def test_a_model_file_may_hold_an_onnx_model(model_file, tmp_path):
    one_node("MatMul", [X, np.ones((4, 2), np.float32)], fixed=(1,))
    model = one_node("MatMul", [X, np.ones((4, 2), np.float32)], fixed=(1,))
    onnx.save_model(model, tmp_path / "m.onnx")
    path = model_file(f"import onnx\nmodel = onnx.load({str(tmp_path / 'm.onnx')!r})\n")
    assert hermesc.compile(path).artifact.mvms


def test_weights_of_any_dtype_are_read():
    half = numpy_helper.from_array(np.ones((4, 2), np.float16), "w")
    node = helper.make_node("Cast", ["w"], ["v"], to=TensorProto.FLOAT)
    product = helper.make_node("MatMul", ["x", "v"], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph([node, product], "g", [x], [y], [half])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    assert hermesc.compile(model, X).artifact.mvms
