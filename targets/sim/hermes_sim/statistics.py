"""What devices do: how they are programmed, drift and are read. One protocol, and those shipped.

`statistics.model` names one: the chip's published fits and two other PCM ones (by the `pcm_*`
tables), `reram` and `gaussian`; a package adds its own by the entry point `hermesc.statistics`, and
a program in Python passes an object: `hermesc.simulate(statistics=...)`.
Siemens are [devices, polarity, rows, columns].
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hermes_sim import pcm
from hermesrt.chip.device_noise import polynomial
from hermesrt.chip.tables.devices import Pcm
from hermesrt.chip.tables.statistics import STATISTICS_GROUP
from hermesrt.errors import ChipError, InputError, OptionError
from hermesrt.files.atomic import read_file

Siemens = Float[Tensor, "*devices rows columns"]
_MICRO = 1e-6
_DAY_S = 86400.0
_MOST = 10.0  # above any conductance in siemens and any number that a device keeps


@runtime_checkable
class DeviceStatistics(Protocol):
    """How devices differ from what they should hold. Every method is a pure function of what it is
    given; all that is random comes from the generator. `table` holds the largest conductance, the
    first read's time and its duration, and the numbers of the published PCM fits.
    """

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def program(self, table: Pcm, target: Siemens, draw: torch.Generator, within: float) -> Siemens:
        """What programming leaves, 0 S or more. `within` is the logarithm of the 1/f noise that a
        published spread holds and reads add again; take it out, or leave it."""
        ...

    def kept(self, table: Pcm, wanted: Siemens, draw: torch.Generator) -> Siemens:
        """One number a device, 0 to 10, drawn when programming ends: by it the device drifts."""
        ...

    def drift(self, table: Pcm, written: Siemens, kept: Siemens, age_s: float) -> Siemens:
        """What it holds at an age after the first read."""
        ...

    def read_deviation(
        self, table: Pcm, aged: Siemens, written: Siemens, logarithm: float
    ) -> Siemens:
        """Standard deviation of a read. 1/f noise grows as the root of the logarithm; a white one
        does not look at it."""
        ...


@dataclass(frozen=True, slots=True)
class PublishedPcm:
    """Phase-change devices by the chip's tables. Source: see `hermes_sim.pcm`.

    name: `hermes`, `hermes-msf`, `pcm-like` or `adc-count`.
    """

    name: str

    def program(self, table: Pcm, target: Siemens, draw: torch.Generator, within: float) -> Siemens:
        """By the table's equation."""
        return pcm.program(table, target, draw, within)

    def kept(self, table: Pcm, wanted: Siemens, draw: torch.Generator) -> Siemens:
        """The drift exponent."""
        return pcm.drift_exponent(table, wanted, draw)

    def drift(self, table: Pcm, written: Siemens, kept: Siemens, age_s: float) -> Siemens:
        """A power law."""
        return pcm.drift(table, written, kept, age_s)

    def read_deviation(
        self, table: Pcm, aged: Siemens, written: Siemens, logarithm: float
    ) -> Siemens:
        """1/f noise."""
        return pcm.read_noise(table, aged, written, logarithm)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Errors of one size for all devices, as many papers assume; nothing drifts.

    programming: standard deviation of programming, as a share of the largest conductance.
    read: of a read, likewise.
    name: what it is called.
    """

    programming: float = 0.03
    read: float = 0.01
    name: str = "gaussian"

    def program(self, table: Pcm, target: Siemens, draw: torch.Generator, within: float) -> Siemens:
        """Target plus noise, cut at zero."""
        del within
        sigma = self.programming * table.g_max_siemens
        return (target + sigma * _normal(target, draw)).clamp_(min=0)

    def kept(self, table: Pcm, wanted: Siemens, draw: torch.Generator) -> Siemens:
        """Nothing."""
        del table, draw
        return torch.zeros_like(wanted)

    def drift(self, table: Pcm, written: Siemens, kept: Siemens, age_s: float) -> Siemens:
        """None."""
        del table, kept, age_s
        return written

    def read_deviation(
        self, table: Pcm, aged: Siemens, written: Siemens, logarithm: float
    ) -> Siemens:
        """White."""
        del written, logarithm
        return torch.full_like(aged, self.read * table.g_max_siemens)


_RERAM: Mapping[float, tuple[float, ...]] = {  # seconds: uS for devices of 40 uS, constant first
    1.0: (0.348, 16.030, -43.853, 45.393, -16.815),
    _DAY_S: (0.701, 22.086, -50.773, 47.095, -16.458),
    2 * _DAY_S: (0.782, 20.274, -43.507, 37.062, -11.934),
}
_RERAM_SIEMENS = 40e-6


@dataclass(frozen=True, slots=True)
class Reram:
    """Resistive devices as measured by Wan et al., Nature 608, 504 (2022), at 1 s, 1 and 2 days.

    Source: aihwkit ReRamWan2022NoiseModel (the fits, and 1 % for a read). Departures: the spread is
    interpolated in the logarithm of time and stays as it is beyond two days; what a device gathers
    after the first second is a path of its own and not drawn anew at each time; r is the device's
    own conductance and not its target.

    name: what it is called.
    """

    name: str = "reram"

    def program(self, table: Pcm, target: Siemens, draw: torch.Generator, within: float) -> Siemens:
        """Target plus the spread of the first second."""
        del within
        return (target + self.spread(table, target, 0.0) * _normal(target, draw)).clamp_(min=0)

    def kept(self, table: Pcm, wanted: Siemens, draw: torch.Generator) -> Siemens:
        """The place of a device among all, 0 to 1."""
        del table
        return torch.rand(wanted.shape, generator=draw, dtype=wanted.dtype)

    def drift(self, table: Pcm, written: Siemens, kept: Siemens, age_s: float) -> Siemens:
        """So far that the spread is that of the age."""
        if age_s == 0:
            return written
        grown = self.spread(table, written, age_s).square_()
        grown.sub_(self.spread(table, written, 0.0).square_()).clamp_(min=0).sqrt_()
        normal: Tensor = torch.special.ndtri(kept.clamp(1e-6, 1 - 1e-6))
        return normal.mul_(grown).add_(written).clamp_(min=0)

    def read_deviation(
        self, table: Pcm, aged: Siemens, written: Siemens, logarithm: float
    ) -> Siemens:
        """1 % of the largest conductance for g+ - g-."""
        del written, logarithm
        return torch.full_like(aged, 0.01 * table.g_max_siemens / math.sqrt(2))

    def spread(self, table: Pcm, g: Siemens, age_s: float) -> Siemens:
        """Standard deviation around the target, one second and an age after programming."""
        r = (g / table.g_max_siemens).clamp_(0.0, 1.0)
        times = list(_RERAM)
        share = float(np.interp(math.log(1.0 + age_s), np.log(times), range(len(times))))
        low = min(int(share), len(times) - 2)
        ends = [polynomial(_RERAM[t], r) for t in times[low : low + 2]]
        sigma = ends[0].lerp(ends[1], share - low).clamp_(min=0)
        return sigma.mul_(_MICRO * table.g_max_siemens / _RERAM_SIEMENS)


@dataclass(frozen=True, eq=False)
class MeasuredErrors:
    """Errors that were measured: each device takes that of a measured one of about its target.

    targets: conductances that were wanted, in S, ascending, [measured].
    errors: what was reached less that, in S, [measured].
    name: what it is called.
    neighbours: how many measured devices of nearest targets one is drawn from.
    """

    targets: Float[Tensor, " measured"]
    errors: Float[Tensor, " measured"]
    name: str = "measured"
    neighbours: int = 32

    @classmethod
    def read(cls, path: str | Path) -> "MeasuredErrors":
        """A CSV file with the columns `target_siemens` and `error_siemens`, one line a device.

        Raises: InputError that names the line.
        """
        wanted = ("target_siemens", "error_siemens")
        text = read_file(Path(path), "table of errors").decode("utf-8", "replace")
        head, *lines = text.strip().splitlines() or [""]
        if tuple(word.strip() for word in head.split(",")) != wanted:
            raise InputError(f"{path}: the first line must be {','.join(wanted)}")
        rows = [_numbers(line, f"{path}, line {i}") for i, line in enumerate(lines, 2)]
        if not rows:
            raise InputError(f"{path}: it holds no device")
        table = torch.tensor(sorted(rows), dtype=torch.float32)
        return cls(table[:, 0].contiguous(), table[:, 1].contiguous(), Path(path).stem)

    def program(self, table: Pcm, target: Siemens, draw: torch.Generator, within: float) -> Siemens:
        """Target plus a measured error, cut at zero."""
        del table, within
        most = len(self.targets)
        near = torch.searchsorted(self.targets, target.contiguous()) - self.neighbours // 2
        chosen = near + torch.randint(self.neighbours, target.shape, generator=draw)
        return (target + self.errors[chosen.clamp_(0, most - 1)]).clamp_(min=0)

    def kept(self, table: Pcm, wanted: Siemens, draw: torch.Generator) -> Siemens:
        """Nothing."""
        del table, draw
        return torch.zeros_like(wanted)

    def drift(self, table: Pcm, written: Siemens, kept: Siemens, age_s: float) -> Siemens:
        """None was measured."""
        del table, kept, age_s
        return written

    def read_deviation(
        self, table: Pcm, aged: Siemens, written: Siemens, logarithm: float
    ) -> Siemens:
        """None was measured."""
        del table, written, logarithm
        return torch.zeros_like(aged)


SHIPPED: Mapping[str, DeviceStatistics] = {
    **{n: PublishedPcm(n) for n in ("hermes", "hermes-msf", "pcm-like", "adc-count")},
    "reram": Reram(),
    "gaussian": Gaussian(),
}


@dataclass(frozen=True, slots=True)
class Checked:
    """Statistics of others, whose every answer is looked at.

    of: the statistics.
    """

    of: DeviceStatistics

    @property
    def name(self) -> str:
        """What they are called."""
        return self.of.name

    def program(self, table: Pcm, target: Siemens, draw: torch.Generator, within: float) -> Siemens:
        """As `of`."""
        return self._sound("program", self.of.program(table, target, draw, within), target)

    def kept(self, table: Pcm, wanted: Siemens, draw: torch.Generator) -> Siemens:
        """As `of`."""
        return self._sound("kept", self.of.kept(table, wanted, draw), wanted)

    def drift(self, table: Pcm, written: Siemens, kept: Siemens, age_s: float) -> Siemens:
        """As `of`."""
        return self._sound("drift", self.of.drift(table, written, kept, age_s), written)

    def read_deviation(
        self, table: Pcm, aged: Siemens, written: Siemens, logarithm: float
    ) -> Siemens:
        """As `of`."""
        found = self.of.read_deviation(table, aged, written, logarithm)
        return self._sound("read_deviation", found, aged)

    def _sound(self, method: str, found: object, like: Tensor) -> Tensor:
        """A copy, which the simulation may change in place."""
        if not isinstance(found, Tensor) or found.shape != like.shape:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise OptionError(
                f"statistics {self.name!r}: {method} gave {shape}; it must give a tensor of the "
                f"shape {tuple(like.shape)}"
            )
        found = found.to(like.dtype).clone()
        if not bool(((found >= 0) & (found <= _MOST)).all()):
            raise OptionError(
                f"statistics {self.name!r}: {method} gave NaN, a negative number or one above "
                f"{_MOST:g}"
            )
        return found


def statistics_named(name: str) -> DeviceStatistics:
    """Those of that name: shipped, or of an installed package.

    Raises: ChipError for none, and for what is none.
    """
    if name in SHIPPED:
        return SHIPPED[name]
    points = {point.name: point for point in entry_points(group=STATISTICS_GROUP)}
    if name not in points:
        known = ", ".join(sorted({*SHIPPED, *points}))
        raise ChipError(f"`statistics.model` is {name!r}; it must be one of {known}")
    found = points[name].load()
    return checked(found() if isinstance(found, type) else found)


def is_white(devices: DeviceStatistics, table: Pcm, aged: Siemens, written: Siemens) -> bool:
    """Whether noise does not grow with the logarithm; that of the published fits does."""
    if isinstance(devices, PublishedPcm):
        return False
    return bool(devices.read_deviation(table, aged, written, 0.0).any())


def checked(given: object) -> DeviceStatistics:
    """An object as statistics.

    Raises: OptionError for an object that is none.
    """
    if not isinstance(given, DeviceStatistics):
        raise OptionError(
            f"statistics is a {type(given).__name__}; give an object with name, program, kept, "
            "drift and read_deviation, as hermes_sim.statistics.DeviceStatistics says"
        )
    return given if isinstance(given, PublishedPcm) else Checked(given)


def _numbers(line: str, place: str) -> tuple[float, float]:
    words = line.split(",")
    try:
        target, error = map(float, words)
    except ValueError:
        raise InputError(f"{place}: {line[:60]!r} is not two numbers") from None
    if not (math.isfinite(target) and math.isfinite(error) and target >= 0):
        raise InputError(f"{place}: {line[:60]!r} is no conductance and its error")
    return target, error


def _normal(like: Tensor, draw: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=draw, dtype=like.dtype)
