"""Resizing, quantized numbers, trees and encoders, as onnxruntime."""

import numpy as np
import onnx
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.decomposition import KernelPCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier

import hermesc
from hermesc.frontend.onnx.module import OnnxGraph
from hermesc.frontend.onnx.operations import refusals
from hermesrt.errors import UnsupportedOpError

from .conftest import one_node, runtime

R = np.random.default_rng(1)


def f(*shape):
    return R.normal(size=shape).astype(np.float32)


IMAGE = f(2, 3, 5, 7)
SCALES = np.array([1, 1, 1.7, 0.6], np.float32)
SIZES = np.array([2, 3, 9, 4])
ONE, ZERO = np.float32(0.05), np.uint8(120)
EACH = np.array([0.02, 0.05, 0.1], np.float32)
SIGNED, BYTES = R.integers(-128, 128, (4, 3), np.int8), R.integers(0, 256, (5, 4), np.uint8)
KERNEL = R.integers(-128, 128, (4, 3, 3, 3), np.int8)
PIXELS = R.integers(0, 256, (2, 3, 5, 7), np.uint8)


def resized(settings, *, by_size=False):
    values = [IMAGE, None, None, SIZES] if by_size else [IMAGE, None, SCALES]
    return ("Resize", values, settings, (3,) if by_size else (2,))


CASES = [
    *(
        resized({"mode": mode, "coordinate_transformation_mode": place}, by_size=by_size)
        for mode in ("nearest", "linear", "cubic")
        for place in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
        for by_size in (False, True)
        if by_size or place != "align_corners"
    ),
    *(
        resized({"nearest_mode": m, "coordinate_transformation_mode": "asymmetric"})
        for m in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    ),
    resized({"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}),
    ("DequantizeLinear", [BYTES, ONE, ZERO], {}, (1, 2)),
    ("DequantizeLinear", [SIGNED, EACH, np.array([1, 0, -3], np.int8)], {"axis": 1}, (1, 2)),
    ("DequantizeLinear", [SIGNED, ONE], {}, (1,)),
    ("QuantizeLinear", [f(5, 4) * 9, ONE, ZERO], {}, (1, 2)),
    ("QuantizeLinear", [f(5, 3), EACH, np.array([1, 0, -3], np.int8)], {"axis": -1}, (1, 2)),
    ("DynamicQuantizeLinear", [f(5, 4)], {}, (), {"outputs": 3}),
    ("MatMulInteger", [BYTES, SIGNED, ZERO, np.int8(3)], {}, (1, 2, 3)),
    ("MatMulInteger", [BYTES, SIGNED], {}, (1,)),
    (
        "QLinearMatMul",
        [BYTES, ONE, ZERO, SIGNED, ONE, np.int8(0), np.float32(0.9), ZERO],
        {},
        (1, 2, 3, 4, 5, 6, 7),
    ),
    ("ConvInteger", [PIXELS, KERNEL.view(np.uint8), ZERO], {"pads": [1, 1, 1, 1]}, (1, 2)),
    (
        "QLinearConv",
        [
            *(PIXELS, ONE, ZERO, KERNEL, np.array([0.01, 0.02, 0.03, 0.04], np.float32)),
            *(np.zeros(4, np.int8), np.float32(0.6), ZERO, R.integers(-999, 999, 4, np.int32)),
        ],
        {"strides": [2, 1]},
        tuple(range(1, 9)),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_operation_equals_onnxruntime(case):
    op, values, attributes, fixed, *more = case
    values = [None if v is None else np.asarray(v) for v in values]
    model = one_node(op, values, attributes, fixed=fixed, **(more[0] if more else {}))
    assert refusals(model) == []
    given = [v for place, v in enumerate(values) if place not in fixed and v is not None]
    wanted = runtime(model, *given)
    with torch.no_grad():
        found = OnnxGraph(model)(*(torch.from_numpy(np.array(v)) for v in given))
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.numpy().dtype == theirs.dtype
        # one step where a quotient lies on the border of two codes
        atol = 1.0 if theirs.dtype.kind in "iu" and "Linear" in op and op[0] == "Q" else 1e-5
        np.testing.assert_allclose(
            ours.numpy().astype(np.float64), theirs.astype(np.float64), rtol=1e-4, atol=atol
        )


X, Y = load_iris(return_X_y=True)
TWO = (Y > 0).astype(int)
# estimator, targets, products with a fixed matrix
EXPORTS = {
    "process": (GaussianProcessRegressor(alpha=0.1), X[:, 0] - X[:, 1], 2),
    "kernel PCA": (KernelPCA(2, kernel="rbf", gamma=0.2), None, None),
    "neighbours": (KNeighborsClassifier(3), Y, 1),
    "tree": (DecisionTreeClassifier(random_state=0), Y, 0),
    "forest": (RandomForestClassifier(4, random_state=0), Y, 0),
    "forest of two": (RandomForestClassifier(4, random_state=0), TWO, 0),
    "forest of numbers": (RandomForestRegressor(4, random_state=0), X[:, 3], 0),
    "boosted": (GradientBoostingClassifier(n_estimators=3), Y, 0),
    "boosted, two": (GradientBoostingClassifier(n_estimators=3), TWO, 0),
    "boosted numbers": (GradientBoostingRegressor(n_estimators=3), X[:, 3], 0),
    "old opset": (SVR(), X[:, 3], 2),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_of_skl2onnx_equal_onnxruntime_on_three_batches(name):
    from skl2onnx import to_onnx

    estimator, y, products = EXPORTS[name]
    estimator.fit(X, y)
    options = {type(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
    model = to_onnx(estimator, X[:1].astype(np.float32), options=options)
    program = hermesc.compile(model, X[:20].astype(np.float32))
    chip = program.deploy(hermesc.simulate(), "ideal").configure(ideal=True)
    if products is not None:
        assert len(program.artifact.mvms) == products
    for rows in (1, 6, 33):
        x = (X[R.permutation(150)[:rows]] + R.normal(size=(rows, 4)) * 0.1).astype(np.float32)
        wanted = runtime(model, x)
        found = chip(x)
        found = found if isinstance(found, tuple) else (found,)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-5)


class Perceptron(torch.nn.Module):
    """Two layers whose weights are large enough to be quantized."""

    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(12, 96), torch.nn.Linear(96, 5)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


@pytest.mark.parametrize("way", ["dynamic", "with the ranges of data"])
def test_models_that_onnxruntime_quantized_are_analog_and_equal_to_it(way, export, tmp_path):
    from onnxruntime import quantization

    torch.manual_seed(0)
    path, made = export(Perceptron(), torch.randn(4, 12), dynamo=False, opset=17), tmp_path / "q"
    if way == "dynamic":
        quantization.quantize_dynamic(path, made)
    else:

        class Reader(quantization.CalibrationDataReader):
            def __init__(self):
                self.rows = iter([{"in.0": f(16, 12)}])

            def get_next(self):
                return next(self.rows, None)

        quantization.quantize_static(path, made, Reader(), per_channel=True)
    model = onnx.load(made)
    program = hermesc.compile(model, f(16, 12))
    assert len(program.artifact.mvms) == 2
    chip = program.deploy(hermesc.simulate(), "ideal").configure(ideal=True)
    for rows in (1, 6, 33):
        x = f(rows, 12)
        wanted = runtime(model, x)[0]
        assert np.abs(chip(x).numpy() - wanted).max() < 0.02 * np.abs(wanted).max()


def test_categories_of_numbers_have_columns():
    from skl2onnx import to_onnx

    x = R.integers(0, 4, (30, 2))
    model = to_onnx(OneHotEncoder(sparse_output=False).fit(x), x[:1].astype(np.int64))
    (found,) = OnnxGraph(onnx.inliner.inline_local_functions(model))(torch.from_numpy(x))
    np.testing.assert_allclose(found.numpy(), runtime(model, x)[0])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (one_node("Resize", [IMAGE, None, SCALES], {"antialias": 1}, fixed=(2,)), "its antialias"),
        (
            one_node(
                *("OneHotEncoder", [f(3)], {"cats_strings": ["a"]}),
                domain="ai.onnx.ml",
            ),
            "it takes strings",
        ),
    ],
)
def test_what_has_no_torch_form_says_why(model, message):
    with pytest.raises(UnsupportedOpError, match=message):
        hermesc.compile(model)
