"""Program all cores pulse by pulse, iteration by iteration, in a way that can stop and go on."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from hermesc.artifact.schema import Artifact
from hermesc.target.spec import ChipSpec
from hermesrt.device import Device, Method
from hermesrt.programming import gdp
from hermesrt.programming.error import core_error
from hermesrt.programming.gdp import GdpOptions
from hermesrt.programming.hand import Bench, Effort, Hand, take_all_in_hand
from hermesrt.programming.oneshot import oneshot
from hermesrt.programming.targets import targets
from hermesrt.programming.verify import VerifyOptions, verify
from hermesrt.seeds import generator

Move = Literal["start", "pulse", "verify", "descend"]

_TEST_VECTORS = 128


@dataclass(frozen=True, slots=True)
class ProgrammingOptions:
    """The methods' own settings, all assumed, for none is published."""

    verify: VerifyOptions = field(default_factory=VerifyOptions)
    gdp: GdpOptions = field(default_factory=GdpOptions)


@dataclass(frozen=True, slots=True)
class Iteration:
    """One round over all cores: MVM error of each core after it (of a descent before its pulses),
    and all effort so far. Measuring the errors is not counted as effort."""

    move: Move
    mvm_errors: tuple[float, ...]
    effort: Effort


@dataclass(slots=True)
class Progress:
    """How far programming came: what a checkpoint keeps beside the device's own state."""

    method: Method
    moves: tuple[Move, ...]
    hands: list[Hand] = field(default_factory=list)
    iterations: list[Iteration] = field(default_factory=list)
    index: int = 0

    @property
    def done(self) -> int:
        """Number of moves made."""
        return len(self.iterations)


def moves_of(method: Method, chip: ChipSpec, options: ProgrammingOptions) -> tuple[Move, ...]:
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


def _times(move: Move, count: int) -> tuple[Move, ...]:
    return (move,) * count


def program(
    device: Device,
    artifact: Artifact,
    progress: Progress,
    options: ProgrammingOptions,
    keep: Callable[[Progress], None] | None = None,
    keep_seconds: float = 2.0,
    keep_share: float = 0.1,
) -> Iterator[Iteration]:
    """Make the moves that are left, one at a time.

    `keep` is called every so many seconds, or more seldom where it would take a larger share of
    the time than `keep_share`.
    The device ends settled. Same device, progress and options, same bits, however often stopped.
    """
    kept, wait = time.monotonic(), keep_seconds
    for number in range(progress.done, len(progress.moves)):
        iteration = _Round(device, progress, options, number).run(artifact)
        progress.iterations.append(iteration)
        yield iteration
        start = time.monotonic()
        if keep is not None and start - kept > wait:
            keep(progress)
            kept = time.monotonic()
            wait = max(keep_seconds, (kept - start) / keep_share)
    device.settle(progress.method)


class _Round:
    """One move for every core."""

    def __init__(
        self, device: Device, progress: Progress, options: ProgrammingOptions, number: int
    ):
        before = progress.iterations[-1].effort if progress.iterations else Effort()
        effort = Effort(
            before.pulses, before.charge_coulomb, before.pulse_ns, before.reads, before.mvms
        )
        self.bench = Bench(device, progress.index, effort)
        self.progress = progress
        self.options = options
        self.move = progress.moves[number]
        stream = generator(device.seed, "inputs", number)
        self.x = gdp.inputs(options.gdp, device.chip.crossbar.rows, stream)

    def run(self, artifact: Artifact) -> Iteration:
        errors = []
        if self.move == "start":
            self.progress.hands = take_all_in_hand(self.bench, list(targets(artifact)))
        for hand in self.progress.hands:
            errors.append(self._core(hand))
        self.progress.index = self.bench.index
        return Iteration(self.move, tuple(errors), self.bench.effort)

    def _core(self, hand: Hand) -> float:
        match self.move:
            case "descend":
                return gdp.descend(self.bench, hand, self.x, self.options.gdp)
            case "verify":
                verify(self.bench, hand, self.options.verify)
            case "pulse":
                oneshot(self.bench, hand)
        x = self.x[:_TEST_VECTORS]
        return core_error(self.bench.device, hand.target, x, self.bench.index)
