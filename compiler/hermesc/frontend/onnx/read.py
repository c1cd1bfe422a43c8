"""An ONNX file as a checked ModelProto with all of its weights; the file may come from anywhere."""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto

from hermesc.frontend.onnx.external import load_outside, outside_tensors
from hermesc.frontend.onnx.functions import check_functions
from hermesrt.errors import HermescError, ModelError
from hermesrt.files.atomic import read_file

OLDEST_OPSET = 13  # those behind it only added types and attributes
_OLDEST_TYPES = 9  # from here on these only got further types
_MORE_TYPES = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "ArgMax",
        "ArgMin",
        "BatchNormalization",
        "Cast",
        "Ceil",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Div",
        "Equal",
        "Erf",
        "Exp",
        "Expand",
        "Flatten",
        "Floor",
        "Gather",
        "Gemm",
        "Greater",
        "Identity",
        "Less",
        "Log",
        "MatMul",
        "Max",
        "Mean",
        "Min",
        "Mul",
        "Neg",
        "Not",
        "Pow",
        "Reciprocal",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSumSquare",
        "Relu",
        "Reshape",
        "Shape",
        "Sigmoid",
        "Sign",
        "Size",
        "Sqrt",
        "Sub",
        "Sum",
        "Tanh",
        "Tile",
        "Transpose",
        "Where",
        "Scan",
    ]
)


def read_model(path: Path) -> ModelProto:
    """The model in a file, with the weights that lie beside it.

    Raises: ModelError for what is no ONNX file, or points outside its own folder; InputError when
    it cannot be read.
    """
    data = read_file(path, "model")
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RecursionError):
        raise ModelError(f"{path}: not an ONNX file, or a damaged one; export it again") from None
    if not model.HasField("graph"):
        raise ModelError(f"{path}: not an ONNX file: it holds no graph")
    with damaged(f"{path}: "):
        for tensor in outside_tensors(model):
            load_outside(tensor, path)
    return model


def prepared(model: ModelProto, where: str) -> ModelProto:
    """The model with its local functions written out.

    Raises: ModelError for weights that were not loaded, and for an old opset.
    """
    if any(True for _ in outside_tensors(model)):
        raise ModelError(f"{where}its weights are not loaded; give the path of the .onnx file")
    with damaged(where):
        model = _raised(model, where)
        check_functions(model, where)
        return onnx.inliner.inline_local_functions(model) if model.functions else model


def _raised(model: ModelProto, where: str) -> ModelProto:
    """The model, of OLDEST_OPSET if it is of an older one that says the same of its operations.

    Raises: ModelError that names the operations whose definition changed since.
    """
    old = versions(model).get("", OLDEST_OPSET)
    if old >= OLDEST_OPSET:
        return model
    nodes = itertools.chain(all_nodes(model.graph.node), *(f.node for f in model.functions))
    changed = sorted({n.op_type for n in nodes if not n.domain and _changed(n.op_type, old)})
    if changed or any(opset.domain == "" for f in model.functions for opset in f.opset_import):
        raise ModelError(
            f"{where}it is of opset {old}; the oldest that is read is {OLDEST_OPSET}, and "
            f"{', '.join(changed[:10]) or 'its functions'} changed since: export it again, or use "
            f"onnx.version_converter.convert_version(model, {OLDEST_OPSET})"
        )
    raised = ModelProto()
    raised.CopyFrom(model)
    for opset in raised.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = OLDEST_OPSET
    return raised


def all_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """The nodes, and those of the graphs inside of them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_nodes(attribute.g.node)


def _changed(op: str, version: int) -> bool:
    """Whether OLDEST_OPSET defines a standard operation otherwise than that version."""
    if version >= _OLDEST_TYPES and op in _MORE_TYPES:
        return False
    if version >= _OLDEST_TYPES + 2 and op in ("Clip", "If", "Pad"):
        return False
    try:
        old, new = (onnx.defs.get_schema(op, v) for v in (version, OLDEST_OPSET))
    except onnx.defs.SchemaError:
        return True
    return bool(old.since_version != new.since_version)


def validate(model: ModelProto, where: str) -> None:
    """The model is valid by onnx's own checker, and has inputs and outputs.

    The checker wants types that nobody needs: those of outputs, and the shapes of inputs.
    Raises: ModelError.
    """
    with damaged(where):
        onnx.checker.check_model(_typed(model))
    if not model.graph.output or not inputs(model):
        raise ModelError(f"{where}the graph has no input or no output, so there is nothing to run")


def _typed(model: ModelProto) -> ModelProto:
    """The model, or one like it whose inputs and outputs all have a type and a shape."""
    values = [*model.graph.input, *model.graph.output]
    if not any(_lacks_shape(value) for value in values):
        return model
    typed = ModelProto()
    typed.CopyFrom(model)
    for value in [*typed.graph.input, *typed.graph.output]:
        if _lacks_shape(value):
            kind = value.type.tensor_type
            kind.elem_type = kind.elem_type or TensorProto.FLOAT
            kind.shape.SetInParent()
    return typed


def _lacks_shape(value: Any) -> bool:
    kind = value.type.WhichOneof("value")
    has = kind == "tensor_type" and value.type.tensor_type.HasField("shape")
    return kind is None or (kind == "tensor_type" and not has)


@contextmanager
def damaged(where: str) -> Iterator[None]:
    """Whatever fails on a file that may come from anywhere is the file's fault.

    Raises: ModelError.
    """
    try:
        yield
    except HermescError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise ModelError(
            f"{where}not a valid ONNX model: {_cut(text) or type(error).__name__}"
        ) from None


def inputs(model: ModelProto) -> list[Any]:
    """The graph's inputs that are no weights."""
    fixed = {t.name for t in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in fixed]


def versions(model: ModelProto) -> dict[str, int]:
    """The opset of each domain."""
    return {o.domain if o.domain != "ai.onnx" else "": o.version for o in model.opset_import}


def _cut(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."
