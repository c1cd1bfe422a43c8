"""A program and a chip that holds it: what users of the Python interface have in their hands."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.artifact import io
from hermesrt.artifact.same_cells import cells_differ
from hermesrt.artifact.schema import AS_RUN, Artifact, Matrix, MvmStep
from hermesrt.chip.load import GivenSettings, chip_tables, override, settings_of
from hermesrt.chip.spec import COMPILED_IN, COMPILED_IN_KEYS, MODES, Mode
from hermesrt.data import Samples, all_finite, array_of, check_samples, example_samples
from hermesrt.device import DRAWN, METHODS, Device, Method, ReadSettings
from hermesrt.errors import ArtifactError, InputError, OptionError
from hermesrt.executor import (
    GatesFunction,
    MvmFunction,
    check_operations,
    exact_gates,
    execute,
    idle_result,
    reference_mvm,
    straight_through,
)
from hermesrt.facts.fact import Fact
from hermesrt.layer_outputs import LayerOutputs
from hermesrt.measurement import RunSettings, measure
from hermesrt.ops.gate_unit import gate_unit_states
from hermesrt.ops.time_steps import States
from hermesrt.ops.unfold import convolve
from hermesrt.ops.window import served_count
from hermesrt.place import CPU, at, place_of
from hermesrt.programming.corrections import deepest_correction
from hermesrt.programming.loop import (
    Iteration,
    ProgrammingOptions,
    ProgrammingProgress,
    phases_of,
    program,
)
from hermesrt.reads import Keys, ReadCounter, parts_of, varying_steps, vector_keys
from hermesrt.replication import dispatch, places, sample_shapes
from hermesrt.run_report import RunReport, read_mode
from hermesrt.shapes import Shape, batched_inputs, check_run
from hermesrt.state import ProgrammingJob, load_checkpoint, load_state, save_checkpoint, save_state
from hermesrt.units import age_of, duration
from hermesrt.workload import HostWork, Workload, workload

P = TypeVar("P", bound="Program")
C = TypeVar("C", bound="Chip")

_BLOCK_ELEMENTS = 2**24  # of the largest result of a block: 64 MB in FP32
_BLOCK_ROWS = 1024
_ALL = slice(None)
_CONSTANT = np.zeros(1, np.uint64)  # read of what does not follow from the samples


@dataclass(frozen=True, repr=False)
class Program:
    """A compiled model.

    artifact: what is in its file.
    read_sha256: of the file that it was read from; None of one that was not.
    """

    artifact: Artifact
    read_sha256: str | None = None

    def __post_init__(self) -> None:
        check_operations(self.artifact)

    def __repr__(self) -> str:
        manifest = self.artifact.manifest
        return f"<Program {manifest.name} for {self.artifact.chip.name}, {self.sha256[:12]}>"

    @classmethod
    def of(cls: type[P], artifact: Artifact) -> P:
        """The program of an artifact that has not been written yet."""
        return cls(artifact)

    @cached_property
    def sha256(self) -> str:
        """Of its file, whether that has been written or not."""
        return self.read_sha256 or io.sha256_of(self.artifact)

    @classmethod
    def load(cls: type[P], path: str | Path, chip_settings: GivenSettings = ()) -> P:
        """Read a `.hermes` file; `chip_settings` replace numbers of its chip.

        Raises: ArtifactError when it is damaged or hostile; OptionError for a number that it was
        compiled for.
        """
        artifact, sha256 = io.load(Path(path))
        return cls(with_settings(artifact, chip_settings), sha256)

    def save(self, path: str | Path) -> None:
        """Write the `.hermes` file, whole or not at all."""
        written = io.save(self.artifact, Path(path))
        if self.read_sha256 is None:
            self.__dict__["sha256"] = written  # which spares another pass over the weights

    def deploy(self, device: Device, method: Method = "published") -> "Chip":
        """Write the weights into a device."""
        chip = Chip(self, device)
        chip.program(method)
        return chip

    def workload(self, samples: Samples | None = None) -> Workload:
        """The work of one sample of the sizes of `samples`."""
        samples = samples or example_samples(self.artifact)
        return workload(self.artifact, {n: tuple(t.shape) for n, t in samples.inputs.items()})


def with_settings(artifact: Artifact, given: GivenSettings) -> Artifact:
    """The program on a chip some of whose numbers are replaced.

    Raises: OptionError for a number that it was compiled for.
    """
    settings = settings_of(given)
    for key, _ in settings:
        if key.split(".")[0] in COMPILED_IN or key in COMPILED_IN_KEYS:
            raise OptionError(
                f"--set chip.{key}: the program was compiled for it; give it to `hermesc compile`"
            )
    if not settings:
        return artifact
    tables = override(artifact.manifest.chip, settings)
    return replace(artifact, manifest=replace(artifact.manifest, chip=tables))


@dataclass(frozen=True)
class OutputBlock:
    """Some rows of a run.

    rows: which of the samples.
    outputs: of the chip, the rows first.
    references: the same in FP32; empty where none were asked for.
    """

    rows: slice
    outputs: tuple[Tensor, ...]
    references: tuple[Tensor, ...]


class Chip:
    """A device that holds a program: call it like the model itself.

    A sample that is given again is read again, with fresh noise; a new Chip of the same seed
    repeats all reads, as this one does after `rewind`.
    """

    def __init__(self, program: Program, device: Device) -> None:
        self.compiled = program
        self.device = device
        self.method: Method = "published"
        self.iterations: tuple[Iteration, ...] = ()
        self.settings = ReadSettings()
        self._place, self._place_name = CPU, "cpu"
        self._reads = ReadCounter()
        self._batched = batched_inputs(program.artifact)
        self._varying = varying_steps(program.artifact, self._batched)
        self._rows_at_once: dict[tuple[Shape, ...], int] = {}
        self._sample_shapes: dict[tuple[Shape, ...], dict[str, Shape]] = {}
        self._checked: set[tuple[Shape, ...]] = set()
        self._taken: set[tuple[object, ...]] = set()
        self._copies = {m.name: m.copies for m in program.artifact.manifest.matrices}
        device.load(program.artifact)
        device.configure(self.settings)

    def __repr__(self) -> str:
        name, chip = self.compiled.artifact.manifest.name, self.device.chip.name
        age = duration(self.settings.age_s)
        return f"<Chip {name} on {chip}, seed {self.device.seed}, {self.method} weights, {age} old>"

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What it holds, and how it is read."""
        settings, artifact = self.settings, self.compiled.artifact
        weights = "ideal" if settings.ideal else f"{self.method} weights"
        if not settings.ideal and any(m.method != AS_RUN for m in self._matrices):
            weights += " (some layers by methods of their own)"
        reads = f"{read_mode(artifact, settings.mode)} reads"
        return (
            Fact("Program", f"{artifact.manifest.name} on {self.device.chip.name}"),
            Fact("Chip", f"one chip, seed {self.device.seed}"),
            Fact("Weights", f"{weights}, {duration(settings.age_s)} after programming, {reads}"),
        )

    def program(
        self,
        method: Method,
        options: ProgrammingOptions | None = None,
        observe: Callable[[ProgrammingProgress], None] | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        """Write the weights again, by that method; `observe` is called after each iteration.

        Pulse-by-pulse methods keep what they did in `checkpoint` every few seconds; a file that a
        killed run left there is taken up, with the same result, and removed at the end.
        """
        if method not in METHODS:
            raise OptionError(f"method {method!r}: must be one of {', '.join(METHODS)}")
        self.method, self.iterations = method, ()
        pulsed = self._pulsed(method)
        alike = pulsed.get(method, []) == list(self._all_cores)
        if not alike:
            self.device.draw("ideal" if method == "ideal" else "published")
        if pulsed and deepest_correction(self.compiled.artifact):
            raise OptionError(
                f"method {next(iter(pulsed))!r}: the program has tile.slice_fill=corrected, whose "
                "slices are written one after the other; only published and ideal weights are "
                "drawn so: compile with tile.slice_fill=max or equal"
            )
        if not alike:
            self._by_layer(pulsed, options or ProgrammingOptions(), observe)
            return
        options = options or ProgrammingOptions()
        artifact, spec = self.compiled.artifact, self.device.chip
        progress = ProgrammingProgress(method, phases_of(method, spec, options))
        device = self.device
        job = ProgrammingJob(
            self.compiled.sha256, method, device.seed, device.identity, options, chip_tables(spec)
        )

        def keep(progress: ProgrammingProgress) -> None:
            if checkpoint is not None:
                save_checkpoint(self.device, progress, job, checkpoint)

        if checkpoint is not None and checkpoint.exists():
            load_checkpoint(self.device, artifact, progress, job, checkpoint)
        self.device.configure(ReadSettings())
        with one_thread():
            for _ in program(self.device, artifact, progress, options, keep):
                if observe is not None:
                    observe(progress)
        self.device.configure(self.settings)
        self.iterations = tuple(progress.iterations)
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)

    @property
    def _all_cores(self) -> tuple[int, ...]:
        return self.compiled.artifact.cores

    def _pulsed(self, method: Method) -> dict[Method, list[int]]:
        """The cores that are programmed pulse by pulse, by their own methods or by that of all."""
        found: dict[Method, list[int]] = {}
        own = {t.core: m.method for m in self._matrices for t in m.tiles}
        for core in self._all_cores:
            said = own[core]
            chosen = method if said == AS_RUN else cast(Method, said)
            if chosen not in DRAWN:
                found.setdefault(chosen, []).append(core)
        return found

    @property
    def _matrices(self) -> tuple[Matrix, ...]:
        return self.compiled.artifact.manifest.matrices

    def _by_layer(
        self,
        pulsed: Mapping[Method, Collection[int]],
        options: ProgrammingOptions,
        observe: Callable[[ProgrammingProgress], None] | None,
    ) -> None:
        """Some cores by one method after some by another; nothing is kept for a stopped run."""
        artifact, spec = self.compiled.artifact, self.device.chip
        self.device.configure(ReadSettings())
        with one_thread():
            for method, cores in pulsed.items():
                progress = ProgrammingProgress(method, phases_of(method, spec, options))
                for _ in program(self.device, artifact, progress, options, cores=cores):
                    if observe is not None:
                        observe(progress)
        self.device.configure(self.settings)

    def configure(
        self: C,
        age_s: float | str | None = None,
        mode: Mode | None = None,
        ideal: bool | None = None,
    ) -> C:
        """Set seconds since programming (or a text such as "1d"), read mode (of all layers,
        instead of each one's own), or a run without any non-ideality.

        Changes this chip, and returns it so that calls can be chained.
        """
        if mode is not None and mode not in MODES:
            raise OptionError(f"mode {mode!r}: must be one of {', '.join(MODES)}")
        old = self.settings
        settings = ReadSettings(
            age_s=old.age_s if age_s is None else age_of(age_s),
            mode=old.mode if mode is None else mode,
            ideal=old.ideal if ideal is None else ideal,
        )
        self.settings = settings
        self.device.configure(settings)
        return self

    def switch(self: C, program: Program) -> C:
        """Run another program on the weights that the cells hold: nothing is programmed.

        Such are the programs of one model with different adapters. This chip is done with then; use
        the one that is returned.
        Raises: OptionError where the other program has other weights, or has them elsewhere.
        """
        differing = cells_differ(self.compiled.artifact, program.artifact)
        if differing is not None:
            raise OptionError(
                f"the chip holds another program than {program.artifact.manifest.name}, from which "
                f"it differs in {differing}; compile with programmed=PROGRAM to keep the weights "
                "where they are, or deploy it"
            )
        held, settings = self.device.state(), self.settings
        chip = type(self)(program, self.device)
        chip.device.restore(held)
        chip.method, chip.iterations = self.method, self.iterations
        return chip.configure(settings.age_s, settings.mode, settings.ideal)

    def to(self: C, device: str | torch.device) -> C:
        """Compute on that device from now on, such as "cuda": the host's operations and the
        simulated crossbars, whose noise has the same distribution everywhere. Outputs stay there.

        Changes this chip, and returns it so that calls can be chained.
        Raises: OptionError where torch has no such device.
        """
        self._place = place_of(device)
        self._place_name = str(self._place)
        return self

    def rewind(self: C) -> C:
        """Forget which samples were read, so that each is read with its first noise again."""
        self._reads.forget()
        return self

    def __call__(self, *inputs: Tensor | NDArray[Any]) -> Any:
        """The outputs of tensors or numpy arrays: a tensor, or a tuple where there are several.

        The read noise of a row follows from the chip's seed, the row itself and how often the chip
        has read it. So neither the split into calls nor the order of different rows nor the number
        of threads changes a bit on crossbars, and a call with the same rows has fresh noise.
        Inputs that require a gradient get one, straight through each crossbar: that of the exact
        product, and none where an input is beyond its range.
        Raises: InputError when the inputs do not fit the program.
        """
        samples = self._samples(inputs)
        wanted = torch.is_grad_enabled() and any(
            isinstance(x, Tensor) and x.requires_grad for x in inputs
        )
        if wanted:
            samples = _with_gradients(samples, inputs)
        blocks = self.run(samples, references=False, gradients=wanted)
        outputs = joined([block.outputs for block in blocks])
        return outputs[0] if len(outputs) == 1 else outputs

    def report(
        self, *inputs: Tensor | NDArray[Any], labels: Tensor | NDArray[Any] | None = None
    ) -> RunReport:
        """Accuracy, latency and energy on the inputs, or on the program's own examples.

        It runs them, so it counts as a call: a later one reads them with fresh noise.
        """
        artifact = self.compiled.artifact
        samples = self._samples(inputs) if inputs else example_samples(artifact)
        if labels is not None:
            arrays = {name: array_of(value) for name, value in samples.inputs.items()}
            samples = check_samples(artifact, arrays, np.asarray(labels), "inputs")
        return self.measured(samples, self.run(samples))

    def measured(self, samples: Samples, blocks: Iterable[OutputBlock]) -> RunReport:
        """The report of a run whose blocks come from elsewhere, such as through a progress bar."""
        return measure(
            self.compiled.artifact,
            RunSettings(self.method, self.device.seed, self.settings),
            samples,
            ((b.rows, at(b.outputs, CPU), at(b.references, CPU)) for b in blocks),
            self.device.cost(self.compiled.workload(samples), self.settings.mode),
        )

    def run(
        self,
        samples: Samples,
        references: bool = True,
        exact: frozenset[str] = frozenset(),
        *,
        gradients: bool = False,
        watch: tuple[LayerOutputs, LayerOutputs] | None = None,
    ) -> Iterator[OutputBlock]:
        """Outputs block by block, in bounded memory where the program's rows are independent.

        Layers whose labels are in `exact` are computed as if they were digital; with `gradients`
        outputs have those of the inputs that require one. `watch` keeps values of layers: the
        chip's, and the exact ones.
        """
        artifact = self.compiled.artifact
        if self.device.loaded is not artifact:
            raise OptionError(
                f"the device holds another program than {artifact.manifest.name} now; deploy it "
                "again, or simulate a device for each program"
            )
        self.device.configure(self.settings)
        blocks = self._row_blocks(samples)
        for rows in blocks:
            part = {n: _rows(t, rows) for n, t in samples.inputs.items()}
            if rows is blocks[0]:
                self._check(part)
            reads = self._sample_keys(part)
            mvm, gates = self._mvm(samples, reads, exact), self._gates(exact)
            if self._place != CPU:
                part = {n: t.to(self._place) for n, t in part.items()}
            with torch.set_grad_enabled(gradients):
                run = straight_through(artifact, mvm) if gradients else mvm
                run = watch[0].watched(run) if watch else run
                outputs = execute(artifact, part, run, self._place_name, gates=gates)
            exactly = watch[1] if watch else None
            yield OutputBlock(rows, outputs, self._exactly(part, exactly) if references else ())

    def _exactly(
        self, part: Mapping[str, Tensor], watch: LayerOutputs | None
    ) -> tuple[Tensor, ...]:
        """The outputs of a block in FP32."""
        artifact = self.compiled.artifact
        run = reference_mvm(artifact)
        with torch.no_grad():
            return execute(artifact, part, watch.watched(run) if watch else run, self._place_name)

    def _check(self, part: Mapping[str, Tensor]) -> None:
        """Before the first run of each size: what does not fit is known before it is computed."""
        known = tuple([t.shape for t in part.values()])
        if known not in self._checked:
            check_run(self.compiled.artifact, {n: tuple(t.shape) for n, t in part.items()})
            self._checked.add(known)

    def _sample_keys(self, part: Mapping[str, Tensor]) -> Keys:
        """A key for the read of each sample of a block; rows that belong together are one."""
        if not self.compiled.artifact.manifest.rows_independent:
            return self._reads.keys(part, (), 1)
        return self._reads.keys(part, self._batched, Samples(part, None).count)

    def _mvm(self, samples: Samples, reads: Keys, exact: frozenset[str]) -> MvmFunction:
        """MVMs of a block on the device, each vector on its copy of the matrix."""
        artifact = self.compiled.artifact
        copies = self._copies
        matrices = artifact.manifest.matrices if exact else ()
        spared = {m.name for m in matrices if m.label in exact}
        digital = reference_mvm(artifact) if exact else None
        shapes: Mapping[str, Shape] = {}
        times: Counter[str] = Counter()  # that a recurrence was called
        if len(reads) > 1 or max(copies.values(), default=1) > 1:
            shapes = self._shapes(samples)

        def mvm(step: MvmStep, x: Tensor) -> Tensor:
            if digital is not None and step.matrix in spared:
                return digital(step, x)
            known = reads if step.name in self._varying else _CONSTANT
            shape = tuple(x.shape)
            own = shapes.get(step.name, shape)
            if step.window is not None:
                return self._windowed(step, x, known, copies[step.matrix], own)
            if step.recurrence is not None:  # some vectors of one time step
                keys = vector_keys(known, shape[:-1], own[:1])
                keys = parts_of(keys, np.array([times[step.name]], np.uint64))
                times[step.name] += 1
                return self.device.mvm(step, x, keys)
            keys, several = vector_keys(known, shape[:-1], own[:-1]), copies[step.matrix]
            if several == 1 and len(shape) == 2:
                return self.device.mvm(step, x, keys)
            vectors = x.reshape(-1, shape[-1])
            if several == 1:
                y = self.device.mvm(step, vectors, keys)
            else:
                turns = places(shape, own) % several
                y = self._dealt(step, vectors, keys, turns, several)
            return y.reshape(*shape[:-1], y.shape[-1])

        return mvm

    def _gates(self, exact: frozenset[str]) -> GatesFunction:
        """The gates of recurrent layers, as the chip's own unit makes them where it does."""
        artifact, table = self.compiled.artifact, self.device.chip.gdpu_tanh
        digital = exact_gates(artifact)

        def gates(step: MvmStep, sums: Tensor, states: States) -> States:
            recurrence = step.recurrence
            assert recurrence is not None
            spared = self.settings.ideal or artifact.matrices[step.matrix].label in exact
            if spared or recurrence.unit == "host" or table is None:
                return digital(step, sums, states)
            return gate_unit_states(recurrence, sums, states, table.bins)

        return gates

    def _windowed(
        self, step: MvmStep, x: Tensor, reads: Keys, copies: int, sample: Shape
    ) -> Tensor:
        """An MVM at every position of a window, some at a time."""
        artifact, window = self.compiled.artifact, step.window
        assert window is not None
        lead, columns = window.rank + 1, artifact.matrices[step.matrix].columns
        served = served_count(window, tuple(x.shape[-window.rank :]))
        own = math.prod(sample[:-lead]) * served
        images = vector_keys(reads, tuple(x.shape[:-lead]), sample[:-lead])

        def at(vectors: Tensor, places: Tensor) -> Tensor:
            image, position = np.divmod(places.numpy(), served)
            keys = parts_of(images[image], position.astype(np.uint64))
            if copies == 1:
                return self.device.mvm(step, vectors, keys)
            return self._dealt(step, vectors, keys, places % own % copies, copies)

        return convolve(window, x, columns, at, idle_result(artifact, step, x))

    def _dealt(
        self, step: MvmStep, vectors: Tensor, keys: Keys, turns: Tensor, copies: int
    ) -> Tensor:
        """Each vector on its own copy of the matrix."""

        def serve(mine: Tensor, copy: int) -> Tensor:
            return self.device.mvm(step, mine, keys[(turns == copy).numpy()], copy)

        columns = self.compiled.artifact.matrices[step.matrix].columns
        return dispatch(vectors, turns, copies, columns, serve)

    def _shapes(self, samples: Samples) -> Mapping[str, Shape]:
        """The shape of each MVM step's input for one sample."""
        sizes = {n: tuple(t.shape) for n, t in samples.inputs.items()}
        known = tuple(sizes.values())
        if known not in self._sample_shapes:
            self._sample_shapes[known] = sample_shapes(self.compiled.artifact, sizes)
        return self._sample_shapes[known]

    def save(self, path: str | Path) -> None:
        """Write the programmed cells to a `.state` file."""
        save_state(self.device.state(), self.iterations, self.compiled.sha256, Path(path))

    def load(self: C, path: str | Path) -> C:
        """Take programmed cells from a `.state` file of the same program."""
        state, iterations = load_state(Path(path), self.compiled.sha256)
        if state.arrays and not any(name.endswith(".nu") for name in state.arrays):
            raise ArtifactError(
                f"{path}: its programming was not finished; make a state with `hermesc program`"
            )
        try:
            self.device.restore(state)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}") from None
        self.method, self.iterations = state.method, iterations
        return self

    def _samples(self, inputs: tuple[Tensor | NDArray[Any], ...]) -> Samples:
        specs = self.compiled.artifact.manifest.inputs
        if len(inputs) != len(specs):
            names = ", ".join(s.name for s in specs)
            raise InputError(f"{len(inputs)} inputs given; the program takes {len(specs)}: {names}")
        tensors = [value for value in inputs if isinstance(value, Tensor)]
        kinds = tuple([(t.shape, t.dtype, t.device) for t in tensors])
        if kinds in self._taken and all(map(all_finite, tensors)):
            parts = zip(specs, tensors, strict=True)
            return Samples({s.name: t.detach().contiguous() for s, t in parts}, None)
        arrays = {}
        for spec, value in zip(specs, inputs, strict=True):
            if not isinstance(value, Tensor | np.ndarray):
                raise InputError(f"input {spec.name!r} is a {type(value).__name__}, not a tensor")
            arrays[spec.name] = array_of(value) if isinstance(value, Tensor) else value
        samples = check_samples(self.compiled.artifact, arrays, None, "inputs")
        if [v.dtype for v in inputs] == [t.dtype for t in samples.inputs.values()]:
            self._taken.add(kinds)  # inputs of these kinds are taken as they are
        return samples

    def _row_blocks(self, samples: Samples) -> list[slice]:
        artifact = self.compiled.artifact
        if not artifact.manifest.rows_independent or samples.count == 1:
            return [_ALL]
        shapes = tuple(tuple(t.shape[1:]) for t in samples.inputs.values())
        if shapes not in self._rows_at_once:
            self._rows_at_once[shapes] = block_rows(self.compiled.workload(samples))
        rows = self._rows_at_once[shapes]
        return [slice(i, min(i + rows, samples.count)) for i in range(0, samples.count, rows)]


def _with_gradients(samples: Samples, inputs: Sequence[Tensor | NDArray[Any]]) -> Samples:
    """The samples, checked, with the tensors that they were made from."""
    pairs = zip(samples.inputs.items(), inputs, strict=True)
    held = {n: x.to(t.dtype) if isinstance(x, Tensor) else t for (n, t), x in pairs}
    return Samples(held, samples.labels)


def _rows(tensor: Tensor, rows: slice) -> Tensor:
    """Some rows of an input; one without dimensions is the same for all."""
    whole = rows == _ALL or not tensor.dim()
    return tensor if whole else tensor[rows]


@contextmanager
def one_thread() -> Iterator[None]:
    """Small products only wait for further threads, whose number can change the last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def joined(blocks: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The outputs of all rows, from those of each block; one block is taken as it is."""
    if len(blocks) == 1:
        return blocks[0]
    return tuple(torch.cat(parts) for parts in zip(*blocks, strict=True))


def block_rows(work: Workload) -> int:
    """Rows to run at once: a power of two that keeps every result of a block small."""
    columns = {m.name: m.columns for m in work.artifact.manifest.matrices}
    largest = max(
        (
            w.elements if isinstance(w, HostWork) else w.vectors * columns[w.step.matrix]
            for w in work.work
        ),
        default=1,
    )
    fitting = max(1, _BLOCK_ELEMENTS // max(1, largest))
    return int(min(_BLOCK_ROWS, 1 << (fitting.bit_length() - 1)))
