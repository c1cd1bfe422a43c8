"""A core's devices one by one, as pulses find them, and the steps of their products.

Pulse model, assumed (table `write_noise`): a pulse of current I brings a device towards
g_set (I_high - I) / (I_high - I_low), its own SET conductance falling linearly to zero from the
lowest to the highest programming current, and misses by a share of the step and by a floor.
Published are the currents and the SET and RESET statistics (tables `programming_pulses`,
`set_statistics`).

While a core is programmed its MVMs are products of whole numbers (`integers`), whose steps are kept
up to date pulse by pulse. So a column's steps stand from the first pulse to the last, and follow
from what its devices hold when they are SET. A conductance has 15 bits of a quarter more than the
most that both devices of a polarity hold; what an overshooting pulse leaves above is taken as that.
A variance has 127 steps, rounded down after adding a different fraction of a step in each row: on
average a column keeps its sum, and the deviation of a count's noise is within some 2 %. All of it
follows from conductances alone, so what is stopped and taken up again has the same steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float16, Float32, Int32
from torch import Tensor

from hermes_sim import integers
from hermes_sim.crossbar import Converters
from hermesrt.chip.spec import ChipSpec
from hermesrt.chip.stuck_devices import DeviceSiemens
from hermesrt.device import Pulses
from hermesrt.reads import Keys

MOST_CELL, MOST_READ = 2**15 - 1, 127
_ROOM = 1.25  # of what both devices of a polarity hold when they are SET, for pulses that overshoot
_POINTS = 2**11  # of a table of variances


@dataclass(frozen=True, slots=True)
class ReadTable:
    """The variance of a read of a device by its conductance g.

    values: at places 0, 1, ... of the root of g * scale, with straight lines between them, S
        squared; beyond the last but one it stays as it is there.
    scale: 1 / S.
    """

    values: Float32[Tensor, " points"]
    scale: float

    @property
    def end(self) -> float:
        """The last place that is looked up."""
        return float(len(self.values) - 2)


@dataclass(frozen=True, slots=True)
class StepSizes:
    """The steps of a core.

    siemens: of a conductance, [columns], S.
    read: of a variance, [columns], S squared.
    added: to the variances of each row, in steps, [rows].
    """

    siemens: Float32[Tensor, " columns"]
    read: Float32[Tensor, " columns"]
    added: Float32[Tensor, " rows"]


Store = Float32[Tensor, "rows columns 8"]


def devices_of(store: Store) -> DeviceSiemens:
    """The conductances in a core's store, [devices, polarity, rows, columns], S."""
    held = store[..., :4]
    return held.view(*held.shape[:2], 2, 2).permute(3, 2, 0, 1)


@dataclass(frozen=True, slots=True)
class ProgrammedCells:
    """A core's cells under programming.

    chip: its description.
    store: all that a pulse needs of a cell together, for a pulse costs as much as it touches
        memory: conductances of the devices in the order of their numbers, S; variances of a read of
        each polarity; and SET levels as FP16. Pulses change it in place.
    stuck: what stuck devices hold, S, NaN for others; None without any.
    table: the variances of reads at age zero.
    sizes: of the steps.
    """

    chip: ChipSpec
    store: Store
    stuck: DeviceSiemens | None
    table: ReadTable
    sizes: StepSizes

    @property
    def devices(self) -> DeviceSiemens:
        """Conductances, [devices, polarity, rows, columns], S."""
        return devices_of(self.store)

    @property
    def variance(self) -> Float[Tensor, "polarity rows columns"]:
        """Of a read of each polarity, S squared, once they are kept."""
        return self.store[..., 4:6].permute(2, 0, 1)

    @property
    def level(self) -> Float16[Tensor, "rows columns device"]:
        """What each device holds when it is SET, over the median, drawn once a device."""
        return self.store.view(torch.float16)[..., 12:]

    @classmethod
    def of(
        cls,
        chip: ChipSpec,
        devices: DeviceSiemens,
        level: Float16[Tensor, "devices polarity rows columns"],
        stuck: DeviceSiemens | None,
        misread: Callable[[Tensor], Tensor],
        store: Store | None = None,
    ) -> "ProgrammedCells":
        """`misread` is the variance of a read of devices that hold that much; `devices` may lie in
        the `store` already."""
        store = torch.empty(*devices.shape[2:], 8) if store is None else store
        if devices.data_ptr() != store.data_ptr():
            devices_of(store).copy_(devices)
        most = (level[0].float() + level[1]).mul_(chip.set_statistics.set_median_siemens)
        if stuck is not None:
            most = torch.maximum(most, stuck.nan_to_num(0.0).sum(0))
        column = most.amax((0, 1))
        read = torch.maximum(misread(column), 2 * misread(column / 2))
        table = read_table(float(column.amax()), misread)
        made = cls(chip, store, stuck, table, step_sizes(column, read, most.shape[1]))
        made.level.view(*most.shape[1:], 2, 2).copy_(level.permute(2, 3, 1, 0))
        return made


@runtime_checkable
class Programming(Protocol):
    """What a core under programming does: `torch_pulses.TorchPulses` says how, and the compiled
    functions of `kernel.pulses.KernelPulses` have the same bits."""

    @property
    def variance(self) -> Float[Tensor, "polarity rows columns"]:
        """Of a read of both devices of each polarity at age zero, S squared."""

    def pulse(self, pulses: Pulses, noise: Float[Tensor, " pulses"]) -> None:
        """Change the devices that a pulse reaches."""

    def verify(
        self, floor: float, count: float, noise: Float[Tensor, "polarity rows columns"]
    ) -> Float[Tensor, "polarity rows columns"]:
        """A read of both devices of each polarity in whole counts of that many siemens, made of
        normal numbers, which it may change; `floor` is a variance of its own, S squared."""

    def counts(
        self,
        converters: "CoreConverters",
        x: Float[Tensor, "vectors rows"],
        stream: int,
        reads: Keys,
    ) -> Float[Tensor, "vectors columns"]:
        """Raw counts for inputs, whose noise is that of these reads in a stream."""


def read_table(most: float, misread: Callable[[Tensor], Tensor]) -> ReadTable:
    """Up to a quarter above the conductance `most`."""
    scale = float(torch.tensor(_POINTS**2 / (most * _ROOM)))  # as FP32 has it
    places = torch.arange(_POINTS + 1, dtype=torch.float64)
    return ReadTable(misread((places.square() / scale).float()).contiguous(), scale)


def step_sizes(
    most: Float[Tensor, " columns"], most_read: Float[Tensor, " columns"], rows: int
) -> StepSizes:
    """From what a polarity holds at most in each column, and the variance of a read of that."""
    siemens = torch.where(most > 0, most * (_ROOM / MOST_CELL), 1.0)
    read = torch.where(most_read > 0, most_read / MOST_READ, 1.0)
    return StepSizes(siemens, read, integers.dither(rows).flip(0) / 2**16)


@dataclass(frozen=True, slots=True)
class CoreConverters:
    """What a core's columns are read with.

    shared: by all columns, and all cores; no output code is made.
    input_levels: the largest input code.
    count_siemens: of a count for an input of 1, S.
    gain: [columns].
    zero: [columns], counts.
    """

    shared: Converters
    input_levels: int
    count_siemens: float
    gain: Float[Tensor, " columns"]
    zero: Float[Tensor, " columns"]


@dataclass(frozen=True, slots=True)
class ColumnSteps:
    """What steps are to the converters; see `integers.IntegerBlock`.

    count: counts of a step and an input code, [columns].
    read: counts squared of a step of the variance and a squared input code, [columns].
    phase: the most steps of a phase, [columns].
    counter: the most steps of a counter, [columns].
    """

    count: Float32[Tensor, " columns"]
    read: Float32[Tensor, " columns"]
    phase: Int32[Tensor, " columns"]
    counter: Int32[Tensor, " columns"]


def columns_in_steps(sizes: StepSizes, converters: CoreConverters) -> ColumnSteps:
    """A core's columns."""
    steps = sizes.siemens.double() / (converters.count_siemens * converters.input_levels)
    shared = converters.shared
    phase, counter = (
        (limit / steps).floor_().clamp_(max=2**31 - 1).int()
        for limit in (shared.phase_limit, shared.counter_limit)
    )
    count = steps * converters.gain
    read = sizes.read * (count / sizes.siemens).square()
    return ColumnSteps(count.float(), read.float(), phase, counter)
