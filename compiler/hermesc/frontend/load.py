"""The model in a file: run the user's `model.py` and take what it defines, or read what others
exported.

A `model.py` is user code and is executed, with its own folder first on the path as
`python model.py` would; random numbers start from seed 0, so that the same file compiles to the
same bytes.
"""

import contextlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from hermesc.errors import ModelError
from hermesc.frontend.describe import describe
from hermesc.frontend.inputs import is_array
from hermesc.frontend.source import Given, Source, is_model, is_onnx, make_source

_SUFFIX = ".py"
_PICKLES = (".joblib", ".pkl", ".pickle", ".pt", ".pth", ".bin", ".skops")


def load_model(spec: str, given: Given | None = None) -> Source:
    """The model in `model.py`, `model.py:name`, `model.onnx` or `model.pt2`.

    What is `given` besides takes the place of what the file says.
    Raises: ModelError, UnsupportedOpError.
    """
    given = given or Given(model=spec)
    path = Path(spec)
    if _has_symbol(spec) or path.suffix == _SUFFIX:
        return load_model_file(spec, given)
    if path.suffix in _PICKLES:
        raise ModelError(
            f"{path}: a pickle is code that would run on loading; write a {_SUFFIX} file that "
            "makes or loads your model and sets `model` and `example_inputs`"
        )
    if path.suffix not in (".onnx", ".pt2"):
        raise ModelError(
            f"{path}: a model is a {_SUFFIX} file, such as model.py or model.py:net, an .onnx or a "
            ".pt2 file"
        )
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; give the path of your model")
    given = replace(given, model=path, name=path.stem, folder=path.parent, where=f"{path}: ")
    if path.suffix == ".onnx":
        from hermesc.frontend.onnx.source import onnx_source

        return onnx_source(given)
    from hermesc.frontend.pt2.source import exported_source

    return exported_source(given)


def load_model_file(spec: str, given: Given | None = None) -> Source:
    """Run `model.py` or `model.py:name` and check what it defines.

    Raises: ModelError, UnsupportedOpError.
    """
    given = given or Given(model=spec)
    file, _, symbol = spec.rpartition(":") if _has_symbol(spec) else (spec, "", "")
    path, symbol = Path(file), symbol or "model"
    if path.suffix != _SUFFIX:
        raise ModelError(f"{path}: a model is a {_SUFFIX} file, such as model.py or model.py:net")
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; give the path of your model's .py file")
    namespace = _execute(path)
    if symbol not in namespace:
        found = [k for k, v in namespace.items() if is_model(v)]
        hint = f"; it has the models {', '.join(found)}: add :NAME to the path" if found else ""
        raise ModelError(
            f"{path}: the file defines no `{symbol}`; set it to an nn.Module, or to a function "
            f"without arguments that returns one{hint}"
        )
    model = _made(namespace[symbol], path, symbol, is_model, "an nn.Module")
    holds_its_own = is_onnx(model) or isinstance(model, ExportedProgram)
    if "example_inputs" not in namespace and given.example_inputs is None and not holds_its_own:
        raise ModelError(
            f"{path}: the file defines no `example_inputs`; set it to a tuple of tensors with a "
            "batch first, such as `example_inputs = (torch.randn(8, 16),)`"
        )

    def taken(name: str, instead: Any) -> Any:
        value = namespace.get(name) if instead is None else instead
        return _made(value, path, name, is_array, "a tensor")

    return make_source(
        Given(
            model=model,
            example_inputs=taken("example_inputs", given.example_inputs),
            calibration=taken("calibration_inputs", given.calibration),
            labels=taken("labels", given.labels),
            calibration_labels=taken("calibration_labels", given.calibration_labels),
            dynamic_shapes=taken("dynamic_shapes", given.dynamic_shapes),
            name=path.stem,
            folder=path.parent,
            where=f"{path}: ",
        )
    )


def _has_symbol(spec: str) -> bool:
    return f"{_SUFFIX}:" in spec


def _execute(path: Path) -> dict[str, Any]:
    name = f"hermesc_model_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that dataclasses and pickling in the user's file work
    with _as_script(path), _user_errors(path, "the file"):
        spec.loader.exec_module(module)
    return vars(module)


@contextlib.contextmanager
def _as_script(path: Path) -> Iterator[None]:
    """The folder of the file first on the path; what it prints goes to standard error."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    torch.manual_seed(0)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path.remove(folder)


@contextlib.contextmanager
def _user_errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ModelError(f"{path}: {what} failed: {describe(error, path)}") from error


def _made(value: Any, path: Path, name: str, done: Callable[[Any], bool], kind: str) -> Any:
    """The value itself, or what it returns when it is a function without arguments."""
    if done(value) or isinstance(value, type) or not callable(value):
        return value
    needed = [p for p in inspect.signature(value).parameters.values() if p.default is p.empty]
    if any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in needed):
        raise ModelError(
            f"{path}: `{name}` is a function with arguments; it must be {kind} or a function "
            "without arguments that returns one (wrap a function of tensors in an nn.Module)"
        )
    with _as_script(path), _user_errors(path, f"{name}()"):
        return value()
