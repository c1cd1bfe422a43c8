"""Windows that the kernel makes itself have the bits of the vectors that torch makes of them."""

from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermes_sim.device import SimulatedDevice
from hermes_sim.integers import TorchLayer, integer_layer
from hermes_sim.kernel.layer import KernelLayer
from hermes_sim.kernel.load import load
from hermes_sim.noise import ReadNoise
from hermesrt.native.build import INSTRUCTIONS, runs
from hermesrt.ops.unfold import unfolded
from hermesrt.ops.window import Window
from hermesrt.reads import mix, numbered

from .test_integers import ONE_PHASE, STOPPED, STREAMS, arrays

WINDOWS = {
    "a 3 x 3 window with padding": (Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1)), (5, 7)),
    "strides, dilation, cut off": (Window((2, 3), (2, 1), (1, 2), (-1, 2), (1, 0), (1, 1)), (6, 8)),
    "transposed": (Window((3, 2), (1, 1), (1, 1), (1, 1), (1, 1), (2, 2)), (3, 4)),
    "a sequence that goes round": (Window((5,), (1,), (1,), (2,), (2,), (1,), "circular"), (61,)),
    "a volume": (Window((2, 2, 2), *[(1, 1, 1)] * 2, *[(0, 0, 0)] * 2, (1, 1, 1)), (3, 4, 3)),
}


@pytest.fixture(params=[name for name in INSTRUCTIONS if runs(name)])
def instructions(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_have_the_bits_of_their_vectors(instructions: str, name: str) -> None:
    kernel = load(instructions)
    if kernel is None:
        pytest.skip("no compiler")
    window, sizes = WINDOWS[name]
    x = torch.randn(7, 3, *sizes, generator=torch.Generator().manual_seed(1))
    x.view(-1)[5], x.view(-1)[200] = torch.nan, torch.inf
    vectors = unfolded(window, x, [slice(0, n) for n in window.outputs(sizes)])
    rows = window.taps * 3
    for converters, parts in ((STOPPED, (rows,)), (ONE_PHASE, (rows - 7, 7))):
        layer = integer_layer(arrays(converters, parts, 21))
        reads, streams = mix(numbered(len(vectors))), STREAMS[: len(parts)]
        run = KernelLayer(kernel, layer, streams)
        wanted = TorchLayer.of(layer)(vectors, ReadNoise(streams, reads))
        for threads in (1, 2):
            with patch.object(torch, "get_num_threads", return_value=threads):
                found = run.windows(window, x.movedim(1, -1), reads)
            assert found.shape == (7, *window.outputs(sizes), 21)
            assert same_bits(found.view(wanted.shape), wanted)


def test_a_chip_has_the_same_bits_where_its_device_takes_vectors_alone() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, stride=2))
    x = torch.randn(5, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    program = hermesc.compile(model, (x,))
    whole = program.deploy(hermesc.simulate())(x)
    with patch.object(SimulatedDevice, "mvm_windows", return_value=None):
        apart = program.deploy(hermesc.simulate())(x)
    assert same_bits(whole, apart)


def same_bits(a: Tensor, b: Tensor) -> bool:
    """All NaN are alike."""
    return torch.equal(a.nan_to_num(1e9), b.nan_to_num(1e9))
