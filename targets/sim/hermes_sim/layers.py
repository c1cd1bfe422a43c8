"""A layer as a device runs it: by the compiled kernel, by torch in whole numbers, or in FP32."""

from collections.abc import Callable

import torch

from hermes_sim import crossbar, integers
from hermes_sim.crossbar import LayerArrays, Sums, Vectors
from hermes_sim.integers import TorchLayer
from hermes_sim.kernel.layer import KernelLayer
from hermes_sim.kernel.load import Kernel
from hermes_sim.moved import moved
from hermes_sim.noise import ReadNoise
from hermesrt.reads import Keys

Run = Callable[[Vectors, Keys], Sums]


def runner(
    layer: LayerArrays,
    streams: tuple[int, ...],
    kernel: Kernel | None,
    place: torch.device | None = None,
) -> Run:
    """What runs a layer on a device of torch's, with a stream of noise for each row block.

    Kernel and torch have the same bits. FP32 is for layers that are not in whole numbers: without
    an input code, with more than 127 input levels, with more than 516 rows a block, or where each
    counter or phase becomes whole for itself.
    """
    if not integers.fits(layer):
        layer = layer if place is None else moved(layer, place)
        return lambda x, reads: crossbar.layer_mvm(layer, x, ReadNoise(streams, reads))
    whole = integers.integer_layer(layer)
    if kernel is not None:
        return KernelLayer(kernel, whole, streams)
    held = TorchLayer.of(whole)
    if place is not None:
        held = moved(held, place)
    return lambda x, reads: held(x, ReadNoise(streams, reads))
