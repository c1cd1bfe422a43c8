"""Weights that lie in files beside an ONNX model: found, and read from its own folder only.

The folder is that of the path as it was given, or that of the file which this path is a link to: a
hub's cache keeps links in one folder and what they point at in another. A file with a second name
(a hard link) may be another's, and is refused.
"""

from collections.abc import Iterator
from pathlib import Path

from onnx import AttributeProto, GraphProto, ModelProto, TensorProto

from hermesrt.errors import ModelError


def outside_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every tensor of the model whose numbers are in another file, wherever it stands."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from filter(_is_outside, _held(graph))
            nodes += graph.node
        for attribute in (a for node in nodes for a in node.attribute):
            yield from filter(_is_outside, _of_attribute(attribute))
            graphs += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
        nodes = []


def _is_outside(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def _held(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)


def _of_attribute(attribute: AttributeProto) -> Iterator[TensorProto]:
    yield from attribute.tensors
    if attribute.HasField("t"):
        yield attribute.t
    sparse = [*attribute.sparse_tensors]
    sparse += [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
    for found in sparse:
        yield from (found.values, found.indices)


def load_outside(tensor: TensorProto, path: Path) -> None:
    """Bring the numbers in that lie in another file of the model's folder.

    Raises: ModelError for a file outside of it, one that is not there, and one that is too short.
    """
    entries = {e.key: e.value for e in tensor.external_data}
    name = entries.get("location", "")
    where = f"{path}: the weight {tensor.name} lies in {name!r}"
    file = _found(name, path, where)
    offset, length = _place(entries, file.stat().st_size, where)
    try:
        with file.open("rb") as stream:
            stream.seek(offset)
            tensor.raw_data = stream.read(length)
    except OSError as error:
        raise ModelError(f"{where}, which cannot be read: {error.strerror or error}") from None
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _found(name: str, path: Path, where: str) -> Path:
    if not name or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ModelError(f"{where}, outside the model's folder; only files beside it are read")
    folders = [path.parent.resolve(), path.resolve().parent]
    try:
        there = [folder / name for folder in folders if (folder / name).is_file()]
        targets = [file.resolve() for file in there]
    except (OSError, ValueError) as error:
        raise ModelError(f"{where}, which is no name of a file: {error}") from None
    if not targets:
        raise ModelError(f"{where}, which is not there; put it beside the model")
    inside = [t for t in targets if any(t.is_relative_to(folder) for folder in folders)]
    if not inside:
        raise ModelError(f"{where}, outside the model's folder; only files beside it are read")
    if inside[0].stat().st_nlink > 1:
        raise ModelError(
            f"{where}, a file that has another name elsewhere (a hard link); put a copy beside the "
            "model"
        )
    return inside[0]


def _place(entries: dict[str, str], size: int, where: str) -> tuple[int, int]:
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", size - offset))
    except ValueError:
        raise ModelError(f"{where}, at a place that is no number") from None
    if offset < 0 or length < 0 or offset + length > size:
        raise ModelError(f"{where}, which is shorter than the model says: it is cut off")
    return offset, length
