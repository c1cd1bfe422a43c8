"""Ways to write a convolution with a fixed kernel; each must become Mvms with a window."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Layers, fn, layers

IMAGE = ((4, 3, 6, 7),)
SIGNAL = ((4, 3, 9),)
VOLUME = ((3, 2, 4, 5, 4),)


def _patches(m: Any, x: Tensor) -> Tensor:
    return m.l(m.a(x).flatten(2).transpose(1, 2))


def _tied() -> nn.Module:
    first, second = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.Conv2d(3, 3, 3, bias=False)
    second.weight = first.weight
    return Layers(lambda m, x: m.b(torch.tanh(m.a(x))), a=first, b=second)


def _one(name: str, make: Any, *inputs: Any, mvms: int = 1) -> Any:
    return layers(name, mvms, lambda m, x: m.a(x), *(inputs or IMAGE), a=make)


CONVOLUTIONS = (
    _one("conv1d", lambda: nn.Conv1d(3, 5, 3, padding=1), *SIGNAL),
    _one("conv2d", lambda: nn.Conv2d(3, 5, (2, 3), stride=(2, 1), padding=(0, 2))),
    _one("conv3d", lambda: nn.Conv3d(2, 4, 2, dilation=2, padding=1), *VOLUME),
    _one("conv2d, same", lambda: nn.Conv2d(3, 5, 4, padding="same")),
    _one("conv1d, same, dilated", lambda: nn.Conv1d(3, 5, 3, padding="same", dilation=2), *SIGNAL),
    _one("conv2d, valid", lambda: nn.Conv2d(3, 5, 3, padding="valid", bias=False)),
    _one("conv2d, circular", lambda: nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular")),
    _one("conv2d, reflect", lambda: nn.Conv2d(3, 5, 3, padding=2, padding_mode="reflect")),
    _one("conv1d, replicate", lambda: nn.Conv1d(3, 5, 3, padding=2, padding_mode="replicate"),
         *SIGNAL),
    _one("zeros as a layer", lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(3, 5, 3))),
    _one("reflection as a layer", lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 5, 3))),
    _one("padding with ones", lambda: nn.Sequential(nn.ConstantPad2d(1, 1.0), nn.Conv2d(3, 5, 3))),
    _one("1x1", lambda: nn.Conv2d(3, 5, 1, stride=2)),
    _one("transposed 1d", lambda: nn.ConvTranspose1d(3, 5, 3, stride=2), *SIGNAL),
    _one("transposed 2d", lambda: nn.ConvTranspose2d(3, 5, 3, 2, 1, output_padding=1)),
    _one("transposed, sparse", lambda: nn.ConvTranspose2d(3, 5, 2, stride=3)),
    _one("transposed 3d", lambda: nn.ConvTranspose3d(2, 3, 2, dilation=2), *VOLUME),
    _one("a chain", lambda: nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 2)), mvms=3),
    layers("patches", 2, _patches, ((4, 3, 8, 8)), a=lambda: nn.Conv2d(3, 6, 4, stride=4),
           l=lambda: nn.Linear(6, 5)),
    layers("a residual block", 2, lambda m, x: F.relu(x + m.b(F.relu(m.a(x)))), *IMAGE,
           a=lambda: nn.Conv2d(3, 4, 3, padding=1), b=lambda: nn.Conv2d(4, 3, 3, padding=1)),
    fn("as `convolution`", 1, lambda m, x: torch.convolution(
        x, m.w, None, [2, 1], [1, 0], [1, 1], False, [0, 0], 1), *IMAGE, w=(4, 3, 3, 2)),
    fn("a scaled kernel", 1, lambda m, x: F.conv2d(x, m.w * 0.5, m.b), *IMAGE,
       w=(4, 3, 3, 2), b=(4,)),
    fn("a scale for each channel", 1,
       lambda m, x: F.conv2d(x, m.w) * m.b[:, None, None] + m.c, *IMAGE,
       w=(4, 3, 3, 2), b=(4,), c=(1, 4, 1, 1)),
)  # fmt: skip
