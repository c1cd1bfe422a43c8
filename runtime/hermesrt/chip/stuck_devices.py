"""Unit cells with stuck devices: what they can still hold, and how the others make up for them.

A weight is g+ - g-, so a conductance that a stuck device of one polarity has too much is added to
the other polarity as well, and one that it lacks is taken by its neighbour of the same polarity, as
far as the devices go.
Source: Xia et al., IEEE JETCAS 8, 102 (2018) (redundant and differential devices make up for stuck
ones); two devices a polarity as in Le Gallo 2023, Ext. Data Fig. 5.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hermesrt.chip.spec import ChipSpec

DeviceSiemens = Float[Tensor, "devices polarity rows columns"]
PolaritySiemens = Float[Tensor, "polarity rows columns"]
CellSiemens = Float[Tensor, "rows columns"]


@dataclass(frozen=True)
class StuckDevices:
    """A core's devices.

    held: the conductance that each is stuck at, S; NaN where it can be programmed.
    device_siemens: the most that one device is programmed to, S.
    g_set: what one fully SET device takes of a polarity, S.
    used_devices: how many of a polarity are programmed at all.
    """

    held: DeviceSiemens
    device_siemens: float
    g_set: float
    used_devices: int

    @classmethod
    def of(cls, chip: ChipSpec, held: DeviceSiemens) -> "StuckDevices":
        """With the device's limits from a chip."""
        used = chip.unit_cell.devices_per_polarity
        return cls(
            held.contiguous(), chip.pcm.g_max_siemens / used, chip.pcm_odp.g_max_siemens, used
        )

    @property
    def cells(self) -> Bool[Tensor, "rows columns"]:
        """Unit cells with a stuck device."""
        return (~self.held.isnan()).any(0).any(0)

    @property
    def low(self) -> PolaritySiemens:
        """The least that each polarity can hold: that of its stuck devices."""
        return self.held.nan_to_num(0.0).sum(0)

    @property
    def high(self) -> PolaritySiemens:
        """The most."""
        return self.low + self._free.sum(0) * self.device_siemens

    @property
    def _free(self) -> Bool[Tensor, "devices polarity rows columns"]:
        free = self.held.isnan()
        free[self.used_devices :] = False
        return free

    def reach(self) -> tuple[CellSiemens, CellSiemens]:
        """Least and largest g+ - g- of each cell."""
        low, high = self.low, self.high
        return low[0] - high[1], high[0] - low[1]

    def pair(self, wanted: CellSiemens) -> PolaritySiemens:
        """The smallest g+ and g- whose difference is what is wanted, or as near as they come."""
        low, high = self.low, self.high
        missing = wanted - (low[0] - low[1])
        more = torch.stack([missing.clamp(min=0), (-missing).clamp(min=0)])
        return torch.minimum(high, low + more)

    def shares(self, pair: PolaritySiemens) -> DeviceSiemens:
        """What each device of a polarity takes of it: stuck ones what they hold, of two free ones
        one is fully SET or RESET (max-SET-fill), and the last free one is tuned."""
        free = self._free
        rest = (pair - self.low).clamp(min=0)
        both = free.all(0)
        first = torch.where(both & (rest > self.g_set), rest.clamp(max=self.g_set), 0.0)
        first = torch.where(free[0] & ~free[1], rest, first)
        taken = torch.stack([first, torch.where(free[1], rest - first, 0.0)])
        return torch.where(self.held.isnan(), taken, self.held)

    def tuned(self) -> Bool[Tensor, "devices polarity rows columns"]:
        """The device of each polarity that is tuned to the remainder: its last free one."""
        free = self._free
        return torch.stack([free[0] & ~free[1], free[1]])

    def blind(self, wanted: CellSiemens) -> CellSiemens:
        """g+ - g- where programming does not know of the stuck devices."""
        unaware = StuckDevices(
            torch.full_like(self.held, torch.nan), self.device_siemens, self.g_set,
            self.used_devices,
        )  # fmt: skip
        intended = unaware.shares(unaware.pair(wanted))
        total = torch.where(self.held.isnan(), intended, self.held).sum(0)
        return total[0] - total[1]
