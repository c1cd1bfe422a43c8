"""Decisions of a model that torch.export cannot take: `if`s on values that are constants,
and comparisons of an input with other data.

In: a model and its example inputs. Out: the answers, for the while that the model is traced.
Method: the model runs on its examples, and on two changes of them, while every tensor that is made
of an input or of chance is marked. What is asked of unmarked tensors (`item`, `bool`, `equal`) is a
constant of the model. Of marked ones only `torch.equal` and `allclose` are answered, if they say
the same each time; a note says so. All else is left to torch.export, which refuses it.
"""

import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

_COMPARED = {torch.equal, Tensor.equal, torch.allclose, Tensor.allclose}
_ASKED = {
    Tensor.item, Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__,
    Tensor.tolist, torch.is_nonzero, Tensor.is_nonzero, *_COMPARED,
}  # fmt: skip
_TORCH = str(Path(torch.__file__).parent)
_Place = tuple[str, int, str]  # file, line, function
Run = Callable[[tuple[Tensor, ...]], object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model's code was told about tensors.

    place: file, line and function that asks.
    value: the answer.
    data: whether it is about an input, or chance.
    compares: whether it compares two tensors.
    """

    place: _Place
    value: Any
    data: bool
    compares: bool


@dataclass(frozen=True, slots=True)
class Decisions:
    """The answers of a model that hold for all inputs.

    answers: in the order in which the model asks.
    """

    answers: tuple[Answer, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """One for each place that compares inputs."""
        told: dict[_Place, list[str]] = {}
        for answer in self.answers:
            if answer.data and str(answer.value) not in told.setdefault(answer.place, []):
                told[answer.place].append(str(answer.value))
        return tuple(
            f"{Path(file).name}:{line} compares inputs with other data ({asked}): the examples and "
            f"changes of them give {', then '.join(values)}, and the program takes this for all "
            "inputs"
            for (file, line, asked), values in told.items()
        )


def decisions_of(run: Run, inputs: Sequence[Tensor]) -> Decisions | None:
    """What the model decides on these inputs and on changes of them; None where it takes other ways
    for some, or asks for nothing that holds for all."""
    try:
        first, *others = [_asked(run, changed) for changed in _changes(inputs)]
    except Exception:  # user code that takes no such inputs, or weights without values
        return None
    if any([_kept(a) for a in other] != [_kept(a) for a in first] for other in others):
        return None
    unsure = {a.place for a in first if a.data and not a.compares}
    sure = tuple(a for a in first if a.place not in unsure)
    return Decisions(sure) if sure else None


def _kept(answer: Answer) -> tuple[object, ...]:
    """What must not change with the inputs."""
    told = None if answer.data and not answer.compares else repr(answer.value)
    return answer.place, answer.data, told


def _changes(inputs: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """The inputs, the same in another order, and other numbers."""
    yield tuple(t.clone() for t in inputs)
    yield tuple(t.flip(0) if t.dim() else t.clone() for t in inputs)
    yield tuple(t * 0.75 + 0.125 if t.is_floating_point() else t.clone() for t in inputs)


def _asked(run: Run, inputs: tuple[Tensor, ...]) -> tuple[Answer, ...]:
    marks = _Marks()
    for tensor in inputs:
        marks.made[tensor] = True
    listener = _Listener(marks)
    with marks, listener:
        run(inputs)
    return tuple(listener.answers)


class _Marks(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Marks every tensor that is made of a marked one, or of chance."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        chance = torch.Tag.nondeterministic_seeded in func.tags
        if chance or self.holds((args, kwargs)):
            written = (args, kwargs) if func._schema.is_mutable else ()
            for leaf in tree_leaves((result, written)):
                if isinstance(leaf, Tensor):
                    self.made[leaf] = True
        return result

    def holds(self, values: object) -> bool:
        """Whether any of these is marked."""
        return any(isinstance(leaf, Tensor) and leaf in self.made for leaf in tree_leaves(values))


class _Listener(TorchFunctionMode):
    """Writes down what is asked of tensors."""

    def __init__(self, marks: _Marks) -> None:
        super().__init__()
        self._marks = marks
        self.answers: list[Answer] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        value = func(*args, **(kwargs or {}))
        if func in _ASKED:
            data = self._marks.holds((args, kwargs))
            self.answers.append(Answer(_place(func), value, data, func in _COMPARED))
        return value


class Told(TorchFunctionMode):
    """Gives these answers where the model asks the same again: at each place in their order, or
    always where all are one."""

    def __init__(self, decisions: Decisions) -> None:
        super().__init__()
        self._left: dict[_Place, deque[Any]] = defaultdict(deque)
        for answer in decisions.answers:
            self._left[answer.place].append(answer.value)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _ASKED and (left := self._left.get(_place(func))):
            return left[0] if len({repr(value) for value in left}) == 1 else left.popleft()
        return func(*args, **(kwargs or {}))


def _place(func: Any) -> _Place:
    """Where a model's own code asks."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_TORCH):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, func.__name__
