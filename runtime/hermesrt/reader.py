"""How a program reads its matrices on a device: which vector meets which devices, by which noise.

A sample that is given again is read again, with fresh noise, until all are forgotten.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from hermesrt.artifact.schema import Artifact, MvmStep
from hermesrt.data import Samples, row_count
from hermesrt.device import Device, TakesImages
from hermesrt.executor import (
    GatesFunction,
    MvmFunction,
    exact_gates,
    idle_result,
    reference_mvm,
)
from hermesrt.ops.gate_unit import gate_unit_states
from hermesrt.ops.time_steps import States
from hermesrt.ops.unfold import convolve, result_shape
from hermesrt.ops.window import Window, served_count
from hermesrt.reads import Keys, ReadCounter, parts_of, varying_steps, vector_keys
from hermesrt.replication import dispatch, places, sample_shapes
from hermesrt.shapes import Shape, batched_inputs

_CONSTANT = np.zeros(1, np.uint64)  # read of what does not follow from the samples


class Reader:
    """Makes the product and gate functions of a program's runs, block by block."""

    def __init__(self, artifact: Artifact, device: Device) -> None:
        self._artifact, self._device = artifact, device
        self._reads = ReadCounter()
        self._batched = batched_inputs(artifact)
        self._varying = varying_steps(artifact, self._batched)
        self._copies = {m.name: m.copies for m in artifact.manifest.matrices}
        self._copied = max(self._copies.values(), default=1) > 1
        self._recurrent = any(step.recurrence is not None for step in artifact.mvms)
        self._sample_shapes: dict[tuple[Shape, ...], dict[str, Shape]] = {}

    def forget(self) -> None:
        """As if no sample had been read."""
        self._reads.forget()

    def keys(self, part: Mapping[str, Tensor]) -> Keys:
        """A key for the read of each sample of a block; rows that belong together are one."""
        if not self._artifact.manifest.rows_independent:
            return self._reads.keys(part, (), 1)
        return self._reads.keys(part, self._batched, row_count(part))

    def mvm(self, samples: Samples, reads: Keys, exact: frozenset[str]) -> MvmFunction:
        """MVMs of a block on the device; layers whose labels are in `exact` are not read."""
        artifact = self._artifact
        on_chip = self._block(samples, reads)
        if not exact:
            return on_chip
        digital = reference_mvm(artifact)
        spared = {m.name for m in artifact.manifest.matrices if m.label in exact}

        def mvm(step: MvmStep, x: Tensor) -> Tensor:
            return digital(step, x) if step.matrix in spared else on_chip(step, x)

        return mvm

    def _block(self, samples: Samples, reads: Keys) -> "_BlockReads":
        """The sizes of one sample are looked up only where they are needed."""
        shapes = self._shapes(samples) if len(reads) > 1 or self._copied else {}
        return _BlockReads(self._artifact, self._device, reads, self._varying, self._copies, shapes)

    def _shapes(self, samples: Samples) -> Mapping[str, Shape]:
        """The shape of each MVM step's input for one sample."""
        sizes = {n: tuple(t.shape) for n, t in samples.inputs.items()}
        known = tuple(sizes.values())
        if known not in self._sample_shapes:
            self._sample_shapes[known] = sample_shapes(self._artifact, sizes)
        return self._sample_shapes[known]

    def gates(self, exact: frozenset[str], *, ideal: bool) -> GatesFunction | None:
        """The gates of recurrent layers, as the chip's own unit makes them where it does; None
        without any."""
        if not self._recurrent:
            return None
        artifact, table = self._artifact, self._device.chip.gdpu_tanh
        digital = exact_gates(artifact)

        def gates(step: MvmStep, sums: Tensor, states: States) -> States:
            recurrence = step.recurrence
            assert recurrence is not None
            spared = ideal or artifact.matrices[step.matrix].label in exact
            if spared or recurrence.unit == "host" or table is None:
                return digital(step, sums, states)
            return gate_unit_states(recurrence, sums, states, table.bins)

        return gates


@dataclass(slots=True)
class _BlockReads:
    """The MVMs of one block on the device, each vector on its copy of the matrix.

    artifact: the program.
    device: that reads.
    reads: a key for each sample.
    varying: the steps whose values follow from the samples.
    copies: of each matrix.
    shapes: of each step's input for one sample; of a step that is missing, the input is one.
    times: that a recurrence was called.
    """

    artifact: Artifact
    device: Device
    reads: Keys
    varying: frozenset[str]
    copies: Mapping[str, int]
    shapes: Mapping[str, Shape]
    times: dict[str, int] = field(default_factory=dict)

    def __call__(self, step: MvmStep, x: Tensor) -> Tensor:
        whole = self.artifact.timed.get(step.name, step.name)
        known = self.reads if whole in self.varying else _CONSTANT
        shape = tuple(x.shape)
        own = self.shapes.get(whole, shape)
        if step.window is not None:
            return self._windowed(step, x, known, own)
        if step.name in self.artifact.timed:
            return self._at_one_time(step, x, vector_keys(known, shape[:-1], own[:1]))
        keys, copies = vector_keys(known, shape[:-1], own[:-1]), self.copies[step.matrix]
        if copies == 1 and len(shape) == 2:
            return self.device.mvm(step, x, keys)
        vectors = x.reshape(-1, shape[-1])
        if copies == 1:
            y = self.device.mvm(step, vectors, keys)
        else:
            y = self._dispatched(step, vectors, keys, places(shape, own) % copies)
        return y.reshape(*shape[:-1], y.shape[-1])

    def _at_one_time(self, step: MvmStep, x: Tensor, keys: Keys) -> Tensor:
        """The vectors of one time step of a recurrence, the next one at each call."""
        time = self.times.get(step.name, 0)
        keys = parts_of(keys, np.array([time], np.uint64))
        self.times[step.name] = time + 1
        return self.device.mvm(step, x, keys)

    def _windowed(self, step: MvmStep, x: Tensor, reads: Keys, sample: Shape) -> Tensor:
        """An MVM at every position of a window, some at a time."""
        window, copies = step.window, self.copies[step.matrix]
        assert window is not None
        lead, columns = window.rank + 1, self.artifact.matrices[step.matrix].columns
        served = served_count(window, tuple(x.shape[-window.rank :]))
        own = math.prod(sample[:-lead]) * served
        images = vector_keys(reads, tuple(x.shape[:-lead]), sample[:-lead])
        if copies == 1 and isinstance(self.device, TakesImages):
            found = self._whole(self.device, step, window, x, images)
            if found is not None:
                return found

        def at(vectors: Tensor, places: Tensor) -> Tensor:
            image, position = np.divmod(places.numpy(), served)
            keys = parts_of(images[image], position.astype(np.uint64))
            if copies == 1:
                return self.device.mvm(step, vectors, keys)
            return self._dispatched(step, vectors, keys, places % own % copies)

        idle = idle_result(self.artifact, step, x)
        return convolve(window, x, columns, at, idle).to(x.dtype)

    def _whole(
        self, device: TakesImages, step: MvmStep, window: Window, x: Tensor, images: Keys
    ) -> Tensor | None:
        """The same at once, by a device that can, where no position sees padding alone."""
        flat = x.reshape(-1, *x.shape[-window.rank - 1 :])
        count = math.prod(window.outputs(tuple(flat.shape[2:])))
        if served_count(window, tuple(flat.shape[2:])) != count:
            return None
        keys = parts_of(images[:, None], np.arange(count, dtype=np.uint64))
        found = device.mvm_windows(step, flat.movedim(1, -1), keys.reshape(-1))
        if found is None:
            return None
        shape = result_shape(window, x.shape, found.shape[-1])
        return found.movedim(-1, 1).reshape(shape).to(x.dtype)

    def _dispatched(self, step: MvmStep, vectors: Tensor, keys: Keys, turns: Tensor) -> Tensor:
        """Each vector on its own copy of the matrix."""

        def serve(mine: Tensor, copy: int) -> Tensor:
            return self.device.mvm(step, mine, keys[(turns == copy).numpy()], copy)

        columns = self.artifact.matrices[step.matrix].columns
        return dispatch(vectors, turns, self.copies[step.matrix], columns, serve)
