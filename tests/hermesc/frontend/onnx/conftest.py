"""Small ONNX models, what onnxruntime says of them, and what is tried of them."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_iris
from torch import Tensor, nn

import hermesc

_ROWS = load_iris().data.astype(np.float32)
_RUNTIME_IR = 10  # the newest that onnxruntime reads


def one_node(
    op: str,
    values: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    *,
    fixed: Sequence[int] = (),
    outputs: int = 1,
    opset: int = 20,
    domain: str = "",
) -> onnx.ModelProto:
    """A model of one node; the values at the places `fixed` are weights, None is left out."""
    names = ["" if v is None else f"x{i}" for i, v in enumerate(values)]
    inputs, weights = [], []
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        if value is None:
            continue
        if i in fixed:
            weights.append(numpy_helper.from_array(value, name))
            continue
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        sizes = ["batch" if i == 0 and a == 0 else s for a, s in enumerate(value.shape)]
        inputs.append(helper.make_tensor_value_info(name, kind, sizes))
    made = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, made, name="the_node", domain=domain, **(attributes or {}))
    graph = helper.make_graph(
        [node], "g", inputs, [helper.make_empty_tensor_value_info(n) for n in made], weights
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_RUNTIME_IR)
    if domain:
        for value in model.graph.output:
            value.type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
        return model
    return onnx.shape_inference.infer_shapes(model)


def runtime(model: onnx.ModelProto | Path, *inputs: Any) -> list[Any]:
    """What onnxruntime gives."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    data = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    given = {n: np.asarray(v) for n, v in zip(names, inputs, strict=True)}
    return list(session.run(None, given))


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A file that torch.onnx wrote: export(model, inputs, dynamo=..., sequence=...)."""

    def write(
        model: torch.nn.Module,
        *inputs: torch.Tensor,
        dynamo: bool,
        opset: int | None = None,
        symbolic: Sequence[int] = (0,),
        external: bool = False,
    ) -> Path:
        path = tmp_path_factory.mktemp("onnx") / "model.onnx"
        settings: dict[str, Any] = {}
        if dynamo:
            marks = dict.fromkeys(symbolic, torch.export.Dim.DYNAMIC)
            settings |= {"dynamic_shapes": tuple(marks for _ in inputs), "verbose": False}
            settings |= {"external_data": external}
        else:
            names = [f"in.{i}" for i in range(len(inputs))]
            settings |= {"input_names": names}
            settings |= {"dynamic_axes": {n: {a: f"size{a}" for a in symbolic} for n in names}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model.eval(), inputs, path, dynamo=dynamo, opset_version=opset, **settings
            )
        return path

    return write


class KernelMachine(nn.Module):
    """Random features and a ridge head."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.register_buffer("omega", torch.randn(16, 32))
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Any:
        z = self.norm(x) @ self.omega
        return self.head(torch.cat([z.cos(), z.sin()], -1) / 32**0.5)


class Favor(nn.Module):
    """Attention by positive random features, its projection repeated over batch and heads."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.register_buffer("omega", torch.randn(8, 24))

    def features(self, u: Tensor) -> Tensor:
        omega = self.omega.expand(*u.shape[:2], -1, -1)
        u = u * u.shape[-1] ** -0.25
        h = u.square().sum(-1, keepdim=True) / 2
        return torch.exp(torch.einsum("bhtd,bhdm->bhtm", u, omega) - h) + 1e-4

    def forward(self, x: Tensor) -> Any:
        b, t, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, 2, 8).permute(2, 0, 3, 1, 4)
        q, k = self.features(q), self.features(k)
        y = torch.einsum("bhtm,bhmd->bhtd", q, torch.einsum("bhtm,bhtd->bhmd", k, v))
        y = y / torch.einsum("bhtm,bhm->bht", q, k.sum(2)).unsqueeze(-1)
        y = y.transpose(1, 2).reshape(b, t, 16)
        mask = torch.ones(t, t, dtype=torch.bool).tril()
        scores = torch.where(mask, y @ y.transpose(1, 2), -1e9).softmax(-1)
        return self.out(F.gelu(scores @ y)), x[:, ::2, 1:-1].mean(1), (x > 0).float().sum(-1)


def ideal(program: Any, *inputs: Any) -> Any:
    """The program's outputs without any non-ideality."""
    chip = program.deploy(hermesc.simulate(), method="ideal").configure(ideal=True)
    outputs = chip(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def changed_product(change: Callable[[onnx.ModelProto], Any]) -> onnx.ModelProto:
    """A product with a fixed matrix, after a change."""
    model = one_node("MatMul", [_ROWS, np.ones((4, 2), np.float32)], fixed=(1,))
    change(model)
    return model
