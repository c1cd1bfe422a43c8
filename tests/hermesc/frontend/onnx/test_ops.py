"""Each operation computes what onnxruntime computes."""

import numpy as np
import pytest
import torch
from onnx import TensorProto

from hermesc.frontend.onnx.module import OnnxGraph
from hermesc.frontend.onnx.operations import refusals

from .conftest import one_node, runtime

R = np.random.default_rng(0)


def f(*shape):
    return R.normal(size=shape).astype(np.float32)


def i(*values):
    return np.array(values, dtype=np.int64)


X = f(3, 4)
X3 = f(2, 3, 4)
IMAGE = f(2, 4, 7, 6)
LINE = np.array([[[1, 2, 3, 4]]], np.float32)
BOOLS = X > 0
MASK = np.array([[1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 0]], dtype=bool)  # a row of none
SCALAR = np.array(2.5, dtype=np.float32)
UNARY = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf", "Exp",
    "Floor", "IsNaN", "Log", "Neg", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin",
    "Sinh", "Sqrt", "Tan", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish", "Gelu", "Elu",
    "Selu", "Celu", "HardSigmoid", "LeakyRelu", "ThresholdedRelu", "Identity", "IsInf", "Softmax",
    "LogSoftmax", "Flatten", "Transpose", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin",
    "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ArgMax",
    "ArgMin", "Squeeze", "Trilu", "LpNormalization",
)  # fmt: skip
BINARY = (
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "Greater", "GreaterOrEqual",
    "Less", "LessOrEqual", "Equal",
)  # fmt: skip
POSITIVE = {"Acosh", "Log", "Sqrt", "Pow"}
UNIT = {"Acos", "Asin", "Atanh"}

# op, values, attributes, places of the fixed values, further settings
CASES = [
    *((op, [np.abs(X) + 1.1 if op in POSITIVE else np.tanh(X) if op in UNIT else X], {}, ())
      for op in UNARY),
    *((op, [np.abs(X) + 0.1 if op in POSITIVE else X, f(4)], {}, (1,)) for op in BINARY),
    ("Div", [i(-7, 7, 8), i(2, -2, 3)], {}, ()),
    ("Mod", [i(-7, 7, 8), i(3, -3, 3)], {}, ()),
    ("Mod", [X, f(4)], {"fmod": 1}, (1,)),
    ("And", [BOOLS, ~BOOLS], {}, ()),
    ("Or", [BOOLS, ~BOOLS], {}, ()),
    ("Xor", [BOOLS, ~BOOLS], {}, ()),
    ("Not", [BOOLS], {}, ()),
    ("Where", [BOOLS, X, SCALAR], {}, (2,)),
    ("Clip", [X, np.float32(-0.5), np.float32(0.5)], {}, (1, 2)),
    ("Clip", [X, None, np.float32(0.5)], {}, (2,)),
    ("PRelu", [X, f(4)], {}, (1,)),
    ("Gelu", [X], {"approximate": "tanh"}, ()),
    ("Elu", [X], {"alpha": 0.5}, ()),
    ("IsInf", [np.array([np.inf, -np.inf, 1], np.float32)],
     {"detect_negative": 0}, ()),
    ("Cast", [X], {"to": TensorProto.INT64}, ()),
    ("Cast", [i(0, 1, 2)], {"to": TensorProto.FLOAT}, ()),
    ("Cast", [X], {"to": TensorProto.DOUBLE}, ()),
    ("CastLike", [X, i(1)], {}, (1,)),
    ("ReduceSum", [X3, i(1, -1)], {"keepdims": 0}, (1,)),
    ("ReduceMean", [X3, i(-1)], {}, (1,)),
    ("ReduceProd", [X3, i(0, 2)], {"keepdims": 0}, (1,)),
    ("ReduceMax", [X3, i(1)], {}, (1,)),
    ("ReduceLogSum", [np.abs(X3), i(1)], {}, (1,)),
    ("ReduceSum", [X3], {"noop_with_empty_axes": 1}, ()),
    ("ArgMax", [X3], {"axis": 1, "keepdims": 0}, ()),
    ("CumSum", [X3, np.array(1)], {}, (1,)),
    ("CumSum", [X3.astype(np.int32), np.array(1)], {}, (1,)),
    ("ReduceSum", [X3.astype(np.int32), i(1)], {}, (1,)),
    ("ReduceProd", [X3.astype(np.int32), i(1)], {}, (1,)),
    ("ArgMax", [np.array([[2, 1, 2, 1]] * 3, np.float32)],
     {"axis": 1, "select_last_index": 1}, ()),
    ("ScatterElements", [X, i([0, 1, 0, 1]), f(1, 4)], {"reduction": "add"}, (1,)),
    ("Range", [np.float32(0.5), np.float32(3), np.float32(0.5)], {}, (0, 1, 2)),
    ("OneHot", [i(0, 2, -1), np.float32(3), f(2)], {}, (1,)),
    ("Dropout", [X], {}, (), {"outputs": 2}),
    ("LayerNormalization", [X3, f(4), f(4)], {}, (1, 2), {"outputs": 3}),
    ("CumSum", [X3, np.array(2)], {"exclusive": 1, "reverse": 1}, (1,)),
    ("TopK", [np.array([[2, 1, 2, 1, 2]] * 3, np.float32), i(4)], {}, (1,), {"outputs": 2}),
    ("TopK", [X, i(2)], {}, (1,), {"outputs": 2}),
    ("MatMul", [X, f(4, 5)], {}, (1,)),
    ("MatMul", [X3, f(2, 4, 5)], {}, (1,)),
    ("MatMul", [X, f(4)], {}, (1,)),
    ("Gemm", [X, f(4, 5), f(5)], {}, (1, 2)),
    ("Gemm", [X, f(5, 4), f(3, 5)], {"transB": 1, "alpha": 0.5, "beta": 2.0}, (1, 2)),
    ("Gemm", [f(4, 3), f(4, 5)], {"transA": 1}, (1,)),
    ("Gemm", [X, f(4, 5), np.full(5, np.nan, np.float32)], {"beta": 0.0}, (1, 2)),
    ("Einsum", [X3, f(4, 5)], {"equation": "btd,dm->bmt"}, (1,)),
    ("Reshape", [X3, i(0, -1)], {}, (1,)),
    ("Reshape", [X3, i(-1, 2, 2)], {}, (1,)),
    ("Transpose", [X3], {"perm": [2, 0, 1]}, ()),
    ("Flatten", [X3], {"axis": 2}, ()),
    ("Flatten", [X3], {"axis": 0}, ()),
    ("Flatten", [X3], {"axis": -1}, ()),
    ("Squeeze", [f(3, 1, 4, 1), i(1, -1)], {}, (1,)),
    ("Unsqueeze", [X, i(0, -1)], {}, (1,)),
    ("Concat", [X, f(3, 2)], {"axis": -1}, (1,)),
    ("Split", [f(3, 6), i(1, 5)], {"axis": 1}, (1,), {"outputs": 2}),
    ("Split", [f(3, 5)], {"axis": 1, "num_outputs": 2}, (), {"outputs": 2}),
    ("Slice", [X3, i(1, 0), i(3, -1), i(1, 2)], {}, (1, 2, 3)),
    ("Slice", [X3, i(-1), i(-(2**62)), i(2), i(-2)], {}, (1, 2, 3, 4)),
    ("Slice", [X3, i(2), i(0), i(1), i(-1)], {}, (1, 2, 3, 4)),
    ("Slice", [X3, i(0), i(2**62), i(2), i(2)], {}, (1, 2, 3, 4)),
    ("Gather", [X3, i(2, 0, -1)], {"axis": 1}, (1,)),
    ("Gather", [X3, np.array(-1)], {"axis": 2}, (1,)),
    ("Gather", [f(9, 4), np.array([[1, 8], [0, -2]])], {}, (0,)),
    ("Gather", [X3, np.array([[1], [0]])], {"axis": -1}, ()),
    ("GatherElements", [X, np.array([[1, -1], [0, 2], [3, 3]])], {"axis": 1}, (1,)),
    ("ScatterElements", [X, np.array([[1], [0], [-1]]), f(3, 1)], {"axis": 1}, (1, 2)),
    ("Expand", [f(3, 1), i(2, 1, 4)], {}, (1,)),
    ("Tile", [X, i(1, 3)], {}, (1,)),
    ("Pad", [X, i(0, 1, 0, 2), np.float32(0.5)], {}, (1, 2)),
    ("Pad", [X, i(0, 1, 0, 2), np.float32(-np.inf)], {}, (1,)),
    ("Pad", [X, i(2, 1), None, i(1)], {"mode": "edge"}, (1, 3)),
    ("Pad", [X, i(0, 1, 1, 2)], {"mode": "wrap"}, (1,)),
    ("Pad", [X3, i(0, 0, 1, 0, 0, 2)], {"mode": "reflect"}, (1,)),
    ("Shape", [X3], {"start": 1}, ()),
    ("Size", [X3], {}, ()),
    ("Trilu", [f(4, 4), np.array(1)], {"upper": 0}, (1,)),
    ("OneHot", [i(1, 0, -1), i(4), f(2)], {}, (1, 2)),
    ("OneHot", [i(1, 0, 3), i(4), f(2)], {"axis": 0}, (1, 2)),
    ("EyeLike", [f(4, 3)], {"k": 1}, ()),
    ("Softmax", [X3], {"axis": 1}, ()),
    ("LayerNormalization", [X3, f(4), f(4)], {}, (1, 2)),
    ("LayerNormalization", [X3, f(3, 4)], {"axis": 1, "epsilon": 0.1}, (1,)),
    ("BatchNormalization", [IMAGE, f(4), f(4), f(4), np.abs(f(4))], {}, (1, 2, 3, 4)),
    ("InstanceNormalization", [IMAGE, f(4), f(4)], {}, (1, 2)),
    ("LpNormalization", [X3], {"p": 1, "axis": 1}, ()),
    ("Conv", [IMAGE, f(5, 4, 3, 3), f(5)], {"pads": [1, 1, 1, 1], "strides": [2, 1]}, (1, 2)),
    ("Conv", [IMAGE, f(4, 2, 3, 2)], {"pads": [0, 1, 1, 0], "group": 2}, (1,)),
    ("Conv", [IMAGE, f(5, 4, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (1,)),
    ("Conv", [X3, f(5, 3, 2)], {"dilations": [2]}, (1,)),
    ("ConvTranspose", [IMAGE, f(4, 5, 3, 3), f(5)], {"strides": [2, 2]}, (1, 2)),
    ("ConvTranspose", [IMAGE, f(4, 5, 3, 3)], {"strides": [2, 2], "pads": [0, 1, 2, 1]}, (1,)),
    ("ConvTranspose", [IMAGE, f(4, 2, 3, 3)], {"dilations": [2, 1], "group": 2}, (1,)),
    ("MaxPool", [IMAGE], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]}, ()),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, ()),
    ("AveragePool", [IMAGE], {"kernel_shape": [2, 2], "ceil_mode": 1, "strides": [2, 2]}, ()),
    ("MaxPool", [LINE], {"kernel_shape": [2], "strides": [2], "pads": [0, 1], "ceil_mode": 1}, ()),
    ("AveragePool", [LINE], {"kernel_shape": [2], "strides": [2], "pads": [0, 1], "ceil_mode": 1,
                             "count_include_pad": 1}, ()),
    ("MaxPool", [IMAGE], {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [0, 1, 2, 1],
                          "ceil_mode": 1, "dilations": [1, 2]}, ()),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 1, 2, 1],
                              "ceil_mode": 1}, ()),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 0, 2],
                              "count_include_pad": 1}, ()),
    ("AveragePool", [IMAGE], {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}, ()),
    ("MaxPool", [IMAGE], {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, ()),
    ("MaxPool", [IMAGE.astype(np.int8)], {"kernel_shape": [3, 3], "pads": [1, 0, 0, 0]}, ()),
    ("GlobalAveragePool", [IMAGE], {}, ()),
    ("GlobalMaxPool", [IMAGE], {}, ()),
    ("Dropout", [X], {}, ()),
    ("GroupNormalization", [IMAGE, f(4), f(4)], {"num_groups": 2}, (1, 2), {"opset": 21}),
    ("RMSNormalization", [X3, f(4)], {}, (1,), {"opset": 23}),
    ("Attention", [f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6)], {}, (), {"opset": 23}),
    ("Attention", [f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6), MASK], {}, (), {"opset": 23}),
    ("Attention", [f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6), MASK], {}, (3,), {"opset": 23}),
    ("Attention", [f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6), np.where(MASK, 0, -np.inf).astype(
        np.float32)], {}, (3,), {"opset": 23}),
    ("Attention", [f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6)], {"softcap": 0.5}, (),
     {"opset": 23}),
    ("Attention", [f(2, 3, 8), f(2, 3, 4), f(2, 3, 4)],
     {"q_num_heads": 2, "kv_num_heads": 1, "is_causal": 1, "scale": 0.7}, (), {"opset": 23}),
    ("Attention", [f(2, 2, 3, 4), f(2, 2, 3, 4), f(2, 2, 3, 4), f(3, 3)], {}, (), {"opset": 23}),
]  # fmt: skip


def _names():
    count = {}
    for op, *_ in CASES:
        count[op] = count.get(op, 0) + 1
        yield f"{op} {count[op]}"


@pytest.mark.parametrize("case", CASES, ids=_names())
def test_operation_equals_onnxruntime(case):
    op, values, attributes, fixed, *more = case
    model = one_node(op, values, attributes, fixed=fixed, **(more[0] if more else {}))
    assert refusals(model) == []
    given = [v for place, v in enumerate(values) if place not in fixed and v is not None]
    wanted = runtime(model, *given)
    with torch.no_grad():
        found = OnnxGraph(model)(*(torch.from_numpy(np.array(v)) for v in given))
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.numpy().dtype == theirs.dtype
        assert tuple(ours.shape) == theirs.shape
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=2e-6)


ML = [
    ("Scaler", [X], {"offset": [0.5, 1, 2, 3], "scale": [2.0, 1, 0.5, 1]}, 1),
    ("Normalizer", [X], {"norm": "L1"}, 1),
    ("Normalizer", [X], {"norm": "MAX"}, 1),
    ("Binarizer", [X], {"threshold": 0.25}, 1),
    ("LinearRegressor", [X], {"coefficients": [1.0, 2, 3, 4], "intercepts": [0.5]}, 1),
    ("LinearRegressor", [X], {"coefficients": [float(n) for n in range(8)], "targets": 2}, 1),
    (
        "LinearClassifier",
        [X],
        {
            "coefficients": f(12).tolist(),
            "intercepts": f(3).tolist(),
            "classlabels_ints": [4, 2, 9],
            "post_transform": "SOFTMAX",
        },
        2,
    ),
    (
        "LinearClassifier",
        [X],
        {
            "coefficients": f(8).tolist(),
            "intercepts": [0.1, -0.1],
            "classlabels_ints": [0, 1],
            "post_transform": "LOGISTIC",
        },
        2,
    ),
    (
        "SVMRegressor",
        [X],
        {
            "coefficients": f(5).tolist(),
            "support_vectors": f(20).tolist(),
            "n_supports": 5,
            "kernel_type": "POLY",
            "kernel_params": [0.5, 1.0, 2.0],
            "rho": [0.25],
        },
        1,
    ),
    ("Imputer", [X], {"imputed_value_floats": [1.0, 2, 3, 4], "replaced_value_float": 0.0}, 1),
    ("FeatureVectorizer", [X, f(3, 2)], {"inputdimensions": [4, 2]}, 1),
]


@pytest.mark.parametrize("case", ML, ids=[f"{c[0]} {n}" for n, c in enumerate(ML)])
def test_classic_operation_equals_onnxruntime(case):
    op, values, attributes, outputs = case
    model = one_node(op, values, attributes, outputs=outputs, domain="ai.onnx.ml")
    if outputs == 2:
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    assert refusals(model) == []
    wanted = runtime(model, *values)
    found = OnnxGraph(model)(*(torch.from_numpy(v) for v in values))
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("op", "values", "attributes", "message"),
    [
        ("NonZero", [X], {}, "no such operation is read"),
        ("Softmax", [X], {"colour": 3}, "its attribute colour is not read"),
        (
            "Cast",
            [X],
            {"to": TensorProto.STRING},
            "casts to the ONNX type STRING, which no program",
        ),
        ("ScatterElements", [X, i(1), X], {"reduction": "xor"}, "its reduction is 'xor'"),
        ("Pad", [X, i(1)], {"mode": "spiral"}, "its mode is 'spiral'"),
        ("BatchNormalization", [X] * 5, {"training_mode": 1}, "it is in training mode"),
        ("AveragePool", [IMAGE], {"kernel_shape": [2, 2], "dilations": [2, 2]}, "it is dilated"),
    ],
)
def test_what_has_no_torch_form_is_refused_by_name(op, values, attributes, message):
    (refusal,) = refusals(one_node(op, values, attributes))
    assert refusal.op == op
    assert str(refusal.location) == "the_node"
    assert message in refusal.reason
