"""ONNX models as torch modules: a file is read as data and never executed."""
