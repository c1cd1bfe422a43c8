"""Run the user's `model.py` and take what it defines.

The file is user code and is executed, with its own folder first on the path as `python model.py`
would; random numbers start from seed 0, so that the same file compiles to the same bytes.
"""

import contextlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.errors import ModelError

_SUFFIX = ".py"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a model file defines."""

    path: Path
    model: nn.Module
    example_inputs: tuple[Tensor, ...]
    calibration_inputs: tuple[Tensor, ...] | None
    labels: Tensor | None
    dynamic_shapes: Any
    calibration_labels: Tensor | None


def load_model_file(spec: str) -> ModelFile:
    """Run `model.py` or `model.py:name` and check what it defines.

    Raises: ModelError.
    """
    file, _, symbol = spec.rpartition(":") if _has_symbol(spec) else (spec, "", "")
    path, symbol = Path(file), symbol or "model"
    if path.suffix != _SUFFIX:
        raise ModelError(f"{path}: a model is a {_SUFFIX} file, such as model.py or model.py:net")
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; give the path of your model's .py file")
    namespace = _execute(path)
    if symbol not in namespace:
        found = [k for k, v in namespace.items() if isinstance(v, nn.Module)]
        hint = f"; it has the modules {', '.join(found)}: add :NAME to the path" if found else ""
        raise ModelError(
            f"{path}: the file defines no `{symbol}`; set it to an nn.Module, or to a function "
            f"without arguments that returns one{hint}"
        )
    model = _made(namespace[symbol], path, symbol, nn.Module)
    if isinstance(model, type):
        raise ModelError(f"{path}: `{symbol}` is a class; make it: {symbol} = {model.__name__}()")
    if not isinstance(model, nn.Module):
        raise ModelError(f"{path}: `{symbol}` is a {type(model).__name__}, not an nn.Module")
    if "example_inputs" not in namespace:
        raise ModelError(
            f"{path}: the file defines no `example_inputs`; set it to a tuple of tensors with a "
            "batch first, such as `example_inputs = (torch.randn(8, 16),)`"
        )
    return ModelFile(
        path=path,
        model=model,
        example_inputs=_tensors(namespace["example_inputs"], path, "example_inputs"),
        calibration_inputs=_optional_tensors(namespace, path, "calibration_inputs"),
        labels=_labels(namespace, path, "labels"),
        dynamic_shapes=_optional(namespace, path, "dynamic_shapes"),
        calibration_labels=_labels(namespace, path, "calibration_labels"),
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


def describe(error: BaseException, path: Path | None = None) -> str:
    """One line on a user's exception: its type and text, and the last line of theirs it passed."""
    text = str(error).strip().split("\n\n")[0].strip() or "no message"
    text = " ".join(text.split())
    text = text if len(text) <= 300 else text[:297] + "..."
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if _is_user_code(f.filename)]
    if path is not None:
        own = [f for f in own if Path(f.filename).resolve() == path.resolve()] or own
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    place = f" (line {line}{': ' + own[-1].line if own and own[-1].line else ''})" if line else ""
    return f"{type(error).__name__}: {text}{place}"


def _is_user_code(filename: str) -> bool:
    hidden = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]), "<frozen")
    return not filename.startswith(hidden)


def _made(value: Any, path: Path, name: str, kind: type) -> Any:
    """The value itself, or what it returns when it is a function without arguments."""
    if isinstance(value, (kind, type)) or not callable(value):
        return value
    needed = [p for p in inspect.signature(value).parameters.values() if p.default is p.empty]
    if any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in needed):
        raise ModelError(
            f"{path}: `{name}` is a function with arguments; it must be a {kind.__name__} or a "
            "function without arguments that returns one (wrap a function of tensors in an "
            "nn.Module)"
        )
    with _as_script(path), _user_errors(path, f"{name}()"):
        return value()


def _labels(namespace: Mapping[str, Any], path: Path, name: str) -> Tensor | None:
    value = _optional(namespace, path, name)
    if value is None:
        return None
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise ModelError(
            f"{path}: `{name}` is a {type(value).__name__}; set it to one number a sample"
        ) from None


def _optional(namespace: Mapping[str, Any], path: Path, name: str) -> Any:
    return _made(namespace.get(name), path, name, Tensor)


def _optional_tensors(
    namespace: Mapping[str, Any], path: Path, name: str
) -> tuple[Tensor, ...] | None:
    return _tensors(namespace[name], path, name) if namespace.get(name) is not None else None


def _tensors(value: Any, path: Path, name: str) -> tuple[Tensor, ...]:
    value = _made(value, path, name, tuple)
    items = (value,) if isinstance(value, Tensor) else value
    if not isinstance(items, tuple | list) or not items:
        raise ModelError(f"{path}: `{name}` must be a tuple of tensors, not {type(value).__name__}")
    for i, item in enumerate(items):
        if not isinstance(item, Tensor):
            raise ModelError(
                f"{path}: `{name}[{i}]` is a {type(item).__name__}, not a tensor; wrap a model "
                "that takes other things in an nn.Module that takes tensors"
            )
    return tuple(item.detach() for item in items)
