"""A program as an ONNX model: digital operations as ONNX has them, analog layers as functions."""
