"""What a program has to do for one sample: counts and shapes, without values.

Shapes come from running the stored program without values (`hermesrt.shapes`); the
operations of products (of activations with activations) are counted by `hermesrt.ops.macs`, and
those of rarer ones by torch's own FLOP counter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact.schema import Artifact, HostStep, MvmStep, Step, host_step
from hermesrt.executor import state_width
from hermesrt.ops.call import Call, run
from hermesrt.ops.loop import run_loop
from hermesrt.ops.loop_rules import WhileLoop, loop_of
from hermesrt.ops.macs import common_macs, macs_of
from hermesrt.ops.recurrence import NO_GATES, GateWork, gate_work, second_gate_work
from hermesrt.ops.streams import follow, of_mvm
from hermesrt.ops.table import Row, is_loop, row_of
from hermesrt.ops.tokens import Followed, Operand, Shape, Stream, Windowed, of_indices, of_input
from hermesrt.ops.window import served, vector_count
from hermesrt.shapes import in_smallest_batch, run_shapes, shape_of


@dataclass(frozen=True, slots=True)
class Needs:
    """What a step waits for, by the names of the results it takes.

    tokens: the equal parts that its work comes in.
    each: part i needs part i of these.
    whole: every part needs all of these.
    windows: part i needs the positions of these that it sees.
    """

    tokens: int = 1
    each: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    windows: tuple[Windowed, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All results that it waits for."""
        return (*self.each, *self.whole, *(w.name for w in self.windows))

    @property
    def buffered(self) -> int:
        """Values in the line buffers: those that are there and that later positions need."""
        return sum(w.kept * w.depth for w in self.windows)


@dataclass(frozen=True, slots=True)
class MvmWork:
    """What one MVM step sends through its matrix for one sample.

    step: which.
    vectors: how many.
    needs: what it waits for.
    sizes: of the input that its window moves over; empty without one.
    steps: of time, one after the other, of a recurrence; 0 without one.
    gates: what its gates do for one vector, up to a second product.
    second: the work of the second product of each time step, where there is one.
    """

    step: MvmStep
    vectors: int
    needs: Needs
    sizes: tuple[int, ...] = ()
    steps: int = 0
    gates: GateWork = NO_GATES
    second: "MvmWork | None" = None

    @property
    def products(self) -> "tuple[MvmWork, ...]":
        """Itself, and its second product."""
        return (self,) if self.second is None else (self, self.second)

    @property
    def macs(self) -> int:
        """Multiply-adds beside its matrix."""
        return self.gates.macs * self.vectors

    @property
    def served(self) -> NDArray[np.bool_] | None:
        """The tokens that take vectors, where some see nothing but padding."""
        window = self.step.window
        if window is None or not self.sizes:
            return None
        dims = served(window, self.sizes)
        if all(dim.all() for dim in dims):
            return None
        mask = np.ones((), np.bool_)
        for dim in dims:
            mask = mask[..., None] & dim
        return None if self.needs.tokens != mask.size else mask.reshape(-1)


@dataclass(frozen=True, slots=True)
class HostWork:
    """One digital operation for one sample.

    step: which.
    taken: elements of its operands.
    elements: of its result.
    macs: multiply-adds of a product.
    needs: what it waits for.
    inner: what a step of a loop does.
    times: that it does so.
    """

    step: HostStep
    taken: int
    elements: int
    macs: int
    needs: Needs
    inner: tuple["HostWork", ...] = ()
    times: int = 1

    @property
    def row(self) -> Row:
        """What is known about the operation."""
        row = row_of(self.step.op)
        assert row is not None, "programs hold no other operations"
        return row


@dataclass(frozen=True, slots=True)
class Workload:
    """The work of a program.

    artifact: the program.
    samples: how many run at once: one, unless the model fixes its batch.
    work: in the order of the steps.
    """

    artifact: Artifact
    samples: int
    work: tuple[MvmWork | HostWork, ...]

    @property
    def mvms(self) -> Iterator[MvmWork]:
        """The work of all products with matrices, second ones too."""
        for work in self.work:
            if isinstance(work, MvmWork):
                yield from work.products

    @property
    def analog_macs(self) -> int:
        """Multiply-adds on crossbars."""
        sizes = {m.name: m.rows * m.columns for m in self.artifact.manifest.matrices}
        return sum(w.vectors * sizes[w.step.matrix] for w in self.mvms)

    @property
    def digital_macs(self) -> int:
        """Multiply-adds of products on the host."""
        return sum(w.macs for w in self.work)

    @property
    def analog_mac_share(self) -> float:
        """Crossbars' share of all multiply-adds."""
        total = self.analog_macs + self.digital_macs
        return self.analog_macs / total if total else 0.0


def workload(artifact: Artifact, sizes: Mapping[str, tuple[int, ...]]) -> Workload:
    """The work of one sample whose inputs have these sizes.

    The batch in them counts only where the model does not run on one row, because its rows belong
    together: then it is the work of that batch.
    Raises: InputError when the program does not run on inputs of these sizes.
    """
    samples, work = in_smallest_batch(artifact, sizes, partial(_measure, artifact))
    return Workload(artifact, samples, work)


def _measure(
    artifact: Artifact, shapes: Mapping[str, tuple[int, ...]], device: str
) -> tuple[MvmWork | HostWork, ...]:
    dtypes = {i.name: getattr(torch, i.dtype) for i in artifact.manifest.inputs}
    found: list[MvmWork | HostWork] = []
    streams: dict[str, Stream | None] = {
        name: (of_input if dtypes[name].is_floating_point else of_indices)(shape)
        for name, shape in shapes.items()
    }

    def observe(step: Step, values: Mapping[str, Any], result: Any) -> None:
        if not isinstance(step, MvmStep | HostStep):
            return
        operands = {
            name: Operand(name, shape, streams.get(name))
            for name in step.takes
            if (shape := shape_of(values[name])) is not None
        }
        followed = _followed(step, operands, shape_of(result))
        streams[step.name] = followed.stream
        seen = (*followed.each, *(w.name for w in followed.windows))
        whole = tuple(n for n in operands if n not in seen)
        tokens = followed.stream.size if followed.stream else 1
        needs = Needs(tokens, followed.each, whole, followed.windows)
        if isinstance(step, MvmStep):
            shape = tuple(values[step.input].shape)
            found.append(_mvm_work(artifact, step, shape, needs))
        else:
            found.append(_host_work(step, values, result, device, needs))

    run_shapes(artifact, shapes, device, observe)
    return tuple(found)


def _host_work(
    step: HostStep, values: Mapping[str, Any], result: Any, device: str, needs: Needs
) -> HostWork:
    taken, elements = sum(_elements(values[name]) for name in step.takes), _elements(result)
    if not is_loop(step.op):
        macs = _macs(step, values, result, device)
        return HostWork(step, taken, elements, macs, needs)
    inner: list[HostWork] = []

    def observe(name: str, call: Call, seen: Mapping[str, Any], made: Any) -> None:
        own = host_step(name, call, step.location)
        inner.append(_host_work(own, seen, made, device, Needs()))

    run_loop(step.call, values, device, once=True, observe=observe)
    loop = loop_of(step.call)
    times = loop.usual if isinstance(loop, WhileLoop) else int(values[loop.rows[0].name].shape[0])
    macs = times * sum(w.macs for w in inner)
    return HostWork(step, taken, elements, macs, needs, tuple(inner), times)


def _mvm_work(artifact: Artifact, step: MvmStep, shape: Shape, needs: Needs) -> MvmWork:
    vectors = vector_count(step.window, shape)
    if step.recurrence is not None:
        gates, second = gate_work(step.recurrence, state_width(artifact, step)), None
        if step.second is not None:
            after = second_gate_work(step.recurrence)
            second = MvmWork(step.second, vectors, Needs(), steps=shape[1], gates=after)
        return MvmWork(step, vectors, needs, steps=shape[1], gates=gates, second=second)
    sizes = () if step.window is None else shape[-step.window.rank :]
    return MvmWork(step, vectors, needs, sizes)


def _followed(
    step: MvmStep | HostStep, operands: Mapping[str, Operand], result: Shape | None
) -> Followed:
    if isinstance(step, MvmStep):
        return of_mvm(step.window, operands[step.input], result, step.recurrence)
    return Followed() if result is None else follow(step.call, operands, result)


def _macs(step: HostStep, values: Mapping[str, Any], result: Any, device: str) -> int:
    """Multiply-adds of a product of activations; 0 for what is none."""
    row = row_of(step.op)
    if row is None or row.price != "mac":
        return 0
    common = common_macs(step.call, values, result)
    if common is not None:
        return common
    from torch.utils.flop_counter import FlopCounterMode  # imports torch's compiler when it is used

    counter = FlopCounterMode(display=False)
    with counter:
        run(step.call, values, device)
    return counter.get_total_flops() // 2 or macs_of(step.call, values, result)


def _elements(result: Any) -> int:
    if isinstance(result, Tensor):
        return result.numel()
    if isinstance(result, list | tuple):
        return sum(_elements(r) for r in result)
    return 0
