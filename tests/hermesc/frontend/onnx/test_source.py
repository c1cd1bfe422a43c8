"""Whole ONNX models: exported by torch and skl2onnx, broken, hostile."""

import os
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
from hermesrt.errors import InputError, ModelError, UnsupportedOpError

from .conftest import one_node, runtime


class KernelMachine(nn.Module):
    """Random features and a ridge head."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.register_buffer("omega", torch.randn(16, 32))
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        z = self.norm(x) @ self.omega
        return self.head(torch.cat([z.cos(), z.sin()], -1) / 32**0.5)


class Favor(nn.Module):
    """Attention by positive random features, its projection repeated over batch and heads."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.register_buffer("omega", torch.randn(8, 24))

    def features(self, u):
        omega = self.omega.expand(*u.shape[:2], -1, -1)
        u = u * u.shape[-1] ** -0.25
        h = u.square().sum(-1, keepdim=True) / 2
        return torch.exp(torch.einsum("bhtd,bhdm->bhtm", u, omega) - h) + 1e-4

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, 2, 8).permute(2, 0, 3, 1, 4)
        q, k = self.features(q), self.features(k)
        y = torch.einsum("bhtm,bhmd->bhtd", q, torch.einsum("bhtm,bhtd->bhmd", k, v))
        y = y / torch.einsum("bhtm,bhm->bht", q, k.sum(2)).unsqueeze(-1)
        y = y.transpose(1, 2).reshape(b, t, 16)
        mask = torch.ones(t, t, dtype=torch.bool).tril()
        scores = torch.where(mask, y @ y.transpose(1, 2), -1e9).softmax(-1)
        return self.out(F.gelu(scores @ y)), x[:, ::2, 1:-1].mean(1), (x > 0).float().sum(-1)


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


def ideal(program, *inputs):
    """The program's outputs without any non-ideality."""
    chip = program.deploy(hermesc.simulate(), method="ideal").configure(ideal=True)
    outputs = chip(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)


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


def test_old_opset_is_refused_where_an_operation_has_changed():
    message = "it is of opset 12; the oldest that is read is 13, and Softmax changed since"
    with pytest.raises(ModelError, match=message):
        hermesc.compile(one_node("Softmax", [X], opset=12))
    hermesc.compile(one_node("Relu", [X], opset=13))
    hermesc.compile(one_node("Cos", [X], opset=12))


def _broken(change):
    model = one_node("MatMul", [X, np.ones((4, 2), np.float32)], fixed=(1,))
    change(model)
    return model


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
        hermesc.compile(_broken(change))


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


def test_a_model_whose_inputs_are_too_large_asks_for_examples():
    model = _broken(lambda m: m.graph.input[0].type.tensor_type.shape.dim[0].__setattr__(
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
        hermesc.compile(_broken(lambda _: None), inputs)


def test_calibration_of_another_name_is_refused():
    with pytest.raises(ModelError, match="lacks the input x0; it has X"):
        hermesc.compile(_broken(lambda _: None), calibration={"X": torch.from_numpy(X)})


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

    model = _broken(outside)
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


def test_a_pad_with_a_given_value_compiles():
    fill = np.float32(2.5)
    model = one_node("Pad", [X, np.array([0, 1, 0, 1]), fill], fixed=(1, 2))
    wanted = np.pad(X, ((0, 0), (1, 1)), constant_values=2.5)
    np.testing.assert_allclose(ideal(hermesc.compile(model, X), X)[0].numpy(), wanted, rtol=1e-5)


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


def test_a_run_that_takes_more_than_the_machines_memory_is_refused():
    sizes = numpy_helper.from_array(np.array([2**14, 2**14]), "s")
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["t0"])]
    nodes += [helper.make_node("Add", [f"t{i}", "x"], [f"t{i + 1}"]) for i in range(2000)]
    nodes += [helper.make_node("ReduceSum", ["t2000"], ["y"])]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1]) for n in "xy")
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y], [sizes]))
    with pytest.raises(ModelError, match="more than the machine's memory"):
        hermesc.compile(model, np.ones((1, 1), np.float32))


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


def test_a_node_whose_operation_is_no_text_is_refused(tmp_path):
    data = one_node("Relu", [X]).SerializeToString()
    assert data.count(b"Relu") == 1
    (tmp_path / "m.onnx").write_bytes(data.replace(b"Relu", b"Re\xffu"))
    with pytest.raises(InputError, match=r"Re\\xffu: no such operation is read"):
        hermesc.compile(tmp_path / "m.onnx")
