"""Evaluation of a hardened model: its weights of the moment, compiled, on a simulated chip.

The result is what `program.deploy(simulate(seed))` gives, for that is what runs; gradients are
those of the plain model (straight through the whole chip). Programs are made anew when weights or
learned ranges have changed.
"""

import copy
import hashlib
import inspect
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from hermes_sim.device import SimulatedDevice
from hermesc.pipeline import compile_model
from hermesc.training.hardening import hardening_of, state_of
from hermesc.training.plain import plain_of
from hermesc.training.redraw import warn_of_redraw
from hermesrt.device import Method
from hermesrt.errors import InputError
from hermesrt.program import Chip, Program
from hermesrt.units import age_of

_NUMBERS = count()
_LIVE: "weakref.WeakValueDictionary[int, Evaluation]" = weakref.WeakValueDictionary()


class Evaluation:
    """The chip that a hardened model is evaluated on."""

    def __init__(
        self, seed: int = 0, age_s: float = 0.0, method: Method = "published", active: bool = True
    ) -> None:
        self.seed, self.age_s, self.method, self.active = seed, age_s, method, active
        self.handle = next(_NUMBERS)
        self.names: tuple[str, ...] = ()
        self._model: weakref.ref[Any] | None = None
        self._kept: tuple[bytes, Chip] | None = None
        _LIVE[self.handle] = self

    def attach(self, model: nn.Module) -> None:
        """Evaluate that model."""
        self._model = weakref.ref(model)
        forward = inspect.signature(model._plain_class.forward)  # type: ignore[union-attr]
        self.names = tuple(forward.parameters)[1:]

    def program(self, *, ranges: bool = True) -> Program:
        """The model's program, as compiled now; with its learned ranges or the compiler's."""
        model = self._model() if self._model else None
        assert model is not None
        shared = hardening_of(model)
        learned = state_of(model).ranges() if ranges else {}
        plain = copy.deepcopy(plain_of(model))  # FSDP2 frees the memory of what it gathers
        source = replace(shared.source, model=plain, input_ranges=learned)
        return Program.of(compile_model(source, shared.chip, shared.options))

    def chip(self) -> Chip:
        """The chip that holds the weights of the moment."""
        model = self._model() if self._model else None
        assert model is not None
        key = _digest(model, self.seed, self.age_s, self.method)
        if self._kept is None or self._kept[0] != key:
            device = SimulatedDevice(hardening_of(model).chip, self.seed)
            chip = self.program().deploy(device, self.method)
            self._kept = key, chip.configure(age_s=self.age_s)
        return self._kept[1]


@torch.library.custom_op("hermesc_training::on_chip", mutates_args=())
def on_chip(plain: Sequence[Tensor], inputs: Sequence[Tensor], handle: int) -> list[Tensor]:
    """The chip's outputs; their gradients are those of the plain ones."""
    with ThreadPoolExecutor(1) as aside:  # compiled code runs under modes of this thread
        chip = aside.submit(_LIVE[handle].chip).result()
    found = chip(*(t.detach().cpu() for t in inputs))
    outputs = found if isinstance(found, tuple) else (found,)
    if [tuple(o.shape) for o in outputs] != [tuple(p.shape) for p in plain]:
        raise InputError("the program's outputs are not those of the model, in number or in shape")
    return [o.to(p.device, p.dtype).clone() for o, p in zip(outputs, plain, strict=True)]


@on_chip.register_fake
def _(plain: Sequence[Tensor], inputs: Sequence[Tensor], handle: int) -> list[Tensor]:  # noqa: ARG001
    return [torch.empty_like(p) for p in plain]


def _count_inputs(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001
    ctx.inputs = len(inputs[1])


def _straight(ctx: Any, gradients: list[Tensor]) -> tuple[list[Tensor], list[None], None]:
    return list(gradients), [None] * ctx.inputs, None


on_chip.register_autograd(_straight, setup_context=_count_inputs)


@dataclass(frozen=True, slots=True)
class ChipChoice:
    """Which chip a hardened model is evaluated on.

    seed: of its devices.
    age_s: time since programming, s.
    method: how it is programmed.
    """

    seed: int
    age_s: float
    method: Method


def set_chip(
    model: Any,
    seed: int | None = None,
    age: float | str | None = None,
    method: Method | None = None,
    *,
    active: bool | None = None,
) -> ChipChoice:
    """Choose the simulated chip that a hardened model is evaluated on; what is not given stays.

    age: seconds since programming, or a text such as "1d".
    active: False evaluates the plain model instead of a chip.
    """
    held: Evaluation = model._evaluation
    held.seed = held.seed if seed is None else seed
    held.age_s = held.age_s if age is None else age_of(age)
    held.method = held.method if method is None else method
    held.active = held.active if active is None else active
    return ChipChoice(held.seed, held.age_s, held.method)


def program_of(model: Any, *, ranges: bool = True) -> Program:
    """The program of a hardened model with its weights of the moment, and with its learned ranges
    or the compiler's."""
    warn_of_redraw(model)
    held: Evaluation = model._evaluation
    return held.program(ranges=ranges)


def learned_ranges(model: Any) -> dict[str, float]:
    """Where the inputs of each layer clip, as learned; for `compile(..., input_ranges=...)`."""
    return state_of(model).ranges()


def _digest(model: Any, *settings: object) -> bytes:
    """A digest of all that the program is made from."""
    found = hashlib.blake2b(repr((*settings, state_of(model).ranges())).encode())
    for tensor in (*model.parameters(), *model.buffers()):
        value = tensor.detach().cpu().contiguous().clone()
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.digest()
