"""A core under programming, and the steps that all methods share.

Each unit cell has one device that is tuned; the others stay fully SET or RESET (max-SET-fill).
Currents follow Le Gallo 2023, Methods: next = previous + gain x (target - read).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from hermesrt.chip.cells import with_devices
from hermesrt.chip.spec import ChipSpec
from hermesrt.device import Device, PulseKind, Pulses
from hermesrt.programming.core_programming import RECORD, CoreProgramming
from hermesrt.programming.targets import CoreTarget

PATIENCE = 4  # pulses at the last current before a cell that is far off is given up
FAR = 12  # margins; a healthy cell is never found so far off


@dataclass(slots=True)
class OperationCounts:
    """What was sent into the cores.

    pulses: how many.
    charge_coulomb: of all pulses, C.
    pulse_ns: time that their passes over a core take, ns.
    reads: verify reads of a whole core.
    mvms: MVMs of a whole core.
    """

    pulses: int = 0
    charge_coulomb: float = 0.0
    pulse_ns: float = 0.0
    reads: int = 0
    mvms: int = 0

    def __add__(self, more: "OperationCounts") -> "OperationCounts":
        """Of both together."""
        return OperationCounts(
            self.pulses + more.pulses,
            self.charge_coulomb + more.charge_coulomb,
            self.pulse_ns + more.pulse_ns,
            self.reads + more.reads,
            self.mvms + more.mvms,
        )


class ProgrammingSession:
    """A core of a device under programming: sends pulses and reads, counts them, and numbers them
    from `index` on."""

    def __init__(self, device: Device, index: int = 0) -> None:
        self.device = device
        self.chip: ChipSpec = device.chip
        self.index = index
        self.counts = OperationCounts()

    def send(self, core: int, pulses: Pulses) -> None:
        """One pulse each for some cells, if any; a pass over the core serves the cells of one
        device number, diagonal by diagonal, as many at once as there are write heads."""
        size = pulses.cells.numel()
        if not size:
            return
        table, crossbar = self.chip.programming_pulses, self.chip.crossbar
        widths = {"set": table.set_ns, "reset": table.reset_ns, "iterative": table.pulse_ns}
        width = widths[pulses.kind]
        self.device.pulse(core, pulses, self._next())
        self.counts.pulses += size
        charge = float(pulses.ampere.numpy().sum(dtype=np.float64)) * width * 1e-9
        self.counts.charge_coulomb += charge
        passes = sum(n > 0 for n in np.bincount(pulses.device.numpy()).tolist())
        cycles = math.ceil(crossbar.columns / table.write_heads)
        self.counts.pulse_ns += passes * crossbar.rows * cycles * width

    def read(self, core: int, devices: tuple[int, ...]) -> Float[Tensor, "polarity rows columns"]:
        """A verify read of all cells."""
        self.counts.reads += 1
        return self.device.read_cells(core, devices, self._next())

    def multiply(
        self, core: int, x: Float[Tensor, "vectors rows"]
    ) -> Float[Tensor, "vectors columns"]:
        """MVMs of the whole core, raw counts."""
        self.counts.mvms += x.shape[0]
        return self.device.mvm_core(core, x, self._next())

    def _next(self) -> int:
        self.index += 1
        return self.index


def start_all(
    sessions: Sequence[ProgrammingSession], targets: Sequence[CoreTarget]
) -> list[CoreProgramming]:
    """All cores, each by its session. What is known of them stands in one block, for many smaller
    ones leave holes in the heap."""
    cores: list[CoreProgramming] = []
    room: Tensor | None = None
    for number, (session, target) in enumerate(zip(sessions, targets, strict=True)):
        core = start_core(session, target)
        if room is None:
            room = torch.empty(len(targets), 1 + RECORD, *core.pending.shape)
        core.move(room[number])
        cores.append(core)
    return cores


def start_core(session: ProgrammingSession, target: CoreTarget) -> CoreProgramming:
    """Erase a core, SET what may be needed, and choose the device of each cell that is tuned.

    With two devices per polarity both are SET and read. A target above both keeps the better one
    SET and tunes the other; a smaller target tunes the better one and RESETs the other. A target
    above the sum of both cannot be reached: such a cell stays SET. A cell of weight zero keeps all
    its devices RESET; how much current a count of it needs is guessed from the core's other cells.
    Devices that the program knows to be stuck are not tuned; the others make up for them.
    Source: Le Gallo 2023, Methods and Extended Data Fig. 5 (ODP: the first device alone).
    """
    chip, table = with_devices(session.chip, target.devices), session.chip.programming_pulses
    counts = _to_add(target) / chip.verify_count.count_siemens
    everywhere = torch.ones_like(target.used)
    for device in range(4):
        chosen = torch.full(everywhere.shape, device, dtype=torch.int8)
        send(session, target, "reset", chosen, everywhere)
    first = torch.where(counts < 0, 2, 0).to(torch.int8)  # of the weight's polarity
    wanted = _in_reach(target) & (counts != 0)
    send(session, target, "set", first, wanted)
    levels = _level(session, target, 0, counts)
    usual = _median(levels.numpy()[wanted.numpy()])
    tuned, most = first, levels
    if chip.unit_cell.devices_per_polarity == 2:
        send(session, target, "set", first + 1, wanted)
        second = _level(session, target, 1, counts)
        better = second > levels
        both = counts.abs() > torch.maximum(levels, second)
        if target.stuck is not None:
            both &= (levels > 0) & (second > 0)  # a neighbour that is stuck is no help
        tuned = first + (better ^ both).to(torch.int8)
        send(session, target, "reset", first + (~better).to(torch.int8), wanted & ~both)
        most = levels + second
        levels = torch.where(better ^ both, second, levels)
    span = table.pulse_high_ampere - table.pulse_low_ampere
    slope = span / levels.clamp(min=1.0)
    slope.masked_fill_(counts == 0, span / usual)
    ampere = torch.where(counts == 0, table.pulse_high_ampere, table.pulse_low_ampere)
    pending = torch.zeros_like(slope)
    reachable = wanted & (counts.abs() <= most)
    saturated = torch.zeros_like(tuned)
    fields = {"device": tuned, "ampere": ampere, "slope": slope, "pending": pending}
    fields |= {"tuned": reachable, "open": reachable, "saturated": saturated}
    return CoreProgramming.of(target, fields, session.index)


def _median(values: NDArray[np.float32]) -> Float[Tensor, ""]:
    """The lower one; infinite of none. (torch takes several times as long.)"""
    middle = (len(values) - 1) // 2
    return torch.tensor(np.partition(values, middle)[middle] if len(values) else math.inf)


def _to_add(target: CoreTarget) -> Float[Tensor, "rows columns"]:
    """What the devices that can be programmed must add to the stuck ones."""
    if target.stuck is None:
        return target.siemens
    low = target.stuck.low
    return target.siemens - (low[0] - low[1])


def _in_reach(target: CoreTarget) -> Bool[Tensor, "rows columns"]:
    """Cells in use, and known stuck ones on lines in use, which must be silent."""
    return target.used if target.stuck is None else target.used | target.stuck.cells


def enable(core: CoreProgramming, cells: Int64[Tensor, " cells"]) -> None:
    """Tune those of some cells whose weight is zero, from now on: the correction that is still to
    be made says which polarity's device makes it."""
    new = cells[~core.tuned.take(cells)]
    zero = (core.target.siemens.take(new) == 0) & (core.slope.take(new) > 0)
    new = new[zero & (core.saturated.take(new) < PATIENCE)]
    polarity = torch.where(core.pending.take(new) > 0, 0, 2).to(torch.int8)
    core.device.view(-1).index_copy_(0, new, polarity)
    core.tuned.view(-1).index_fill_(0, new, True)


def missing_counts(
    chip: ChipSpec, target: CoreTarget, read: Float[Tensor, "polarity rows columns"]
) -> Float[Tensor, "rows columns"]:
    """What a verify read of whole unit cells, g+ - g-, lacks of the target, in counts."""
    positive, negative = read.unbind()
    wanted = target.siemens / chip.verify_count.count_siemens
    return wanted.sub_(positive).add_(negative)


def give_up(chip: ChipSpec, core: CoreProgramming, error: Float[Tensor, "rows columns"]) -> None:
    """Leave alone the cells that stay far off whatever they get: a device that is stuck, as far as
    one can see from outside. `error` is in counts."""
    far = error.abs() > FAR * chip.programming_pulses.margin_counts
    unresponsive = core.open & far & (core.saturated >= PATIENCE)
    core.open.logical_and_(~unresponsive)
    core.tuned.logical_and_(~unresponsive)


def correct(
    session: ProgrammingSession,
    core: CoreProgramming,
    change: Float[Tensor, "rows columns"],
    cells: Int64[Tensor, " cells"],
) -> None:
    """One pulse for each of some cells, to change what it holds by so many counts."""
    session.send(core.target.core, corrections(session.chip, core, change, cells))


def corrections(
    chip: ChipSpec,
    core: CoreProgramming,
    change: Float[Tensor, "rows columns"],
    cells: Int64[Tensor, " cells"],
) -> Pulses:
    """The same pulses, not sent yet."""
    table = chip.programming_pulses
    device = core.device.take(cells).long()
    step = change.take(cells) * core.slope.take(cells)
    step.mul_(torch.where(device >= 2, 1.0, -1.0))
    before = core.ampere.take(cells)
    asked = before + step
    ampere = asked.clamp(table.pulse_low_ampere, table.pulse_high_ampere)
    last = (ampere == before) & (ampere != asked)
    saturated = (core.saturated.take(cells) + last).clamp_(max=PATIENCE) * last
    core.saturated.view(-1).index_copy_(0, cells, saturated.to(torch.int8))
    core.ampere.view(-1).index_copy_(0, cells, ampere)
    return Pulses("iterative", cells, device, ampere)


def places(cells: Bool[Tensor, "rows columns"]) -> Int64[Tensor, " cells"]:
    """Where a mask is true. (numpy is several times faster here.)"""
    return torch.from_numpy(np.flatnonzero(cells.numpy()))


def _level(session: ProgrammingSession, target: CoreTarget, device: int, counts: Tensor) -> Tensor:
    """SET level of one device of each weight's polarity, as it is read."""
    positive, negative = session.read(target.core, (device,))
    level = torch.where(counts < 0, negative, positive)
    if target.stuck is None:
        return level
    free = target.stuck.held[device].isnan()
    return torch.where(torch.where(counts < 0, free[1], free[0]), level, 0.0)


def send(
    session: ProgrammingSession, target: CoreTarget, kind: PulseKind, device: Tensor, cells: Tensor
) -> None:
    """A SET or RESET pulse for one device of some cells."""
    table = session.chip.programming_pulses
    place = places(cells)
    current = table.set_ampere if kind == "set" else table.reset_ampere
    ampere, chosen = torch.full(place.shape, current), device.view(-1).index_select(0, place)
    session.send(target.core, Pulses(kind, place, chosen.long(), ampere))
