"""A program's steps as a torch module that torch.export can capture again.

Each step with a source line is a module of its own, called by its place among the steps, so that
what the exporter makes of it can be traced back. A product on crossbars becomes one node of our
domain; what is in it is said by `functions`.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from hermesc.analysis.torch_recurrence import torchs_weights
from hermesc.analysis.torch_spelling import kernel_of
from hermesrt.artifact.schema import Artifact, ConstantStep, HostStep, InputSpec, MvmStep
from hermesrt.executor import tensor_of
from hermesrt.ops.call import SIZE_ARITHMETIC, Call, run
from hermesrt.ops.table import base_name
from hermesrt.ops.window import Window

DOMAIN, VERSION = "ai.hermesc", 1

# Places of ONNX's gates among those of torch.
_GATES: Mapping[str, tuple[int, ...]] = {
    "lstm": (0, 3, 1, 2),
    "gru": (1, 0, 2),
    "gru_reset_first": (1, 0, 2),
}
# Arithmetic on sizes that torch spells otherwise while they are symbols.
_OF_SYMBOLS: Mapping[str, Callable[..., Any]] = {
    "getitem": operator.getitem,
    "sqrt": torch.sym_sqrt,
    "sym_max": torch.sym_max,
    "sym_min": torch.sym_min,
    "sym_float": torch.sym_float,
    "sym_int": torch.sym_int,
    "sym_not": torch.sym_not,
}


def captured(artifact: Artifact) -> ExportedProgram:
    """The program as torch.export sees it, free sizes symbolic."""
    inputs = tuple(_example(artifact, spec) for spec in artifact.manifest.inputs)
    marks = tuple(_marks(spec) for spec in artifact.manifest.inputs)
    with torch.no_grad():
        module = ProgramModule(artifact)
        return torch.export.export(module, inputs, dynamic_shapes=(marks,), strict=False)


def node_type(step: MvmStep, number: int) -> str:
    """What a product's node is called before it has its function."""
    return f"Step{number}" + ("Window" if step.window else "")


class ProgramModule(nn.Module):
    """All steps of a program; tensors are buffers `t0`, `t1`, ... in the order of `tensors`."""

    def __init__(self, artifact: Artifact) -> None:
        super().__init__()
        self._artifact = artifact
        self.tensors = tensors_of(artifact)
        for number, value in enumerate(self.tensors.values()):
            self.register_buffer(f"t{number}", value)
        self._place = {name: f"t{number}" for number, name in enumerate(self.tensors)}
        for number, step in enumerate(artifact.manifest.steps):
            if isinstance(step, HostStep):
                self.add_module(f"step{number}", _Host(step.call))
            elif isinstance(step, MvmStep):
                self.add_module(f"step{number}", _Product(artifact, step, number))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        manifest = self._artifact.manifest
        values: dict[str, Any] = dict(zip([i.name for i in manifest.inputs], inputs, strict=True))
        for number, step in enumerate(manifest.steps):
            taken = [values[name] for name in step.takes]
            match step:
                case ConstantStep():
                    values[step.name] = self.get_buffer(self._place[step.tensor])
                case HostStep():
                    values[step.name] = self.get_submodule(f"step{number}")(*taken)
                case MvmStep():
                    tensors = [self.get_buffer(self._place[n]) for n in weights_of(step)]
                    values[step.name] = self.get_submodule(f"step{number}")(*taken, *tensors)
        return tuple(values[name] for name in manifest.outputs)


def weights_of(step: MvmStep) -> tuple[str, ...]:
    """The tensors that a product's node takes behind its input."""
    if step.recurrence is not None:
        return tuple(f"{step.matrix}~{part}:{step.name}" for part in ("x", "h", "biases"))
    kernel = step.matrix if step.window is None else f"{step.matrix}~kernel:{step.name}"
    return tuple(name for name in (kernel, step.scale, step.bias) if name is not None)


def tensors_of(artifact: Artifact) -> dict[str, Tensor]:
    """What the ONNX model stores, by name: the kernel of a window as ONNX wants it."""
    found: dict[str, Tensor] = {}
    for step in artifact.manifest.steps:
        if isinstance(step, ConstantStep):
            found[step.tensor] = tensor_of(artifact, step.tensor)
        elif isinstance(step, MvmStep):
            if step.recurrence is not None:
                found |= zip(weights_of(step), _layer_tensors(artifact, step), strict=True)
                continue
            first, *others = weights_of(step)
            matrix = tensor_of(artifact, step.matrix)
            found[first] = matrix if step.window is None else kernel_of(step.window, matrix)
            found |= {name: tensor_of(artifact, name) for name in others}
    return found


def _layer_tensors(artifact: Artifact, step: MvmStep) -> tuple[Tensor, Tensor, Tensor]:
    """A recurrent layer's weights of x and of h, and both biases, as ONNX orders gates."""
    recurrence = step.recurrence
    assert recurrence is not None
    matrix = torch.cat([tensor_of(artifact, p.matrix) for p in step.products], 1)
    named = [p.bias for p in step.products if p.bias is not None]
    bias = torch.cat([tensor_of(artifact, name) for name in named]) if named else None
    found = torchs_weights(recurrence, matrix, bias, None)
    order = _GATES.get(recurrence.kind, (0,))
    ordered = [torch.cat([value.chunk(len(order))[place] for place in order]) for value in found]
    return ordered[0][None], ordered[1][None], torch.cat(ordered[2:])[None]


class _Host(nn.Module):
    """A digital operation."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self._call = call

    def forward(self, *taken: Any) -> Any:
        call, values = self._call, dict(zip(self._call.refs(), taken, strict=True))
        if not call.op.startswith("size."):
            return run(call, values)
        name = base_name(call.op)
        function = _OF_SYMBOLS.get(name) or SIZE_ARITHMETIC[name]
        return function(*(values.get(getattr(a, "name", ""), a) for a in call.args))


class _Product(nn.Module):
    """A product on crossbars: one node of our domain, of the right shape."""

    def __init__(self, artifact: Artifact, step: MvmStep, number: int) -> None:
        super().__init__()
        self._type = f"{DOMAIN}::{node_type(step, number)}"
        self._window, self._recurrence = step.window, step.recurrence
        self._columns = artifact.matrices[step.matrix].columns

    def forward(self, x: Tensor, *weights: Tensor) -> Tensor:
        if self._recurrence is not None:
            width = self._recurrence.width(self._recurrence.hidden)
            return self._node((x, *weights), (*x.shape[:2], width))
        if self._window is None:
            return self._node((x, *weights), (*x.shape[:-1], self._columns))
        rank = self._window.rank
        lead, sizes = x.shape[: -rank - 1], x.shape[-rank:]
        images = x if len(lead) == 1 else x.reshape(-1, *x.shape[-rank - 1 :])
        ends = _outputs(self._window, sizes)
        y = self._node((images, *weights), (images.shape[0], self._columns, *ends))
        return y if len(lead) == 1 else y.reshape(*lead, self._columns, *ends)

    def _node(self, inputs: tuple[Tensor, ...], shape: tuple[Any, ...]) -> Tensor:
        kind = inputs[0].dtype
        return torch.onnx.ops.symbolic(self._type, inputs, dtype=kind, shape=shape, version=VERSION)


def _outputs(window: Window, sizes: torch.Size) -> list[Any]:
    """Positions of a window; the sizes may be symbols."""
    found = []
    for dim, size in enumerate(sizes):
        padded = (size - 1) * window.spread[dim] + 1 + window.before[dim] + window.after[dim]
        found.append((padded - window.reach(dim)) // window.stride[dim] + 1)
    return found


def _example(artifact: Artifact, spec: InputSpec) -> Tensor:
    """A stored example, with more than one along each free size: export takes 1 for a constant."""
    value = torch.from_numpy(artifact.examples[spec.name])
    for dim, size in enumerate(spec.dims):
        if isinstance(size, str) and value.shape[dim] == 1:
            value = torch.cat([value, value], dim)
    return value


def _marks(spec: InputSpec) -> dict[int, Any]:
    return {dim: Dim.AUTO for dim, size in enumerate(spec.dims) if isinstance(size, str)}
