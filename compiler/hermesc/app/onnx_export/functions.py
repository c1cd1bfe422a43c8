"""Analog layers as ONNX functions: the exact product inside, tiles and cores in the metadata.

A function takes x, the matrix (a kernel in ONNX's layout under a window) and, where the layer has
them, scale and bias; these stay initializers of the model. Layers that are computed alike on the
same matrix share a function.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from onnx import FunctionProto, NodeProto, TensorProto, helper, numpy_helper

from hermesc.app.onnx_export.module import DOMAIN
from hermesrt.artifact.schema import Artifact, Matrix, MvmStep
from hermesrt.ops.recurrence import Recurrence
from hermesrt.ops.window import Window

_LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {"linear_before_reset": 1}),
    "gru_reset_first": ("GRU", {"linear_before_reset": 0}),
    "rnn_tanh": ("RNN", {"activations": ["Tanh"]}),
    "rnn_relu": ("RNN", {"activations": ["Relu"]}),
}
_PAD_MODES = {"circular": "wrap", "reflect": "reflect", "replicate": "edge"}


@dataclass(frozen=True, slots=True)
class Body:
    """What tells the computation of one layer from that of another.

    matrix: the name of the stored matrix.
    scale: whether a scale follows.
    bias: whether a bias follows.
    relu: whether a ReLU follows.
    window: what moves over the input, if anything does.
    half: whether the input is in half precision, and the product in FP32.
    recurrence: what makes the next time step's vector, if anything does, without its states' names.
    """

    matrix: str
    scale: bool
    bias: bool
    relu: bool
    window: Window | None
    half: bool
    recurrence: Recurrence | None = None

    @classmethod
    def of(cls, step: MvmStep, element_type: int) -> "Body":
        """The body of a step whose input has this ONNX type."""
        half = element_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16)
        scale, bias = step.scale is not None, step.bias is not None
        recurrence = None if step.recurrence is None else replace(step.recurrence, states=())
        return cls(step.matrix, scale, bias, step.relu, step.window, half, recurrence)


def function_names(bodies: Iterable[tuple[Body, str]]) -> dict[Body, str]:
    """A name for each body, made from its layer's."""
    found: dict[Body, str] = {}
    for body, label in bodies:
        if body not in found:
            plain = re.sub(r"\W+", "_", label, flags=re.ASCII).strip("_") or "layer"
            taken = set(found.values())
            others = (f"{plain}_{i}" for i in range(2, len(taken) + 3))
            found[body] = next(n for n in (plain, *others) if n not in taken)
    return found


def function(body: Body, name: str, matrix: Matrix, opset: int) -> FunctionProto:
    """The function of a body, with its layer's tiles and cores."""
    inputs = ["x", "matrix", *["scale"] * body.scale, *["bias"] * body.bias]
    nodes = _nodes
    if body.recurrence is not None:
        inputs, nodes = ["x", *_states(body.recurrence), "from_x", "from_h", "biases"], _recurrent
    made = helper.make_function(
        DOMAIN,
        name,
        inputs,
        ["y"],
        list(nodes(body)),
        [helper.make_opsetid("", opset)],
        doc_string=f"{matrix.label}: an analog layer, as an ideal chip computes it",
    )
    helper.set_metadata_props(made, layer_facts(matrix))
    return made


def layer_facts(matrix: Matrix) -> dict[str, str]:
    """What the chip does with a layer, as text by name."""
    cores = sorted({tile.core for tile in matrix.tiles})
    return {
        "ai.hermesc.layer": matrix.label,
        "ai.hermesc.matrix": f"{matrix.rows}x{matrix.columns}",
        "ai.hermesc.cores": ", ".join(map(str, cores)),
        "ai.hermesc.tiles": json.dumps([asdict(tile) for tile in matrix.tiles]),
        "ai.hermesc.g_max_siemens": json.dumps(matrix.g_max_siemens),
        "ai.hermesc.mode": matrix.mode,
    }


def step_facts(artifact: Artifact, step: MvmStep) -> dict[str, str]:
    """The same with what belongs to one use of the layer."""
    return layer_facts(artifact.matrices[step.matrix]) | {
        "ai.hermesc.unit": "analog",
        "ai.hermesc.step": step.name,
        "ai.hermesc.location": str(step.location),
        "ai.hermesc.input_max": repr(step.input_max),
        "ai.hermesc.output_max": json.dumps(step.output_max),
    }


def _nodes(body: Body) -> Iterator[NodeProto]:
    """The ideal product, scale, bias and ReLU; the last result is `y`."""
    x = "x"
    if body.half:
        yield helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT)
        x = "wide"
    yield helper.make_node("CastLike", ["matrix", x], ["stored"])
    if body.window is None:
        yield helper.make_node("MatMul", [x, "stored"], ["product"])
    else:
        yield from _convolution(body.window, x)
    at = "product"
    for operator, name in [("Mul", "scale")] * body.scale + [("Add", "bias")] * body.bias:
        yield helper.make_node("CastLike", [name, x], [f"{name}_like"])
        shaped = f"{name}_like"
        if body.window is not None:
            shaped = f"{name}_channels"
            yield _constant(f"{name}_axes", range(1, body.window.rank + 1))
            yield helper.make_node("Unsqueeze", [f"{name}_like", f"{name}_axes"], [shaped])
        yield helper.make_node(operator, [at, shaped], [f"{name}_applied"])
        at = f"{name}_applied"
    if body.relu:
        yield helper.make_node("Relu", [at], ["positive"])
        at = "positive"
    yield helper.make_node("CastLike", [at, "x"], ["y"])


def _states(recurrence: Recurrence) -> tuple[str, ...]:
    return ("h", "c") if recurrence.kind == "lstm" else ("h",)


def _recurrent(body: Body) -> Iterator[NodeProto]:
    """ONNX's own layer, whose inputs and outputs have the time first; the last result is `y`."""
    recurrence, like = body.recurrence, "x"
    assert recurrence is not None
    if body.half:
        yield helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT)
        like = "wide"
    yield _constant("first", [0])
    given = []
    for name in (*_states(recurrence), "from_x", "from_h", "biases"):
        yield helper.make_node("CastLike", [name, like], [f"{name}_like"])
        given.append(f"{name}_like")
    states, weights = given[:-3], given[-3:]
    firsts = [f"{name}_first" for name in states]
    for name, first in zip(states, firsts, strict=True):
        yield helper.make_node("Unsqueeze", [name, "first"], [first])
    yield helper.make_node("Transpose", [like], ["steps"], perm=[1, 0, 2])
    outputs = ["h_all", "h_last", "c_last"] if recurrence.cells else ["h_all"]
    name, more = _LAYERS[recurrence.kind]
    direction = "reverse" if recurrence.reverse else "forward"
    settings: dict[str, Any] = {"direction": direction, "hidden_size": recurrence.hidden}
    taken = ["steps", *weights, "", *firsts]
    yield helper.make_node(name, taken, outputs, **settings, **more)
    yield _constant("second", [1])
    yield helper.make_node("Squeeze", ["h_all", "second"], ["h_steps"])
    yield helper.make_node("Transpose", ["h_steps"], ["made"], perm=[1, 0, 2])
    at = "made"
    if recurrence.cells:  # of which the last alone is ever taken
        yield helper.make_node("Transpose", ["c_last"], ["c_beside"], perm=[1, 0, 2])
        yield helper.make_node("Shape", ["made"], ["sizes"])
        yield helper.make_node("Expand", ["c_beside", "sizes"], ["c_all"])
        yield helper.make_node("Concat", ["made", "c_all"], ["both"], axis=2)
        at = "both"
    yield helper.make_node("CastLike", [at, "x"], ["y"])


def _convolution(window: Window, x: str) -> Iterator[NodeProto]:
    """The window's convolution, and its padding where a convolution has no such one."""
    if max(window.spread) > 1:
        first = [window.reach(d) - 1 - window.before[d] for d in range(window.rank)]
        last = [window.reach(d) - 1 - window.after[d] for d in range(window.rank)]
        yield helper.make_node(
            "ConvTranspose",
            [x, "stored"],
            ["product"],
            strides=window.spread,
            dilations=window.dilation,
            pads=[*first, *(max(p, 0) for p in last)],
            output_padding=[max(-p, 0) for p in last],
        )
        return
    pads = [*window.before, *window.after]
    if window.mode != "zeros" or min(pads) < 0:
        yield _constant("widths", [0, 0, *window.before, 0, 0, *window.after])
        mode = _PAD_MODES.get(window.mode, "constant")
        yield helper.make_node("Pad", [x, "widths"], ["padded"], mode=mode)
        x, pads = "padded", [0] * len(pads)
    yield helper.make_node(
        "Conv", [x, "stored"], ["product"],
        strides=window.stride, dilations=window.dilation, pads=pads,
    )  # fmt: skip


def _constant(name: str, values: Sequence[int]) -> NodeProto:
    value = numpy_helper.from_array(np.array(values, np.int64))
    return helper.make_node("Constant", [], [name], value=value)
