"""An IntegerLayer as the kernel takes it."""

import ctypes
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hermes_sim.crossbar import Sums, Vectors
from hermes_sim.integers import IntegerBlock, IntegerLayer, dither
from hermes_sim.kernel.load import COUNTINGS, PANEL, Kernel, LayerFields, StageFields
from hermesrt.ops.window import Window
from hermesrt.ops.window_fields import held_window
from hermesrt.reads import Keys

_ROUNDINGS = {None: 0, "truncate": 1, "nearest": 2}
_NO_MEMORY = "no memory for the codes of a block of vectors"
Images = Float[Tensor, "images *sizes channels"]
Outputs = Float[Tensor, "images *outputs columns"]
_SMALL = 2**21  # products of a call that further threads do not make faster


class KernelLayer:
    """A layer that a kernel runs; it has the bits of `integers.TorchLayer`."""

    def __init__(self, kernel: Kernel, layer: IntegerLayer, streams: Sequence[int]) -> None:
        converters = layer.converters
        self.kernel = kernel
        self._held: list[Tensor] = []  # what the fields point to
        blocks = zip(layer.blocks, streams, strict=True)
        stages = (StageFields * len(layer.blocks))(*(self._stage(b, s) for b, s in blocks))
        self._stages = stages
        self.inputs = max(block.rows.stop for block in layer.blocks)
        self.columns = layer.blocks[0].scale.shape[0]
        self._fields = LayerFields(
            inputs=self.inputs,
            columns=self.columns,
            stages=len(stages),
            stage=ctypes.addressof(stages),
            input_scale=layer.input_scale,
            levels=converters.input_levels,
            output_levels=converters.output_levels,
            output_step=self._keep(_filled(layer.output_step)),
            asymmetry=converters.asymmetry,
            limit=min(converters.phase_limit, converters.counter_limit),
            counting=COUNTINGS[converters.counting],
            rounding=_ROUNDINGS[converters.rounding],
            relu=layer.relu,
            four_phase=converters.four_phase,
        )
        self._address = ctypes.addressof(self._fields)

    def __call__(self, x: Vectors, reads: Keys) -> Sums:
        """What the last LDPU of the cascade sends out for inputs x, of these reads."""
        x, count = x.contiguous(), x.shape[0]
        out = torch.empty(count, self.columns)
        if count == 1:
            one = ctypes.c_uint64(int(reads[0]))  # ten times cheaper than an array's address
            self._run(x.data_ptr(), ctypes.addressof(one), out.data_ptr(), 0, 1)
            return out
        reads = np.ascontiguousarray(reads)
        addresses = x.data_ptr(), reads.ctypes.data, out.data_ptr()
        threads = torch.get_num_threads()
        if threads == 1 or count * self.inputs * self.columns < _SMALL:
            self._run(*addresses, 0, count)
            return out
        part = -(-count // threads)

        def run(first: int) -> None:
            self._run(*addresses, first, min(part, count - first))

        list(_pool(threads).map(run, range(0, count, part)))
        return out

    def windows(self, window: Window, images: Images, reads: Keys) -> Outputs:
        """The same at all positions of a window over images with their channels last."""
        images, count = images.contiguous(), images.shape[0]
        outputs = window.outputs(tuple(images.shape[1:-1]))
        held, channels = held_window(window, tuple(images.shape[1:-1])), images.shape[-1]
        out, reads = torch.empty(count, *outputs, self.columns), np.ascontiguousarray(reads)
        threads, positions = torch.get_num_threads(), math.prod(outputs)
        part = -(-count // threads)

        def run(first: int) -> None:
            failed = self.kernel.windows(
                self._address,
                held.address,
                channels,
                images.data_ptr() + 4 * first * images[0].numel(),
                reads.ctypes.data + 8 * first * positions,
                min(part, count - first),
                out.data_ptr() + 4 * first * positions * self.columns,
            )
            if failed:
                raise MemoryError(_NO_MEMORY)

        firsts = range(0, count, max(part, 1))
        list(map(run, firsts) if threads == 1 else _pool(threads).map(run, firsts))
        return out

    def _run(self, x: int, reads: int, out: int, first: int, count: int) -> None:
        failed = self.kernel.layer(
            self._address,
            x + 4 * first * self.inputs,
            reads + 8 * first,
            count,
            out + 4 * first * self.columns,
        )
        if failed:
            raise MemoryError(_NO_MEMORY)

    def _stage(self, block: IntegerBlock, stream: int) -> StageFields:
        plus, minus, rows = block.plus, block.minus, block.plus.shape[0]
        lines = block.lines
        filled = [_filled(t) for t in (block.count, block.zero, block.read_step)]
        filled += [_filled(t) for t in (block.scale, block.offset)]
        names = ("count", "zero", "read_step", "scale", "offset")
        fields: dict[str, Any] = dict(zip(names, map(self._keep, filled), strict=True))
        if lines is not None:
            fields["cells"] = (ctypes.c_void_p * 2)(*(self._keep(_lines(t)) for t in (plus, minus)))
            filled_lines = _filled(lines)
            worst = filled_lines.view(2, 2, -1, PANEL).amax(3).permute(2, 1, 0).contiguous()
            fields["lines"], fields["worst"] = self._keep(filled_lines), self._keep(worst)
            fields["all"] = (ctypes.c_float * 2)(*lines.amax((1, 2)).tolist())
            fields["phase"] = self._keep(_filled(block.phase))
            fields["counter"] = self._keep(_filled(block.counter))
        if block.read is not None:
            fields["read"] = self._keep(packed(block.read, 4))
            spread = dither(-(-rows // 16) * 16).numpy().astype("uint16")
            fields["dither"] = self._keep(torch.from_numpy(spread))
        if block.white is not None:
            fields["white"] = self._keep(_filled(block.white))
        return StageFields(
            first=block.rows.start,
            rows=rows,
            weight=self._keep(packed(plus - minus, 2)),
            carry=block.carry,
            stream=stream,
            **fields,
        )

    def _keep(self, tensor: Tensor) -> int:
        self._held.append(tensor)
        return tensor.data_ptr()


def packed(table: Tensor, group: int) -> Tensor:
    """[panel, row / group, column, row % group], filled up with zeros."""
    rows, columns = table.shape
    high, wide = -(-rows // group), -(-columns // PANEL)
    whole = table.new_zeros(high * group, wide * PANEL)
    whole[:rows, :columns] = table
    return whole.view(high, group, wide, PANEL).permute(2, 0, 3, 1).contiguous()


def _lines(table: Tensor) -> Tensor:
    """[column, row], with zeros up to whole panels of rows."""
    return _filled(table.T)


def _filled(table: Tensor) -> Tensor:
    """With zeros up to a whole panel."""
    return torch.nn.functional.pad(table, (0, -table.shape[-1] % PANEL)).contiguous()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "layer")
