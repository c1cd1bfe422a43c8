"""Models that are no model.py of torch, through the command line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ..command_line import EXAMPLES, hermesc, script, succeed, succeed_json


def test_scikit_learn_example_keeps_its_accuracy(tmp_path: Path) -> None:
    said = script(EXAMPLES / "sklearn_pipeline.py", cwd=tmp_path)
    made = succeed_json("compile", EXAMPLES / "sklearn_pipeline.py", cwd=tmp_path)
    assert made["analog_ops"] == 2
    assert made["analog_mac_share"] == pytest.approx(1.0)
    run = succeed_json("run", "sklearn_pipeline.hermes", "--inputs", "test.npz", cwd=tmp_path)
    again = succeed_json(
        "compile", EXAMPLES / "sklearn_pipeline.py", "--calibration", "test.npz", cwd=tmp_path
    )
    assert again["sha256"] != made["sha256"]
    assert f"is {run['reference_accuracy']:.3f}" in said
    assert run["accuracy"] > 0.9
    assert run["outputs"]["output_0"]["shape"] == [599, 10]
    examples = succeed_json("run", "sklearn_pipeline.hermes", "--ideal", cwd=tmp_path)
    assert examples["accuracy"] == examples["reference_accuracy"] > 0.9


def test_onnx_example_keeps_its_accuracy(tmp_path: Path) -> None:
    script(EXAMPLES / "onnx_classifier.py", cwd=tmp_path)
    made = succeed_json("compile", "digits.onnx", "--calibration", "train.npz", cwd=tmp_path)
    assert made["analog_ops"] == 2
    assert made["notes"] == []
    run = succeed_json("run", "digits.hermes", "--inputs", "test.npz", cwd=tmp_path)
    assert run["accuracy"] > 0.9
    assert abs(run["accuracy"] - run["reference_accuracy"]) < 0.05


def test_pt2_file_compiles_and_runs(tmp_path: Path) -> None:
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(
        torch.nn.Linear(6, 3), (torch.randn(5, 6),), dynamic_shapes=shapes
    )
    torch.export.save(exported, tmp_path / "net.pt2")
    np.savez(tmp_path / "x.npz", input=np.ones((9, 6), np.float32))
    assert "net in net.hermes" in succeed("compile", "net.pt2", cwd=tmp_path)
    run = succeed_json("run", "net.hermes", "--inputs", "x.npz", "--ideal", cwd=tmp_path)
    assert run["outputs"]["output_0"]["shape"] == [9, 3]
    assert run["outputs"]["output_0"]["relative_error"] < 1e-6


@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("bad.onnx", b"no", "not an ONNX file"),
        ("bad.pt2", b"no", "not a .pt2 file"),
        ("model.safetensors", b"", "a model is a .py file, such as model.py or model.py:net, "),
        ("unfitted.py", b"from sklearn.svm import SVC\nmodel = SVC()\nexample_inputs = [[0]]\n",
         "1 step of the model can run neither on the chip nor on the host:\n  svc: SVC: it is not "
         "fitted"),
    ],
)  # fmt: skip
def test_bad_file_is_one_clear_error(file: str, data: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(data)
    run = hermesc("compile", file, cwd=tmp_path)
    assert run.returncode == 2
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_help_tells_what_is_compiled(tmp_path: Path) -> None:
    text = succeed("compile", "--help", cwd=tmp_path)
    for kind in ("model.py", "model.onnx", "model.pt2", "scikit-learn", "opset 13"):
        assert kind in text
