"""One core's cells: what they should hold, what programming left, and how they are read."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hermes_sim import flicker, pcm
from hermes_sim.crossbar import Converters
from hermes_sim.kernel import pulses as compiled
from hermes_sim.kernel.load import kernel
from hermes_sim.noise import fill
from hermes_sim.programmed_cells import (
    CoreConverters,
    ProgrammedCells,
    Programming,
    Store,
    devices_of,
)
from hermes_sim.statistics import DeviceStatistics, is_white, statistics_named
from hermes_sim.torch_pulses import TorchPulses
from hermesrt.chip import elementary
from hermesrt.chip.device_noise import logarithm, within
from hermesrt.chip.spec import ChipSpec
from hermesrt.chip.stuck_devices import DeviceSiemens, PolaritySiemens, StuckDevices
from hermesrt.chip.tables.devices import Pcm
from hermesrt.device import EndState, Pulses
from hermesrt.programming.targets import CoreTarget
from hermesrt.reads import Keys
from hermesrt.seeds import generator


class Core:
    """A core's target, its conductances and drift exponents, [devices, polarity, rows, columns].

    `room` is memory for the first programming pulse by pulse, and for what it leaves: part of a
    block of all cores, for many smaller ones leave holes in the heap. `stuck` are the core's broken
    devices, whether the program knows of them or not; they drift and are read as any others of
    their conductance. `devices` are the devices' statistics, those of the chip's description if not
    given.
    """

    def __init__(
        self,
        chip: ChipSpec,
        seed: int,
        target: CoreTarget,
        room: Store | None = None,
        stuck: StuckDevices | None = None,
        devices: DeviceStatistics | None = None,
    ) -> None:
        self.chip = chip
        self.devices = devices or statistics_named(chip.statistics.model)
        self._room = room
        self.target = target
        self._seed = seed
        self._stuck = stuck
        self.conductance: DeviceSiemens = torch.zeros(1).expand(1, 2, *target.siemens.shape)
        if stuck is not None:
            self.conductance = stuck.low[None]
        self.nu: DeviceSiemens = self.conductance
        self.settled = False  # programming is over, and the devices have their drift exponents
        self._cells: Programming | None = None  # while it is programmed
        self._converters: tuple[Tensor, Tensor] | None = None
        self._core_converters: CoreConverters | None = None
        self._variance: Float[Tensor, "rows columns"] | None = None  # of a read at age zero

    @property
    def statistics(self) -> Pcm:
        """Drift and read statistics of the cells as they are held: joint or device by device.

        A device above the one-device fit's range is taken as at its end: assumed.
        """
        return self.chip.pcm if self.conductance.shape[0] == 1 else self.chip.pcm_odp

    def draw(self, end_state: EndState) -> None:
        """Conductances as a programming method leaves them, without its pulses."""
        chip, pair = self.chip, self.target.pair
        stream = generator(self._seed, "program", self.target.core)
        exact = end_state == "ideal" or not chip.effects.programming_noise
        written = (
            pair.clone() if exact else self.devices.program(chip.pcm, pair, stream, within(chip))
        )
        self.conductance = written[None]
        wanted = pair[None]
        if chip.statistics.model == "hermes-msf" and chip.unit_cell.devices_per_polarity == 2:
            g_set = chip.pcm_odp.g_max_siemens
            self.conductance = pcm.max_set_fill(pair, written, g_set)
            wanted = self.conductance
        known, actual = self.target.stuck, self._stuck
        if known is not None or actual is not None:
            there, held = self._broken(known, actual, pair, written)
            self.conductance = torch.where(there, held, self.conductance)
            wanted = torch.where(there, held, wanted)
        self.nu = self.devices.kept(self.statistics, wanted, stream)
        self._variance, self.settled = None, True

    def take(self, conductance: DeviceSiemens, nu: DeviceSiemens | None, seed: int) -> None:
        """DeviceSiemens that were saved, of the chip of that seed."""
        self.conductance, self.settled = conductance, nu is not None
        self.nu = torch.zeros(1).expand(conductance.shape) if nu is None else nu
        self._seed, self._cells, self._variance, self._converters = seed, None, None, None
        self._core_converters = None

    def pulse(self, pulses: Pulses, index: int) -> None:
        """Change the devices that a pulse reaches."""
        if self.settled:
            self.take(self._bank(), None, self._seed)
        noise = torch.empty(pulses.cells.shape)
        self._programming().pulse(pulses, fill(noise, self._seed, "pulse", self.target.core, index))

    def verify(
        self, devices: tuple[int, ...], index: int
    ) -> Float[Tensor, "polarity rows columns"]:
        """What a verify read of these devices of each polarity says, in whole counts."""
        chip, bank = self.chip, self._bank()
        count = chip.verify_count.count_siemens
        floor = (chip.write_noise.verify_counts * count) ** 2
        noise = fill(torch.empty(bank.shape[1:]), self._seed, "verify", self.target.core, index)
        if len(devices) == len(bank):
            return self._programming().verify(floor, count, noise)
        chosen = bank[list(devices)].sum(0)
        deviation = elementary.root(self._misread(chosen, chosen, 0.0).add_(floor))
        return noise.mul_(deviation).add_(chosen).div_(count).round_()

    def counts(
        self, converters: Converters, x: Float[Tensor, "vectors rows"], stream: int, reads: Keys
    ) -> Float[Tensor, "vectors columns"]:
        """Raw counts of the whole core, while it is programmed."""
        held = self._core_converters
        if held is None or held.shared is not converters:
            chip = self.chip
            siemens = chip.adc_count.count_siemens
            held = CoreConverters(converters, chip.input_levels, siemens, *self.converters())
            self._core_converters = held
        return self._programming().counts(held, x, stream, reads)

    def settle(self) -> None:
        """The last pulse is over: every device gets the exponent of its drift, and where read noise
        is split, the slow noise that it gathers until t0."""
        stream = generator(self._seed, "settle", self.target.core)
        held = self._bank().contiguous()
        self.nu = self.devices.kept(self.statistics, held, stream)
        if self._split:
            until = logarithm(self.statistics, 0.0) - self.chip.fast_noise.logarithm
            sigma = self.devices.read_deviation(self.statistics, held, held, max(until, 0.0))
            noise = torch.randn(held.shape, generator=generator(self._seed, "t0", self.target.core))
            held.add_(noise.mul_(sigma)).clamp_(min=0)
            if self._stuck is not None:
                held.copy_(torch.where(self._stuck.held.isnan(), held, self._stuck.held))
        self._cells, self._variance, self.settled = None, None, True
        room, self._room = self._room, None
        self.conductance = held
        if room is not None:  # it need not hold pulses any more
            self.conductance, self.nu = (
                part.view(held.shape).copy_(value)
                for part, value in zip(room.view(2, -1), (held, self.nu), strict=True)
            )

    def now(self, age_s: float) -> tuple[Tensor, Tensor]:
        """g+ and g- at an age, [polarity, rows, columns], and the variance of a read of g+ - g-."""
        chip, held = self.chip, self.conductance
        aged = held
        if chip.effects.drift:
            aged = self.devices.drift(self.statistics, held, self.nu, age_s)
        if self._split and age_s > 0:
            aged = self._wandered(aged, age_s)
        variance = self._misread(aged, held, age_s)
        if chip.read_statistics.drawn == "each":
            return _total(aged), variance.sum((0, 1))
        stream = generator(self._seed, "read once", self.target.core, repr(age_s))
        misread = torch.randn(aged.shape, generator=stream).mul_(variance.sqrt_())
        return _total((aged + misread).clamp_(min=0)), torch.zeros_like(aged[0, 0])

    def fresh(self) -> tuple[Tensor, Tensor]:
        """The same at age zero.

        Under programming each MVM has noise of its own, even where it is drawn once for an age:
        gradient descent would learn a noise that stands still, and later reads do not have it.
        """
        if self.settled and self.chip.read_statistics.drawn == "once":
            return self.now(0.0)
        if not self.settled and self.conductance.shape[0] == 2:
            return _total(self.conductance), self._programming().variance.sum(0)
        if self._variance is None:
            self._variance = self._misread(self.conductance, self.conductance, 0.0).sum((0, 1))
        return _total(self.conductance), self._variance

    def converters(self) -> tuple[Float[Tensor, " columns"], Float[Tensor, " columns"]]:
        """Gain and zero, in counts, of the column's converters before any correction.

        Source: Khaddam-Aljameh 2022 (residual static gain, within three standard deviations).
        """
        if self._converters is None:
            chip, columns = self.chip, self.chip.crossbar.columns
            stream = generator(self._seed, "converters", self.target.core)
            spread, zero = torch.randn(2, columns, generator=stream)
            size = 1.0 if chip.effects.converter_spread else 0.0
            gain = 1 + size * chip.converter_spread.gain_spread * spread.clamp(-3, 3)
            self._converters = gain, size * chip.converter_offset.offset_counts * zero
        return self._converters

    def _broken(
        self,
        known: StuckDevices | None,
        actual: StuckDevices | None,
        pair: PolaritySiemens,
        written: PolaritySiemens,
    ) -> tuple[Bool[Tensor, "rows columns"], DeviceSiemens]:
        """Where devices are stuck or believed to be, and what is in those cells.

        Each device was to take its share of its polarity; a stuck one holds its own conductance
        instead, one that is only believed to be stuck stays RESET, and what programming missed a
        polarity by is missed by the device that was tuned.
        """
        none = torch.full_like(written[None].expand(2, -1, -1, -1), torch.nan)
        plan = known or StuckDevices.of(self.chip, none)
        held = none if actual is None else actual.held
        shares = plan.shares(pair).add_(plan.tuned() * (written - pair)).clamp_(min=0)
        shares = torch.where(plan.held.isnan(), shares, 0.0)
        devices = torch.where(held.isnan(), shares, held)
        there = plan.cells if actual is None else plan.cells | actual.cells
        apart = self.conductance.shape[0] == 2
        return there, devices if apart else devices.sum(0, keepdim=True)

    def _misread(self, aged: Tensor, held: Tensor, age_s: float) -> Tensor:
        """Variance of a read of each device."""
        if not self.chip.effects.read_noise:
            return torch.zeros_like(aged)
        fast, statistics = self.chip.fast_noise.logarithm, self.statistics
        spread = fast if self._split else logarithm(statistics, age_s)
        return self.devices.read_deviation(statistics, aged, held, spread).square_()

    @property
    def _split(self) -> bool:
        chip = self.chip
        return chip.effects.read_noise and chip.read_statistics.read_noise == "split"

    def _wandered(self, aged: DeviceSiemens, age_s: float) -> DeviceSiemens:
        """With the slow noise from t0 to an age; the same devices wander the same way."""
        statistics, held = self.statistics, self.conductance
        if is_white(self.devices, statistics, aged, held):
            return aged  # nothing of it is slow
        path, grown = torch.empty(aged.shape), flicker.growth(statistics, age_s)
        flicker.wander(path, grown, self._seed, "slow", self.target.core)
        path.mul_(self.devices.read_deviation(statistics, aged, held, 1.0))
        return path.add_(aged).clamp_(min=0)

    def _bank(self) -> DeviceSiemens:
        """The cell's four devices one by one."""
        if self.conductance.shape[0] != 2:
            devices = devices_of(self._store().zero_())
            if self._stuck is not None:
                devices.copy_(self._stuck.held.nan_to_num(0.0))
            self.take(devices, None, self._seed)
        return self.conductance

    def _store(self) -> Store:
        if self._room is None:
            self._room = torch.empty(*self.target.used.shape, 8)
        return self._room

    def _programming(self) -> Programming:
        """The same with what pulses need."""
        if self._cells is None:
            devices = self._bank()
            normal = fill(torch.empty(devices.shape), self._seed, "set", self.target.core)
            level = normal.mul_(self.chip.set_statistics.set_log_spread).exp_().half()
            stuck = None if self._stuck is None else self._stuck.held
            misread, store = (lambda g: self._misread(g[None], g[None], 0.0)[0]), self._store()
            cells = ProgrammedCells.of(self.chip, devices, level, stuck, misread, store)
            self.conductance = cells.devices
            found, library = kernel(), compiled.functions()
            if found is None or library is None:
                self._cells = TorchPulses(cells)
            else:
                self._cells = compiled.KernelPulses(found, library, cells)
        return self._cells


def _total(cells: DeviceSiemens) -> Float[Tensor, "polarity rows columns"]:
    """The devices of each polarity together."""
    return cells[0] if len(cells) == 1 else cells[0] + cells[1]
