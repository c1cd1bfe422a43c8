"""One export for all modules of an architecture: other weights, the same graph.

In: modules, one after the other. Out: what torch.export gives for each; it runs once for each
architecture, and its graph is given again with the weights of the next module. What it gives
follows from the module's code, its attributes and the shapes of its tensors, which make up the key;
a graph in which numbers of the module decided something is not given again, nor that of a module
with an attribute that is no plain data.

Code could still ask for what no module holds: a global name, a file, the clock. So this is for
modules whose code is known, as those of the studies are; `compile` exports whatever it is given.
"""

import dataclasses
from collections.abc import Hashable, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.frontend.arguments import Arguments
from hermesc.frontend.torch.capture import ORIGINAL
from hermesc.frontend.torch.export import Exported, export

_MOST = 64  # graphs that are kept
_SCALARS = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
_NOT_ITS_OWN = ("_parameters", "_buffers", "_modules", "training")


class _NotPlainError(Exception):
    """An attribute that nothing can be said about."""


class OncePerArchitecture:
    """Exports as `export` does, each architecture once."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Exported] = {}

    def __call__(
        self, model: nn.Module, inputs: tuple[Tensor, ...], shapes: Any, arguments: Arguments
    ) -> Exported:
        """What torch.export gives.

        Raises: ModelError where torch cannot export the module.
        """
        key = _key(model, inputs, arguments) if shapes is None else None
        kept = self._kept.get(key) if key is not None else None
        if kept is not None:
            own = _tensors(model)
            return dataclasses.replace(
                kept, weights={name: own.get(name, value) for name, value in kept.weights.items()}
            )
        found = export(model, inputs, shapes, arguments)
        if key is not None and not found.by_values:
            while len(self._kept) >= _MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = found
        return found


def architecture(model: nn.Module) -> Hashable | None:
    """All of a module but the numbers in its parameters and buffers; None where that cannot be
    told."""
    try:
        modules = tuple(
            (name, type(module), _told(_attributes(module)))
            for name, module in model.named_modules(remove_duplicate=False)
        )
    except (_NotPlainError, RecursionError):
        return None
    first: dict[int, str] = {}
    tensors = tuple(
        (name, type(t), _form(t), t.requires_grad, first.setdefault(id(t), name))
        for name, t in _tensors(model).items()
    )
    return modules, tensors


def _key(model: nn.Module, inputs: tuple[Tensor, ...], arguments: Arguments) -> Hashable | None:
    if arguments.kwargs or arguments.args is not arguments.tensors or arguments.batch_dim:
        return None
    known = architecture(model)
    forms = tuple(map(_form, inputs))
    return None if known is None else (known, forms, torch.get_default_dtype())


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }


def _form(tensor: Tensor) -> Hashable:
    return tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device, tensor.layout


def _attributes(module: nn.Module) -> Mapping[str, Any]:
    own = {n: v for n, v in vars(module).items() if n not in _NOT_ITS_OWN}
    original = getattr(own.get("forward"), ORIGINAL, None)  # where it is being captured
    if original is not None and getattr(original, "__func__", None) is type(module).forward:
        del own["forward"]
    return own


def _told(value: Any) -> Hashable:
    """A value as plain data that is equal for equal values alone."""
    kind = type(value)
    if kind in _SCALARS:
        return kind, repr(value)
    if isinstance(value, type | torch._ops.OpOverload):
        return value
    if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, type | ModuleType):
        return value
    if isinstance(value, FunctionType) and value.__closure__ is None:
        return value, _told(value.__defaults__), _told(value.__kwdefaults__)
    if isinstance(value, tuple | list):
        return kind, tuple(map(_told, value))
    if isinstance(value, dict):
        return kind, tuple((_told(k), _told(v)) for k, v in value.items())
    if isinstance(value, set | frozenset) and all(isinstance(v, str) for v in value):
        return kind, tuple(sorted(value))
    if dataclasses.is_dataclass(value):
        return kind, tuple(_told(getattr(value, f.name)) for f in dataclasses.fields(value))
    raise _NotPlainError
