"""What a program has to do for one sample: counts and shapes, without values.

Shapes come from running the stored program without values (`hermesrt.shapes`); the
operations of products (of activations with activations) are counted by torch's own FLOP counter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hermesrt.artifact.schema import Artifact, HostStep, MvmStep, Step
from hermesrt.ops.streams import (
    Followed,
    Operand,
    Shape,
    Stream,
    follow,
    of_indices,
    of_input,
    of_vectors,
)
from hermesrt.ops.table import Row, row_of
from hermesrt.shapes import in_smallest_batch, run_shapes, shape_of


@dataclass(frozen=True, slots=True)
class Needs:
    """What a step waits for, by the names of the results it takes.

    tokens: the equal parts that its work comes in.
    each: part i needs part i of these.
    whole: every part needs all of these.
    """

    tokens: int = 1
    each: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MvmWork:
    """What one MVM step sends through its matrix for one sample.

    step: which.
    vectors: how many.
    needs: what it waits for.
    """

    step: MvmStep
    vectors: int
    needs: Needs


@dataclass(frozen=True, slots=True)
class HostWork:
    """One digital operation for one sample.

    step: which.
    taken: elements of its operands.
    elements: of its result.
    macs: multiply-adds of a product.
    needs: what it waits for.
    """

    step: HostStep
    taken: int
    elements: int
    macs: int
    needs: Needs

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
    def analog_macs(self) -> int:
        """Multiply-adds on crossbars."""
        sizes = {m.name: m.rows * m.columns for m in self.artifact.manifest.matrices}
        return sum(w.vectors * sizes[w.step.matrix] for w in self.work if isinstance(w, MvmWork))

    @property
    def digital_macs(self) -> int:
        """Multiply-adds of products on the host."""
        return sum(w.macs for w in self.work if isinstance(w, HostWork))

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
    counter = FlopCounterMode(display=False)
    before = 0
    streams: dict[str, Stream | None] = {
        name: (of_input if dtypes[name].is_floating_point else of_indices)(shape)
        for name, shape in shapes.items()
    }

    def observe(step: Step, values: Mapping[str, Any], result: Any) -> None:
        nonlocal before
        flops, before = counter.get_total_flops() - before, counter.get_total_flops()
        if not isinstance(step, MvmStep | HostStep):
            return
        operands = {
            name: Operand(name, shape, streams.get(name))
            for name in step.takes
            if (shape := shape_of(values[name])) is not None
        }
        followed = _followed(step, operands, shape_of(result))
        streams[step.name] = followed.stream
        whole = tuple(n for n in operands if n not in followed.each)
        needs = Needs(followed.stream.size if followed.stream else 1, followed.each, whole)
        if isinstance(step, MvmStep):
            found.append(MvmWork(step, values[step.input].shape[:-1].numel(), needs))
        else:
            taken = sum(_elements(values[name]) for name in step.takes)
            found.append(HostWork(step, taken, _elements(result), flops // 2, needs))

    with counter:
        run_shapes(artifact, shapes, device, observe)
    return tuple(found)


def _followed(
    step: MvmStep | HostStep, operands: Mapping[str, Operand], result: Shape | None
) -> Followed:
    if isinstance(step, MvmStep):
        return of_vectors(operands[step.input])
    return Followed() if result is None else follow(step.call, operands, result)


def _elements(result: Any) -> int:
    if isinstance(result, Tensor):
        return result.numel()
    if isinstance(result, list | tuple):
        return sum(_elements(r) for r in result)
    return 0
