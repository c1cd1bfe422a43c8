"""The classifier of rbf_ridge.py by way of an ONNX file (as a model file it is that classifier).

    python examples/onnx_classifier.py               # writes digits.onnx, train.npz, test.npz
    hermesc compile digits.onnx --calibration train.npz
    hermesc run digits.hermes --inputs test.npz

An ONNX file holds no example inputs, so real ones are given for calibration, by the input's name.
"""

import warnings

import numpy as np
import torch
from rbf_ridge import calibration_inputs, example_inputs, labels, model, x_test, x_train, y_test

__all__ = ["calibration_inputs", "example_inputs", "labels", "model"]

if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            model.eval(),
            example_inputs,
            "digits.onnx",
            dynamo=True,
            verbose=False,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )
    np.savez("train.npz", x=x_train.numpy())
    np.savez("test.npz", x=x_test.numpy(), labels=y_test.numpy())
    print("wrote digits.onnx, train.npz, test.npz")
