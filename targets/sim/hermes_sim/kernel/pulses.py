"""A core under programming by the compiled functions of `pulses.c`, and the layer kernel."""

import ctypes
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from hermes_sim.integers import dither
from hermes_sim.kernel.load import COUNTINGS, PANEL, Kernel, LayerFields, StageFields
from hermes_sim.programmed_cells import CoreConverters, ProgrammedCells, columns_in_steps
from hermesrt.device import Pulses
from hermesrt.native import build
from hermesrt.reads import Keys

_P, _L, _F, _I = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_int32
_SOURCE = Path(__file__).with_name("pulses.c")
_KINDS = {"set": 0, "reset": 1, "iterative": 2}


class CoreFields(ctypes.Structure):
    """`core_t` of pulses.c."""

    _fields_ = (
        ("cell", _P), ("stuck", _P), ("table", _P), ("step", _P), ("read_step", _P), ("added", _P),
        ("line", _P), ("weight", _P), ("read", _P), ("sum", _P), ("square", _P), ("rows", _L),
        ("columns", _L), ("length", _L), ("median", _F), ("high", _F), ("span", _F), ("share", _F),
        ("floor_square", _F), ("floor", _F), ("reset", _F), ("table_scale", _F),
        ("table_end", _F), ("noisy", _I), ("known", _I),
    )  # fmt: skip


@cache
def functions() -> ctypes.CDLL | None:
    """Those of `pulses.c`; None without."""
    arguments = {
        "hermes_pulse": (_P, _I, _P, _P, _P, _P, _L),
        "hermes_lines": (_P, _P, _P, _P, _P),
        "hermes_variances": (_P,),
        "hermes_steps": (_P,),
        "hermes_verify": (_P, _F, _F, _P),
    }
    return build.functions(_SOURCE, arguments, {})


class KernelPulses:
    """As `torch_pulses.TorchPulses`."""

    def __init__(self, kernel: Kernel, library: ctypes.CDLL, cells: ProgrammedCells) -> None:
        self._kernel, self._library, self._cells = kernel, library, cells
        self._rows, self._columns = cells.devices.shape[2:]
        self._fields = _core_fields(cells)
        self._address = ctypes.addressof(self._fields)
        self._packed: _Packed | None = None
        self._layer: _CoreLayer | None = None

    @property
    def variance(self) -> Float[Tensor, "polarity rows columns"]:
        """Of a read of both devices of each polarity at age zero, S squared."""
        self._know_variance()
        return self._cells.variance

    def verify(
        self, floor: float, count: float, noise: Float[Tensor, "polarity rows columns"]
    ) -> Float[Tensor, "polarity rows columns"]:
        """A read of both devices of each polarity, in whole counts."""
        self._know_variance()
        self._library.hermes_verify(self._address, floor, count, noise.data_ptr())
        return noise

    def pulse(self, pulses: Pulses, noise: Float[Tensor, " pulses"]) -> None:
        """Change the devices that a pulse reaches."""
        parts = (pulses.cells, pulses.device, pulses.ampere, noise)
        held = [part.contiguous() for part in parts]
        places = [part.data_ptr() for part in held]
        self._library.hermes_pulse(self._address, _KINDS[pulses.kind], *places, noise.numel())

    def counts(
        self, converters: CoreConverters, x: Float[Tensor, "vectors rows"], stream: int, reads: Keys
    ) -> Float[Tensor, "vectors columns"]:
        """By the layer kernel."""
        packed = self._packed or self._pack()
        if self._layer is None or self._layer.converters is not converters:
            self._layer = _CoreLayer(self._cells, packed, converters)
        layer, x = self._layer, x.contiguous()
        layer.stage.stream = stream
        if layer.limit is not None:
            places = (layer.limit, packed.lines, packed.worst)
            self._library.hermes_lines(
                self._address,
                *(place.data_ptr() for place in places),
                ctypes.addressof(layer.stage) + StageFields.all.offset,
            )
        out = torch.empty(x.shape[0], self._columns)
        failed = self._kernel.layer(
            layer.address, x.data_ptr(), reads.ctypes.data, x.shape[0], out.data_ptr()
        )
        if failed:
            raise MemoryError("no memory for the codes of a block of vectors")
        return out

    def _know_variance(self) -> None:
        if not self._fields.known:
            self._library.hermes_variances(self._address)
            self._fields.known = True

    def _pack(self) -> "_Packed":
        self._know_variance()
        packed = self._packed = _Packed(self._rows, self._columns)
        for name in ("line", "weight", "read", "sum", "square"):
            setattr(self._fields, name, getattr(packed, name).data_ptr())
        self._library.hermes_steps(self._address)
        return packed


class _Packed:
    """The cells in steps, as the layer kernel takes them; zero at first."""

    def __init__(self, rows: int, columns: int) -> None:
        panels, whole = -(-columns // PANEL), torch.int64
        self.line = torch.zeros(2, columns, -(-rows // 16) * 16, dtype=torch.int16)
        self.weight = torch.zeros(panels, -(-rows // 2), PANEL, 2, dtype=torch.int16)
        self.read = torch.zeros(panels, -(-rows // 4), PANEL, 4, dtype=torch.uint8)
        self.sum, self.square = torch.zeros(2, 2, columns, dtype=whole)
        self.lines, self.worst = torch.zeros(4 * panels * PANEL), torch.zeros(4 * panels)
        self.dither = torch.from_numpy(dither(self.line.shape[2]).numpy().astype("uint16"))


class _CoreLayer:
    """A core as the layer kernel takes it. `limit` are the steps that a line may take; None where
    nothing saturates."""

    def __init__(self, cells: ProgrammedCells, packed: _Packed, converters: CoreConverters) -> None:
        self.converters, shared = converters, converters.shared
        rows, columns = cells.devices.shape[2:]
        steps = columns_in_steps(cells.sizes, converters)
        ones, zeros = torch.ones_like(steps.count), torch.zeros_like(steps.count)
        named = {"count": steps.count, "read_step": steps.read, "zero": converters.zero}
        named |= {"scale": ones, "offset": zeros}
        named |= {"phase": steps.phase, "counter": steps.counter}
        pads = {name: _filled(tensor) for name, tensor in named.items()}
        self.limit: Tensor | None = None
        lines = {"cells": (_P * 2)()}
        if shared.four_phase:
            self.limit = torch.minimum(steps.phase, steps.counter // 2).float().clamp_(min=1.0)
            lines["cells"] = (_P * 2)(*(line.data_ptr() for line in packed.line))
            pads |= {"lines": packed.lines, "worst": packed.worst}
        pads |= {"weight": packed.weight, "read": packed.read, "dither": packed.dither}
        places = {name: tensor.data_ptr() for name, tensor in pads.items()}
        self.stage = StageFields(first=0, rows=rows, **lines, **places)
        self._held = (pads, ones := _filled(ones))  # what the fields point to
        self._fields = LayerFields(
            inputs=rows,
            columns=columns,
            stages=1,
            stage=ctypes.addressof(self.stage),
            output_step=ones.data_ptr(),
            input_scale=converters.input_levels,
            levels=shared.input_levels,
            output_levels=shared.output_levels,
            asymmetry=shared.asymmetry,
            limit=min(shared.phase_limit, shared.counter_limit),
            counting=COUNTINGS[shared.counting],
            rounding=0,
            relu=False,
            four_phase=shared.four_phase,
        )
        self.address = ctypes.addressof(self._fields)


def _core_fields(cells: ProgrammedCells) -> CoreFields:
    chip, table = cells.chip, cells.chip.programming_pulses
    write, sizes = chip.write_noise, cells.sizes
    rows, columns = cells.devices.shape[2:]
    return CoreFields(
        cell=cells.store.data_ptr(),
        stuck=0 if cells.stuck is None else cells.stuck.data_ptr(),
        table=cells.table.values.data_ptr(),
        step=sizes.siemens.data_ptr(),
        read_step=sizes.read.data_ptr(),
        added=sizes.added.data_ptr(),
        rows=rows,
        columns=columns,
        length=-(-rows // 16) * 16,
        median=chip.set_statistics.set_median_siemens,
        high=table.pulse_high_ampere,
        span=table.pulse_high_ampere - table.pulse_low_ampere,
        share=write.step_share,
        floor_square=write.floor_siemens**2,
        floor=write.floor_siemens,
        reset=chip.set_statistics.reset_spread_siemens,
        table_scale=cells.table.scale,
        table_end=cells.table.end,
        noisy=chip.effects.programming_noise,
    )


def _filled(columns: Tensor) -> Tensor:
    """With zeros up to a whole panel."""
    return torch.nn.functional.pad(columns, (0, -columns.shape[0] % PANEL)).contiguous()
