"""An ONNX file as a checked ModelProto with all of its weights; the file may come from anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto

from hermesrt.errors import HermescError, ModelError
from hermesrt.files.atomic import read_file

OLDEST_OPSET = 17


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
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            _load_external(tensor, path)
    return model


def _load_external(tensor: TensorProto, path: Path) -> None:
    """Bring weights in that lie in another file of the same folder."""
    entries = {e.key: e.value for e in tensor.external_data}
    name = entries.get("location", "")
    folder = path.resolve().parent
    where = f"{path}: the weight {tensor.name} lies in {name!r}"
    file = folder / name
    if not name or Path(name).is_absolute() or not file.resolve().is_relative_to(folder):
        raise ModelError(f"{where}, outside the model's folder; only files beside it are read")
    if not file.is_file():
        raise ModelError(f"{where}, which is not there; put it beside the model")
    try:
        offset, size = int(entries.get("offset", 0)), file.stat().st_size
        length = int(entries.get("length", size - offset))
    except ValueError:
        raise ModelError(f"{where}, at a place that is no number") from None
    if offset < 0 or length < 0 or offset + length > size:
        raise ModelError(f"{where}, which is shorter than the model says: it is cut off")
    with file.open("rb") as stream:
        stream.seek(offset)
        tensor.raw_data = stream.read(length)
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def prepared(model: ModelProto, where: str) -> ModelProto:
    """The model with its local functions written out.

    Raises: ModelError for weights that were not loaded, and for an old opset.
    """
    if any(t.data_location == TensorProto.EXTERNAL for t in model.graph.initializer):
        raise ModelError(f"{where}its weights are not loaded; give the path of the .onnx file")
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version < OLDEST_OPSET:
            raise ModelError(
                f"{where}it is of opset {opset.version}; the oldest that is read is "
                f"{OLDEST_OPSET}: export it again, or use "
                f"onnx.version_converter.convert_version(model, {OLDEST_OPSET})"
            )
    with damaged(where):
        return onnx.inliner.inline_local_functions(model) if model.functions else model


def validate(model: ModelProto, where: str) -> None:
    """The model is valid by onnx's own checker, and has inputs and outputs.

    Raises: ModelError.
    """
    with damaged(where):
        onnx.checker.check_model(model)
    if not model.graph.output or not inputs(model):
        raise ModelError(f"{where}the graph has no input or no output, so there is nothing to run")


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
