"""Every kind of model takes calibration data by name, as tensors or as arrays."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from torch import nn

import hermesc
from hermesc.frontend.request import ModelRequest, calibration_tensors
from hermesrt.errors import ModelError

ROWS = np.random.default_rng(0).standard_normal((32, 6))


def _module(tmp_path):
    return nn.Linear(6, 3).eval(), (torch.zeros(2, 6),)


def _exported(tmp_path):
    batch = {0: torch.export.Dim.DYNAMIC}
    return torch.export.export(*_module(tmp_path), dynamic_shapes=(batch,)), None


def _onnx(tmp_path):
    weights = numpy_helper.from_array(ROWS[:6, :3].astype(np.float32), "w")
    x = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])
    node = helper.make_node("MatMul", ["input", "w"], ["y"])
    graph = helper.make_graph([node], "g", [x], [y], [weights])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "m.onnx")
    return tmp_path / "m.onnx", None


def _file(tmp_path):
    text = "import torch\nmodel = torch.nn.Linear(6, 3)\nexample_inputs = (torch.zeros(2, 6),)\n"
    (tmp_path / "net.py").write_text(text)
    return tmp_path / "net.py", None


def _estimator(tmp_path):
    return LogisticRegression().fit(ROWS, ROWS[:, 0] > 0), ROWS


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (_module, "input"),
        (_exported, "input"),
        (_onnx, "input"),
        (_file, "input"),
        (_estimator, "x"),
    ],
)
def test_arrays_by_name_calibrate_as_tensors_do(build, name, tmp_path):
    torch.manual_seed(0)
    model, examples = build(tmp_path)
    wanted = hermesc.compile(model, examples, calibration={name: torch.from_numpy(ROWS).float()})
    assert wanted.artifact.manifest.calibration_rows == len(ROWS)
    for rows in (ROWS, ROWS.astype(np.float32)):
        found = hermesc.compile(model, examples, calibration={name: rows})
        assert found.sha256 == wanted.sha256


def test_what_is_no_array_is_refused_by_its_name():
    request = ModelRequest(None, calibration={"x": "rows"}, where="net.py: ")
    with pytest.raises(ModelError, match=r"net.py: `calibration_inputs\['x'\]` is a str, not a"):
        calibration_tensors(request)
