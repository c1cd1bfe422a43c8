"""The user's `model.py`: run it and take what it defines.

It is user code and is executed, with its own folder first on the path as `python model.py` would;
random numbers start from seed 0, so that the same file compiles to the same bytes.
"""

import contextlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from hermesc.frontend.describe import describe
from hermesc.frontend.inputs import is_array
from hermesc.frontend.kind import kind_of
from hermesc.frontend.request import ModelRequest
from hermesrt.errors import ModelError

PYTHON_SUFFIX = ".py"


def read_python_file(spec: str, request: ModelRequest) -> ModelRequest:
    """Run `model.py` or `model.py:name`: the request with what the file defines.

    What the request already holds takes the place of what the file says.
    Raises: ModelError.
    """
    file, _, symbol = spec.rpartition(":") if has_symbol(spec) else (spec, "", "")
    path, symbol = Path(file), symbol or "model"
    if path.suffix != PYTHON_SUFFIX:
        raise ModelError(
            f"{path}: a model is a {PYTHON_SUFFIX} file, such as model.py or model.py:net"
        )
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; give the path of your model's .py file")
    namespace = _execute(path)
    if symbol not in namespace:
        found = [k for k, v in namespace.items() if kind_of(v) is not None]
        hint = f"; it has the models {', '.join(found)}: add :NAME to the path" if found else ""
        raise ModelError(
            f"{path}: the file defines no `{symbol}`; set it to an nn.Module, or to a function "
            f"without arguments that returns one{hint}"
        )
    model = _made(namespace[symbol], path, symbol, _is_model, "an nn.Module")
    holds_its_own = kind_of(model) in ("onnx", "exported")
    if "example_inputs" not in namespace and request.example_inputs is None and not holds_its_own:
        raise ModelError(
            f"{path}: the file defines no `example_inputs`; set it to a tuple of tensors with a "
            "batch first, such as `example_inputs = (torch.randn(8, 16),)`"
        )

    def taken(name: str, instead: Any) -> Any:
        value = namespace.get(name) if instead is None else instead
        return _made(value, path, name, is_array, "a tensor")

    return ModelRequest(
        model=model,
        example_inputs=taken("example_inputs", request.example_inputs),
        calibration=taken("calibration_inputs", request.calibration),
        labels=taken("labels", request.labels),
        calibration_labels=taken("calibration_labels", request.calibration_labels),
        dynamic_shapes=taken("dynamic_shapes", request.dynamic_shapes),
        batch_dim=taken("batch_dim", request.batch_dim),
        name=path.stem,
        folder=path.parent,
        where=f"{path}: ",
    )


def has_symbol(spec: str) -> bool:
    """Whether it is `model.py:name`."""
    return f"{PYTHON_SUFFIX}:" in spec


def _is_model(value: Any) -> bool:
    return kind_of(value) is not None


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
