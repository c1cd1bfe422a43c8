"""Program all cores pulse by pulse, iteration by iteration, in a way that can stop and go on."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Device, Method
from hermesrt.programming import gdp
from hermesrt.programming.gdp import GdpOptions
from hermesrt.programming.mvm_error import core_error
from hermesrt.programming.oneshot import oneshot
from hermesrt.programming.session import (
    CoreProgramming,
    OperationCounts,
    ProgrammingSession,
    start_all,
)
from hermesrt.programming.targets import targets
from hermesrt.programming.verify import VerifyOptions, verify
from hermesrt.seeds import generator

Phase = Literal["start", "pulse", "verify", "descend"]

_TEST_VECTORS = 128


@dataclass(frozen=True, slots=True)
class ProgrammingOptions:
    """The methods' own settings, all assumed, for none is published.

    verify: of program-and-verify.
    gdp: of gradient descent.
    """

    verify: VerifyOptions = field(default_factory=VerifyOptions)
    gdp: GdpOptions = field(default_factory=GdpOptions)


@dataclass(frozen=True, slots=True)
class Iteration:
    """One round over all cores.

    phase: what was done.
    mvm_errors: of each core after it (of a descent before its pulses), [cores].
    counts: all that was sent so far; measuring the errors is not counted.
    """

    phase: Phase
    mvm_errors: tuple[float, ...]
    counts: OperationCounts


@dataclass(slots=True)
class ProgrammingProgress:
    """How far programming came: what a checkpoint keeps beside the device's own state.

    method: how the weights are written.
    phases: all of its rounds.
    cores: under programming.
    iterations: done so far.
    index: the number of the last pulse or read.
    """

    method: Method
    phases: tuple[Phase, ...]
    cores: list[CoreProgramming] = field(default_factory=list)
    iterations: list[Iteration] = field(default_factory=list)
    index: int = 0

    @property
    def done(self) -> int:
        """Number of phases done."""
        return len(self.iterations)


def phases_of(method: Method, chip: ChipSpec, options: ProgrammingOptions) -> tuple[Phase, ...]:
    """The rounds of a method; none for those that need no pulses."""
    match method:
        case "oneshot":
            return ("start", "pulse")
        case "verify":
            return ("start", *_times("verify", chip.programming_pulses.iterations))
        case "gdp":
            verifies = _times("verify", options.gdp.verify_iterations)
            return ("start", *verifies, *_times("descend", options.gdp.iterations))
    return ()


def _times(phase: Phase, count: int) -> tuple[Phase, ...]:
    return (phase,) * count


def program(
    device: Device,
    artifact: Artifact,
    progress: ProgrammingProgress,
    options: ProgrammingOptions,
    keep: Callable[[ProgrammingProgress], None] | None = None,
    keep_seconds: float = 2.0,
    keep_share: float = 0.1,
    cores: Collection[int] | None = None,
) -> Iterator[Iteration]:
    """Run the phases that are left, one at a time, on some `cores` or on all.

    `keep` is called every so many seconds, or more seldom where it would take a larger share of
    the time than `keep_share`.
    The device ends settled. Same device, progress and options, same bits, however often stopped.
    """
    kept, wait = time.monotonic(), keep_seconds
    for number in range(progress.done, len(progress.phases)):
        iteration = _Round(device, progress, options, number).run(artifact, cores)
        progress.iterations.append(iteration)
        yield iteration
        start = time.monotonic()
        if keep is not None and start - kept > wait:
            keep(progress)
            kept = time.monotonic()
            wait = max(keep_seconds, (kept - start) / keep_share)
    device.settle(progress.method)


class _Round:
    """One phase for every core."""

    def __init__(
        self,
        device: Device,
        progress: ProgrammingProgress,
        options: ProgrammingOptions,
        number: int,
    ):
        before = progress.iterations[-1].counts if progress.iterations else OperationCounts()
        counts = OperationCounts(
            before.pulses, before.charge_coulomb, before.pulse_ns, before.reads, before.mvms
        )
        self.session = ProgrammingSession(device, progress.index, counts)
        self.progress = progress
        self.options = options
        self.phase = progress.phases[number]
        stream = generator(device.seed, "inputs", number)
        self.x = gdp.inputs(options.gdp, device.chip.crossbar.rows, stream)

    def run(self, artifact: Artifact, cores: Collection[int] | None) -> Iteration:
        errors = []
        if self.phase == "start":
            chosen = [t for t in targets(artifact) if cores is None or t.core in cores]
            self.progress.cores = start_all(self.session, chosen)
        for core in self.progress.cores:
            errors.append(self._core(core))
        self.progress.index = self.session.index
        return Iteration(self.phase, tuple(errors), self.session.counts)

    def _core(self, core: CoreProgramming) -> float:
        match self.phase:
            case "descend":
                return gdp.descend(self.session, core, self.x, self.options.gdp)
            case "verify":
                verify(self.session, core, self.options.verify)
            case "pulse":
                oneshot(self.session, core)
        x = self.x[:_TEST_VECTORS]
        return core_error(self.session.device, core.target, x, self.session.index)
