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
)
from hermesrt.chip import elementary
from hermesrt.device import Pulses
from hermesrt.reads import Keys


class TorchPulses:
    """One core. Variances and steps are made when they are first needed, and then kept."""

    def __init__(self, cells: ProgrammedCells) -> None:
        self._held = cells
        self._size = cells.devices[0, 0].numel()
        self._variance: Tensor | None = None
        self._cells: Tensor | None = None  # [polarity, rows, columns]
        self._read = torch.empty(cells.devices.shape[2:], dtype=torch.uint8)

    @property
    def variance(self) -> Float[Tensor, "polarity rows columns"]:
        """Of a read of both devices of each polarity at age zero, S squared."""
        if self._variance is None:
            first, second = misread(self._held.table, self._held.devices)
            self._variance = first.add_(second)
        return self._variance

    def pulse(self, pulses: Pulses, noise: Float[Tensor, " pulses"]) -> None:
        """Change the devices that a pulse reaches."""
        g, device = self._held.devices.view(-1), pulses.device
        # device 0, 1: positive; 2, 3: negative; memory is [device, polarity, cell]
        polarity = (device >> 1) * self._size + pulses.cells
        place = (device & 1) * (2 * self._size) + polarity
        new = self._pulsed(pulses, g.take(place), place, noise).clamp_(min=0)
        if self._held.stuck is not None:
            stuck = self._held.stuck.view(-1).take(place)
            new = torch.where(stuck.isnan(), new, stuck)
        g.index_copy_(0, place, new)
        if self._variance is not None:
            first, second = misread(self._held.table, g.view(2, -1)[:, polarity])
            self._variance.view(-1).index_copy_(0, polarity, first.add_(second))
        if self._cells is not None:
            self._renew(self._cells, pulses.cells)

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

    def _pulsed(self, pulses: Pulses, old: Tensor, place: Tensor, noise: Tensor) -> Tensor:
        """What the devices hold then, before it is cut off at zero."""
        chip, table = self._held.chip, self._held.chip.programming_pulses
        median, floor = chip.set_statistics.set_median_siemens, chip.write_noise.floor_siemens
        level = self._held.level.take(place).float().mul_(median)
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
        first, second = self._held.devices.view(2, 2, -1)[:, :, cells]
        exact = ((first + second) / sizes.siemens[column]).round_().clamp_(max=MOST_CELL)
        steps.view(2, -1)[:, cells] = exact.to(torch.int16)
        plus, minus = self.variance.view(2, -1)[:, cells]
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
