"""Program all cores pulse by pulse, iteration by iteration, in a way that can stop and go on.

Cores are independent, and all that is random about one is named by its own calls. So a core gets
several rounds before the next one's turn, while its cells stay in the processor's cache; how many
changes no bit.
"""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Literal

from torch import Tensor

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Device, Method
from hermesrt.programming import gdp
from hermesrt.programming.core_programming import CoreProgramming
from hermesrt.programming.gdp import GdpOptions
from hermesrt.programming.mvm_error import core_error
from hermesrt.programming.oneshot import oneshot
from hermesrt.programming.session import (
    OperationCounts,
    ProgrammingSession,
    start_all,
)
from hermesrt.programming.targets import targets
from hermesrt.programming.verify import VerifyOptions, verify
from hermesrt.seeds import generator

Phase = Literal["start", "pulse", "verify", "descend"]

_TEST_VECTORS = 128
_ROUNDS = 16  # of a core in its turn
_INPUTS = 2**21  # numbers of the inputs of a turn, at most


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
    """

    method: Method
    phases: tuple[Phase, ...]
    cores: list[CoreProgramming] = field(default_factory=list)
    iterations: list[Iteration] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Number of phases done."""
        return len(self.iterations)

    def after(self, count: int) -> "ProgrammingProgress":
        """With the first iterations alone, for those who look on; the cores may be further."""
        return replace(self, iterations=self.iterations[:count])


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
    rounds: int = _ROUNDS,
) -> Iterator[Iteration]:
    """Run the phases that are left, on some `cores` or on all; every core gets so many `rounds` in
    its turn.

    `keep` is called every so many seconds, or more seldom where it would take a larger share of
    the time than `keep_share`.
    The device ends settled. Same device, progress and options, same bits, however often stopped.
    """
    kept, wait = time.monotonic(), keep_seconds
    while progress.done < len(progress.phases):
        if not progress.done:
            done = [_start(device, artifact, progress, options, cores)]
        else:
            done = _turns(device, progress, options, rounds)
        progress.iterations.extend(done)
        yield from done
        start = time.monotonic()
        if keep is not None and start - kept > wait:
            keep(progress)
            kept = time.monotonic()
            wait = max(keep_seconds, (kept - start) / keep_share)
    device.settle(progress.method)


def _start(
    device: Device,
    artifact: Artifact,
    progress: ProgrammingProgress,
    options: ProgrammingOptions,
    cores: Collection[int] | None,
) -> Iteration:
    """The first phase, that of all methods."""
    chosen = [t for t in targets(artifact) if cores is None or t.core in cores]
    sessions = [ProgrammingSession(device) for _ in chosen]
    progress.cores = start_all(sessions, chosen)
    x = _inputs(device, options, 0)[:_TEST_VECTORS]
    errors = [core_error(device, core.target, x, core.index) for core in progress.cores]
    counts = sum((s.counts for s in sessions), OperationCounts())
    return Iteration(progress.phases[0], tuple(errors), counts)


def _turns(
    device: Device, progress: ProgrammingProgress, options: ProgrammingOptions, rounds: int
) -> list[Iteration]:
    """The next rounds of one phase, one core after the other."""
    size = options.gdp.batch * device.chip.crossbar.rows
    rest = progress.phases[progress.done :]
    alike = list(takewhile(lambda phase: phase == rest[0], rest))
    phases = alike[: max(1, min(rounds, _INPUTS // size))]
    numbers = range(progress.done, progress.done + len(phases))
    inputs = [_inputs(device, options, number) for number in numbers]
    turns = [
        [_round(device, core, *one, options) for one in zip(phases, inputs, strict=True)]
        for core in progress.cores
    ]
    counts, done = progress.iterations[-1].counts, []
    for i, phase in enumerate(phases):
        counts = sum((turn[i][1] for turn in turns), counts)
        done.append(Iteration(phase, tuple(turn[i][0] for turn in turns), counts))
    return done


def _inputs(device: Device, options: ProgrammingOptions, number: int) -> Tensor:
    """The inputs of a round, the same for all cores."""
    stream = generator(device.seed, "inputs", number)
    return gdp.inputs(options.gdp, device.chip.crossbar.rows, stream)


def _round(
    device: Device, core: CoreProgramming, phase: Phase, x: Tensor, options: ProgrammingOptions
) -> tuple[float, OperationCounts]:
    """One phase of a core: its MVM error, and what was sent."""
    session = ProgrammingSession(device, core.index)
    match phase:
        case "descend":
            error = gdp.descend(session, core, x, options.gdp)
            core.index = session.index
            return error, session.counts
        case "verify":
            verify(session, core, options.verify)
        case "pulse":
            oneshot(session, core)
    core.index = session.index
    return core_error(device, core.target, x[:_TEST_VECTORS], core.index), session.counts
