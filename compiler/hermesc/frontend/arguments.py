"""What a model takes and returns, as named tensors in order.

A program has tensors in and out. A model may take keywords, dictionaries, nested tuples and objects
such as a cache, and return dataclasses, None or a cache; here these become lists of tensors and
back, without the model noticing.
"""

import copy
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from torch import Tensor, nn

from hermesc.frontend.inputs import as_tensor, is_array
from hermesrt.errors import ModelError

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a model is called with on its examples.

    args: by position.
    kwargs: by keyword.
    names: of the tensors in them, in order.
    paths: where each of them is, from the argument's name on.
    tensors: these, the batch first.
    own: types of the objects that hold some of them, such as a cache's.
    batch_dim: the batch's dimension in the model's own tensors.
    moved: for each tensor, whether its batch lies there.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    names: tuple[str, ...]
    paths: tuple[_Path, ...]
    tensors: tuple[Tensor, ...]
    own: tuple[type, ...] = ()
    batch_dim: int = 0
    moved: tuple[bool, ...] = ()

    def call(self, forward: Any, tensors: Sequence[Tensor]) -> "Results":
        """What the model returns for other tensors in the same places."""
        args, kwargs = self._with(tensors)
        found = read_results(forward(*args, **kwargs), self.own)
        if self.batch_dim == 0:
            return found
        dim = self.batch_dim
        moved = tuple(t.movedim(dim, 0) if t.dim() > dim else t for t in found.tensors)
        return Results(moved, found.names, found.dropped)

    def marks(self, shapes: Any) -> tuple[Any, ...]:
        """The entry of each tensor in `dynamic_shapes`, which has the arguments' structure or names
        tensors as `names` does."""
        if isinstance(shapes, tuple | list):
            heads = tuple(dict.fromkeys(path[0] for path in self.paths))
            shapes = dict(zip(heads, shapes, strict=False))
        pairs = zip(self.names, self.paths, strict=True)
        return tuple(shapes.get(name, _at(shapes, path)) for name, path in pairs)

    def _with(self, tensors: Sequence[Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments again; objects are copied, so that a model may write in its own."""
        there = self.moved or (False,) * len(tensors)
        pairs = zip(tensors, there, strict=True)
        new = [t.movedim(0, self.batch_dim) if moved else t for t, moved in pairs]
        memo: dict[int, Any] = dict(zip(map(id, self._originals()), new, strict=True))
        args, kwargs = copy.deepcopy((self.args, dict(self.kwargs)), memo)
        return args, kwargs

    def _originals(self) -> list[Tensor]:
        return [t for _, t in _leaves((self.args, dict(self.kwargs)), ())]


@dataclass(frozen=True, slots=True)
class Results:
    """What a model returned.

    tensors: in order.
    names: where in the result each was, such as `logits`; "" for one that stands alone.
    dropped: what is no tensor, and so no output of a program: its place and kind.
    """

    tensors: tuple[Tensor, ...]
    names: tuple[str, ...]
    dropped: tuple[str, ...]

    def notes(self) -> Iterator[str]:
        """What a user should know of the outputs."""
        if any(name and not name.isdigit() for name in self.names):
            named = (f"output_{i} is {name}" for i, name in enumerate(self.names))
            yield f"outputs: {', '.join(named)}"
        if self.dropped:
            yield f"left out of the outputs, for they are no tensors: {', '.join(self.dropped)}"


def read_arguments(model: nn.Module, given: Any, place: str, batch_dim: int = 0) -> Arguments:
    """The arguments that `example_inputs` stands for: a tensor, a tuple by position, or a mapping
    by keyword; `place` is what messages call it.

    Raises: ModelError where it holds no tensors, or keywords that the model does not take.
    """
    parameters = inspect.signature(model.forward).parameters
    args, kwargs = _split(_as_tensors(given, place), parameters, place)
    found = list(_named(args, kwargs, list(parameters.values())))
    if not found:
        raise ModelError(f"{place} holds no tensors, but a {type(given).__name__}")
    names = _distinct([_identifier(path) for path, _ in found])
    tensors = [t for _, t in found]
    moved = _moved(tensors, batch_dim, place)
    pairs = zip(tensors, moved, strict=True)
    first = tuple(t.movedim(batch_dim, 0) if there else t for t, there in pairs)
    own = tuple(dict.fromkeys(type(o) for o in _objects((args, kwargs))))
    kwargs = {**_without_cache(parameters, kwargs, own), **kwargs}
    paths = tuple(path for path, _ in found)
    return Arguments(args, kwargs, names, paths, first, own, batch_dim, moved)


def read_results(result: Any, kept: tuple[type, ...] = ()) -> Results:
    """The tensors of a model's result; objects are opened where their type is one of `kept`.

    Raises: ModelError where there are none, and for numbers and texts.
    """
    dropped: list[str] = []
    found = list(_leaves(result, (), kept, dropped))
    if not found:
        raise ModelError(
            "the model returns nothing; return at least one tensor"
            if not dropped
            else f"the model returns no tensor, but {', '.join(dropped)}"
        )
    names = tuple(".".join(path) for path, _ in found)
    return Results(tuple(t for _, t in found), names, tuple(dropped))


def is_plain(given: Any) -> bool:
    """Whether it is a tensor or a tuple of tensors, by position."""
    if isinstance(given, tuple | list):
        return bool(given) and all(is_array(item) for item in given)
    return is_array(given)


def _as_tensors(value: Any, place: str) -> Any:
    """Arrays in containers as tensors."""
    if isinstance(value, Tensor):
        return value.detach()
    if is_array(value):
        return as_tensor(value, place)
    if type(value) in (tuple, list):
        return type(value)(_as_tensors(v, place) for v in value)
    if isinstance(value, Mapping) and type(value).__module__ != "builtins":
        value = dict(value)  # such as a tokenizer's
    if isinstance(value, dict):
        return {k: _as_tensors(v, place) for k, v in value.items()}
    return value


def _split(
    given: Any, parameters: Mapping[str, inspect.Parameter], place: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(given, dict):
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        unknown = [k for k in given if k not in parameters and not takes_any]
        if not unknown:
            return (), given
        if len(unknown) == len(given):
            return (given,), {}
        raise ModelError(
            f"{place} holds {', '.join(map(str, unknown))}, which the model's forward does not "
            f"take; it takes {', '.join(parameters)}"
        )
    return (tuple(given), {}) if isinstance(given, tuple | list) else ((given,), {})


def _named(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], parameters: list[inspect.Parameter]
) -> Iterator[tuple[_Path, Tensor]]:
    places = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    for i, value in enumerate(args):
        at = places[min(i, len(places) - 1)] if places else None
        many = at is not None and at.kind is at.VAR_POSITIONAL
        name = f"input_{i}" if at is None else f"{at.name}_{i}" if many else at.name
        yield from _leaves(value, (name,))
    for key, value in kwargs.items():
        yield from _leaves(value, (str(key),))


def _leaves(
    value: Any, path: _Path, kept: tuple[type, ...] | None = None, dropped: list[str] | None = None
) -> Iterator[tuple[_Path, Tensor]]:
    """The tensors of a value with their paths; objects are opened unless `kept` says which."""
    if isinstance(value, Tensor):
        yield path, value
        return
    parts = _parts(value)
    if parts is None and (kept is None or isinstance(value, kept)) and hasattr(value, "__dict__"):
        parts = [] if isinstance(value, type | nn.Module) or callable(value) else _state(value)
    if parts is None:
        if dropped is not None:
            dropped.append(_dropped(value, path))
        return
    for key, part in parts:
        yield from _leaves(part, (*path, key), kept, dropped if _parts(value) is not None else None)


def _dropped(value: Any, path: _Path) -> str:
    """What is left out of a result: None, or an object of the model's own.

    Raises: ModelError for a number or a text, which a program could not give.
    """
    kind = "None" if value is None else type(value).__name__
    if isinstance(value, bool | int | float | complex | str):
        raise ModelError(
            f"the model returns a {kind}; return tensors only, alone or in a tuple, list, dict or "
            "dataclass"
        )
    return f"{'.'.join(path) or 'the result'} ({kind})"


def _parts(value: Any) -> list[tuple[str, Any]] | None:
    """The parts of a container; None for what is none."""
    if isinstance(value, Mapping):
        return [(str(k), v) for k, v in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if isinstance(value, tuple | list):
        return [(str(i), v) for i, v in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [(f.name, getattr(value, f.name)) for f in fields(value)]
    return None


def _state(value: Any) -> list[tuple[str, Any]]:
    return list(vars(value).items())


def _objects(value: Any) -> Iterator[Any]:
    """The objects in a value that hold tensors in attributes of their own."""
    parts = _parts(value)
    if parts is not None:
        for _, part in parts:
            yield from _objects(part)
    elif not isinstance(value, Tensor | type | nn.Module) and any(_leaves(value, ())):
        yield value
        for _, part in _state(value):
            yield from _objects(part)


def _without_cache(
    parameters: Mapping[str, inspect.Parameter], kwargs: Mapping[str, Any], own: tuple[type, ...]
) -> dict[str, Any]:
    """A decoder that is given no cache need not make one."""
    cached = any("cache" in k or "past" in k for k in kwargs if k != "use_cache") or bool(own)
    if "use_cache" in parameters and "use_cache" not in kwargs and not cached:
        return {"use_cache": False}
    return {}


def _moved(tensors: Sequence[Tensor], batch_dim: int, place: str) -> tuple[bool, ...]:
    """Which tensors have the batch at that dimension: those of the first one's size there."""
    rank = tensors[0].dim()
    if not 0 <= batch_dim < max(rank, 1):
        raise ModelError(
            f"batch_dim is {batch_dim}; the first of {place} has {rank} dimensions, so it is from "
            f"0 to {rank - 1}"
        )
    if batch_dim == 0:
        return (False,) * len(tensors)
    rows = tensors[0].shape[batch_dim]
    return tuple(t.dim() > batch_dim and t.shape[batch_dim] == rows for t in tensors)


def _at(shapes: Any, path: _Path) -> Any:
    for key in path:
        if isinstance(shapes, Mapping) and key in shapes:
            shapes = shapes[key]
        elif isinstance(shapes, tuple | list) and key.isdigit() and int(key) < len(shapes):
            shapes = shapes[int(key)]
        else:
            return None
    return shapes


def _identifier(path: _Path) -> str:
    name = re.sub(r"\W+", "_", "_".join(path))
    return name if name.isidentifier() else f"input_{name}"


def _distinct(names: list[str]) -> tuple[str, ...]:
    taken: dict[str, int] = {}
    for name in names:
        taken[name.lower()] = taken.get(name.lower(), 0) + 1
    twice = {name for name, count in taken.items() if count > 1}
    return tuple(f"{n}_{i}" if n.lower() in twice else n for i, n in enumerate(names))
