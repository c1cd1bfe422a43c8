"""Pulses and products of a core under programming, without the compiled functions."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from hermes_sim import integers
from hermes_sim.integers import IntegerBlock, IntegerLayer, TorchLayer
from hermes_sim.noise import ReadNoise
from hermes_sim.programmed_cells import (
    MOST_CELL,
    MOST_READ,
    CoreConverters,
    ProgrammedCells,
    ReadTable,
    columns_in_steps,
    devices_of,
)
from hermesrt.chip import elementary
from hermesrt.device import Pulses
from hermesrt.reads import Keys


class TorchPulses:
    """One core. Variances and steps are made when they are first needed, and then kept."""

    def __init__(self, cells: ProgrammedCells) -> None:
        self._held = cells
        self._size = cells.devices[0, 0].numel()
        self._known = False
        self._cells: Tensor | None = None  # [polarity, rows, columns]
        self._read = torch.empty(cells.devices.shape[2:], dtype=torch.uint8)

    @property
    def variance(self) -> Float[Tensor, "polarity rows columns"]:
        """Of a read of both devices of each polarity at age zero, S squared."""
        if not self._known:
            first, second = misread(self._held.table, self._held.devices)
            self._held.variance.copy_(first.add_(second))
            self._known = True
        return self._held.variance

    def pulse(self, pulses: Pulses, noise: Float[Tensor, " pulses"]) -> None:
        """Change the devices that a pulse reaches."""
        flat, cells, device = self._held.store.view(-1), pulses.cells, pulses.device
        place = 8 * cells + device
        new = self._pulsed(pulses, flat.take(place), noise).clamp_(min=0)
        if self._held.stuck is not None:
            number = 2 * (device & 1) + (device >> 1)  # [device, polarity, cell]
            stuck = self._held.stuck.view(-1).take(number * self._size + cells)
            new = torch.where(stuck.isnan(), new, stuck)
        flat.index_copy_(0, place, new)
        if self._known:
            other = flat.take(8 * cells + (device ^ 1))
            first, second = misread(self._held.table, torch.stack([new, other]))
            flat.index_copy_(0, 8 * cells + 4 + (device >> 1), first.add_(second))
        if self._cells is not None:
            self._renew(self._cells, cells)

    def verify(
        self, floor: float, count: float, noise: Float[Tensor, "polarity rows columns"]
    ) -> Float[Tensor, "polarity rows columns"]:
        """A read of both devices of each polarity, in whole counts."""
        first, second = self._held.devices
        deviation = elementary.root(self.variance + floor)
        return noise.mul_(deviation).add_(first + second).div_(count).round_()

    def counts(
        self, converters: CoreConverters, x: Float[Tensor, "vectors rows"], stream: int, reads: Keys
    ) -> Float[Tensor, "vectors columns"]:
        """By `integers.TorchLayer`."""
        if self._cells is None:
            self._cells = torch.empty(self.variance.shape, dtype=torch.int16)
            self._renew(self._cells, torch.arange(self._size))
        block, shared = self._block(self._cells, converters), converters.shared
        scale = float(converters.input_levels)
        layer = IntegerLayer(shared, scale, (block,), torch.ones_like(block.count), False)
        return TorchLayer.of(layer)(x, ReadNoise((stream,), reads))

    def _pulsed(self, pulses: Pulses, old: Tensor, noise: Tensor) -> Tensor:
        """What the devices hold then, before it is cut off at zero."""
        chip, table = self._held.chip, self._held.chip.programming_pulses
        median, floor = chip.set_statistics.set_median_siemens, chip.write_noise.floor_siemens
        level = self._held.level.flatten(0, 1)[pulses.cells, pulses.device].float().mul_(median)
        match pulses.kind:
            case "reset":
                return noise.abs() * chip.set_statistics.reset_spread_siemens
            case "set":
                return level + noise * floor
        span = table.pulse_high_ampere - table.pulse_low_ampere
        share = (table.pulse_high_ampere - pulses.ampere) / span
        step = level * share.clamp_(0, 1) - old
        if not chip.effects.programming_noise:
            return old + step
        wrong = (step * chip.write_noise.step_share).square_().add_(floor**2)
        return (old + step).add_(elementary.root(wrong).mul_(noise))

    def _renew(self, steps: Tensor, cells: Int64[Tensor, " cells"]) -> None:
        """Take the steps of some cells again."""
        sizes, columns = self._held.sizes, steps.shape[2]
        row, column = cells // columns, cells % columns
        first, second = devices_of(self._held.store.flatten(0, 1)[cells, None])[..., 0]
        exact = ((first + second) / sizes.siemens[column]).round_().clamp_(max=MOST_CELL)
        steps.view(2, -1)[:, cells] = exact.to(torch.int16)
        plus, minus = self._held.store.flatten(0, 1)[cells, 4:6].T
        read = (plus + minus) / sizes.read[column] + sizes.added[row]
        self._read.view(-1)[cells] = read.floor_().clamp_(max=MOST_READ).to(torch.uint8)

    def _block(self, cells: Tensor, converters: CoreConverters) -> IntegerBlock:
        columns = columns_in_steps(self._held.sizes, converters)
        limit = torch.minimum(columns.phase, columns.counter // 2).double()
        return IntegerBlock(
            rows=slice(0, cells.shape[1]),
            plus=cells[0],
            minus=cells[1],
            count=columns.count,
            phase=columns.phase,
            counter=columns.counter,
            lines=integers.lines_of(cells.double(), limit, converters.shared),
            read=self._read,
            read_step=columns.read,
            zero=converters.zero,
            white=None,
            scale=torch.ones_like(columns.count),
            offset=torch.zeros_like(columns.count),
            carry=0.0,
        )


def misread(table: ReadTable, held: Tensor) -> Tensor:
    """The variances of reads of devices that hold so much."""
    place = elementary.root(held * table.scale).clamp_(max=table.end)
    whole = place.floor()
    low, high = (table.values.take(whole.long() + i) for i in (0, 1))
    return high.sub_(low).mul_(place.sub_(whole)).add_(low)
