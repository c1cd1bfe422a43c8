"""A program and a chip that holds it: what users of the Python interface have in their hands."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from hermesrt.artifact import io
from hermesrt.artifact.chip_settings import with_settings
from hermesrt.artifact.same_cells import cells_differ
from hermesrt.artifact.schema import AS_RUN, Artifact
from hermesrt.blocks import OutputBlock, RowBlocks, joined, rows_of
from hermesrt.chip.load import GivenSettings, chip_tables
from hermesrt.chip.spec import MODES, Mode
from hermesrt.cost import Cost
from hermesrt.data import Samples, Sizes, array_of, check_samples, example_samples
from hermesrt.device import METHODS, Device, Method, ReadSettings
from hermesrt.errors import ArtifactError, OptionError
from hermesrt.executor import check_operations, execute, reference_mvm, straight_through
from hermesrt.facts.fact import Fact
from hermesrt.files.digest import Digest
from hermesrt.given_inputs import Given, GivenInputs, with_gradients
from hermesrt.layer_outputs import LayerOutputs
from hermesrt.made_once import once
from hermesrt.measurement import RunSettings, measure
from hermesrt.place import CPU, at, place_of
from hermesrt.programming.loop import Iteration, ProgrammingOptions, ProgrammingProgress
from hermesrt.reader import Reader
from hermesrt.run_report import RunReport, read_mode
from hermesrt.state import ProgrammingJob, load_state, save_state
from hermesrt.units import age_of, duration
from hermesrt.workload import Workload, workload
from hermesrt.writing import pulsed_cores, refuse_corrected, write_all, write_by_layer

P = TypeVar("P", bound="Program")
C = TypeVar("C", bound="Chip")


@dataclass(frozen=True, repr=False)
class Program:
    """A compiled model.

    artifact: what is in its file.
    read: the digest of the file that it was read from; None of one that was not.
    """

    artifact: Artifact
    read: Digest | None = None

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
        return self.digest.hex

    @cached_property
    def digest(self) -> Digest:
        """The same before anybody has asked for it, which is a pass over the weights."""
        return self.read or io.digest_of(self.artifact)

    @classmethod
    def load(cls: type[P], path: str | Path, chip_settings: GivenSettings = ()) -> P:
        """Read a `.hermes` file; `chip_settings` replace numbers of its chip.

        Raises: ArtifactError when it is damaged or hostile; OptionError for a number that it was
        compiled for.
        """
        artifact, digest = io.load(Path(path))
        return cls(with_settings(artifact, chip_settings), digest)

    def save(self, path: str | Path) -> None:
        """Write the `.hermes` file, whole or not at all."""
        written = io.save(self.artifact, Path(path))
        if self.read is None:
            self.__dict__["digest"] = written  # which spares another pass over the weights

    def deploy(self, device: Device, method: Method = "published") -> "Chip":
        """Write the weights into a device."""
        chip = Chip(self, device)
        chip.program(method)
        return chip

    def workload(self, samples: Samples | None = None) -> Workload:
        """The work of one sample of the sizes of `samples`."""
        sizes = (samples or example_samples(self.artifact)).sizes
        return once(self._workloads, sizes, lambda: workload(self.artifact, dict(sizes)))

    @cached_property
    def _workloads(self) -> dict[Sizes, Workload]:
        return {}


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
        self._given = GivenInputs(program.artifact)
        self._reader = Reader(program.artifact, device)
        self._blocks = RowBlocks(program.artifact)
        self._costs: dict[tuple[Sizes, Mode | None], Cost] = {}
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
        if not settings.ideal and any(m.method != AS_RUN for m in artifact.manifest.matrices):
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
        artifact, device = self.compiled.artifact, self.device
        pulsed, options = pulsed_cores(artifact, method), options or ProgrammingOptions()
        alike = list(pulsed.get(method, ())) == list(artifact.cores)
        if not alike:
            device.draw("ideal" if method == "ideal" else "published")
        refuse_corrected(artifact, pulsed)
        if alike:
            job = self._job(options)
            self.iterations = write_all(device, artifact, job, observe, checkpoint)
        else:
            write_by_layer(device, artifact, pulsed, options, observe)
        device.configure(self.settings)

    def _job(self, options: ProgrammingOptions) -> ProgrammingJob:
        program, device = self.compiled.sha256, self.device
        tables = chip_tables(device.chip)
        return ProgrammingJob(program, self.method, device.seed, device.identity, options, tables)

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
        self._reader.forget()
        return self

    def __call__(self, *inputs: Given) -> Any:
        """The outputs of tensors or numpy arrays: a tensor, or a tuple where there are several.

        The read noise of a row follows from the chip's seed, the row itself and how often the chip
        has read it. So neither the split into calls nor the order of different rows nor the number
        of threads changes a bit on crossbars, and a call with the same rows has fresh noise.
        Inputs that require a gradient get one, straight through each crossbar: that of the exact
        product, and none where an input is beyond its range.
        Raises: InputError when the inputs do not fit the program.
        """
        samples = self._given.samples(inputs)
        wanted = torch.is_grad_enabled() and any(
            isinstance(x, Tensor) and x.requires_grad for x in inputs
        )
        if wanted:
            samples = with_gradients(samples, inputs)
        blocks = self.run(samples, references=False, gradients=wanted)
        outputs = joined([block.outputs for block in blocks])
        return outputs[0] if len(outputs) == 1 else outputs

    def report(self, *inputs: Given, labels: Given | None = None) -> RunReport:
        """Accuracy, latency and energy on the inputs, or on the program's own examples.

        It runs them, so it counts as a call: a later one reads them with fresh noise.
        """
        artifact = self.compiled.artifact
        samples = self._given.samples(inputs) if inputs else example_samples(artifact)
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
            self._cost(samples),
        )

    def _cost(self, samples: Samples) -> Cost:
        """Time and energy of these sizes, computed once."""
        mode = self.settings.mode
        return once(
            self._costs,
            (samples.sizes, mode),
            lambda: self.device.cost(self.compiled.workload(samples), mode),
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
        blocks = self._blocks.of(samples)
        for rows in blocks:
            part = {n: rows_of(t, rows) for n, t in samples.inputs.items()}
            if rows is blocks[0]:
                self._blocks.check(part)
            mvm = self._reader.mvm(samples, self._reader.keys(part), exact)
            gates = self._reader.gates(exact, ideal=self.settings.ideal)
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
