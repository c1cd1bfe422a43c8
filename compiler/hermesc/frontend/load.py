"""The one dispatch on the kind of model: a file or an object becomes a ModelSource."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hermesc.frontend.kind import ModelKind, kind_of
from hermesc.frontend.python_file import PYTHON_SUFFIX, has_symbol, read_python_file
from hermesc.frontend.request import ModelRequest, ModelSource
from hermesrt.errors import ModelError
from hermesrt.extras import require

_PICKLES = (".joblib", ".pkl", ".pickle", ".pt", ".pth", ".bin", ".skops")
_FILES: dict[str, ModelKind] = {".onnx": "onnx", ".pt2": "exported"}


def load_model(spec: str, request: ModelRequest | None = None) -> ModelSource:
    """The model in `model.py`, `model.py:name`, `model.onnx` or `model.pt2`.

    What the request holds besides takes the place of what the file says.
    Raises: ModelError, UnsupportedOpError.
    """
    request = request or ModelRequest(model=spec)
    path = Path(spec)
    if has_symbol(spec) or path.suffix == PYTHON_SUFFIX:
        return make_source(read_python_file(spec, request))
    if path.suffix in _PICKLES:
        raise ModelError(
            f"{path}: a pickle is code that would run on loading; write a {PYTHON_SUFFIX} file "
            "that makes or loads your model and sets `model` and `example_inputs`"
        )
    if path.suffix not in _FILES:
        raise ModelError(
            f"{path}: a model is a {PYTHON_SUFFIX} file, such as model.py or model.py:net, an "
            ".onnx or a .pt2 file"
        )
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; give the path of your model")
    if path.suffix == ".onnx":
        require("onnx", str(path))
    request = replace(request, model=path, name=path.stem, folder=path.parent, where=f"{path}: ")
    if request.batch_dim:
        raise ModelError(
            f"{path}: batch_dim is {request.batch_dim}: only an nn.Module has its batch elsewhere "
            "than first; leave it out"
        )
    return _maker(_FILES[path.suffix])(request)


def make_source(request: ModelRequest) -> ModelSource:
    """The source of an nn.Module, a fitted scikit-learn estimator, an ONNX model or an exported
    program.

    Raises: ModelError, UnsupportedOpError.
    """
    if isinstance(request.model, type):
        raise ModelError(
            f"{request.place('model')} is a class; make it: model = {request.model.__name__}()"
        )
    kind = kind_of(request.model)
    if kind is None:
        raise ModelError(
            f"{request.place('model')} is a {type(request.model).__name__}, not an nn.Module, a "
            "fitted scikit-learn estimator, an onnx.ModelProto or a torch.export.ExportedProgram"
        )
    if request.batch_dim and kind != "module":
        raise ModelError(
            f"{request.place('batch_dim')} is {request.batch_dim}: only an nn.Module has its batch "
            "elsewhere than first; leave it out"
        )
    return _maker(kind)(request)


def _maker(kind: ModelKind) -> Callable[[ModelRequest], ModelSource]:
    """What reads one kind of model; only its own packages are imported."""
    if kind == "sklearn":
        from hermesc.frontend.sklearn.source import estimator_source

        return estimator_source
    if kind == "onnx":
        from hermesc.frontend.onnx.source import onnx_source

        return onnx_source
    if kind == "exported":
        from hermesc.frontend.pt2.source import exported_source

        return exported_source
    from hermesc.frontend.torch.source import module_source

    return module_source
