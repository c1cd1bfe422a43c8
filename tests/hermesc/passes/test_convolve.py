"""Convolutions as Mvms with a window: rows, groups, and what is fused into them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hermesc.frontend.torch.capture import capture
from hermesc.frontend.torch.convert import convert
from hermesc.ir.graph import Graph
from hermesc.ir.interpret import interpret
from hermesc.ir.ops import Mvm
from hermesc.ir.verify import verify_graph
from hermesc.passes.canonicalize import canonicalize
from hermesc.passes.convolve import ConvolveOptions, convolve
from hermesc.passes.partition import PartitionOptions, partition
from hermesrt.artifact.schema import NodeAssignment
from hermesrt.chip.load import load_chip

CHIP = load_chip("hermes")


def made(
    model: nn.Module, x: Tensor, groups: str = "auto", digital: tuple[str, ...] = ()
) -> tuple[Graph, dict[str, Tensor], dict[str, NodeAssignment]]:
    """The model as far as the partition, which computes what the model does at another batch."""
    model = model.eval()
    graph, weights = canonicalize(*convert(capture(model, (x,)).exported))
    graph, weights = convolve(graph, weights, CHIP, ConvolveOptions(groups))  # type: ignore[arg-type]
    verify_graph(graph, weights, "convolve")
    found, weights = partition(graph, weights, PartitionOptions(digital=digital))
    verify_graph(found.graph, weights, "partition")
    other = torch.randn(3, *x.shape[1:], dtype=x.dtype)
    (ours,) = interpret(found.graph, weights, {found.graph.inputs[0].name: other})
    with torch.no_grad():
        torch.testing.assert_close(ours, model(other), rtol=1e-4, atol=1e-5)
    return found.graph, weights, {a.node: a for a in found.assignments}


def image(channels: int = 4, size: int = 6) -> Tensor:
    return torch.randn(2, channels, size, size)


def normalised(channels: int) -> nn.BatchNorm2d:
    """A batch norm that does something."""
    norm = nn.BatchNorm2d(channels)
    norm.running_mean.normal_()  # type: ignore[union-attr]
    norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return norm


def test_rows_are_taps_with_all_channels_of_a_tap_together() -> None:
    layer = nn.Conv2d(4, 5, (2, 3), bias=False)
    graph, weights, _ = made(layer, image())
    (op,) = graph.mvms
    wanted = layer.weight.detach().permute(2, 3, 1, 0).reshape(24, 5)
    assert torch.equal(weights[op.matrix], wanted)


@pytest.mark.parametrize("relu", [nn.ReLU(), nn.ReLU(inplace=True)])
def test_bias_batch_norm_and_relu_are_fused_however_they_are_written(relu: nn.Module) -> None:
    model = nn.Sequential(nn.Conv2d(4, 5, 3), normalised(5), relu)
    graph, _, nodes = made(model, image())
    (op,) = [op for op in graph.ops if isinstance(op, Mvm)]
    assert op.relu
    assert op.scale
    assert op.bias
    assert graph.digital == ()
    units = [n.unit for n in nodes.values() if not n.op.startswith("size.")]
    assert units == ["analog", "ldpu", "ldpu"]


@pytest.mark.parametrize("cap", [nn.ReLU6(), nn.Hardtanh(0, 3), nn.ReLU6(inplace=True)])
def test_of_a_relu6_the_ldpu_does_the_relu_and_the_host_the_limit(cap: nn.Module) -> None:
    graph, _, _ = made(nn.Sequential(nn.Conv2d(4, 5, 3), normalised(5), cap), image())
    assert graph.mvms[0].relu
    assert [op.call.op for op in graph.digital] == ["aten.clamp_max.default"]


def test_a_hard_tanh_below_zero_stays_on_the_host() -> None:
    graph, _, _ = made(nn.Sequential(nn.Conv2d(4, 5, 3), nn.Hardtanh(-1, 1)), image())
    assert not graph.mvms[0].relu
    assert len(graph.digital) == 1


def test_what_lies_across_positions_is_not_fused() -> None:
    class Mask(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(4, 4, 3, padding=1)
            self.mask = nn.Parameter(torch.randn(4, 4))

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) * self.mask

    graph, _, _ = made(Mask(), image(4, 4))
    assert graph.mvms[0].scale is None
    assert len(graph.digital) == 1


def test_a_depthwise_convolution_is_digital_by_default_and_says_why() -> None:
    model = nn.Conv2d(8, 8, 3, groups=8)
    graph, _, nodes = made(model, image(8))
    assert graph.mvms == ()
    (reason,) = [n.reason for n in nodes.values() if n.unit == "digital"]
    assert "depthwise" in reason
    assert "convolve.groups=analog" in reason


@pytest.mark.parametrize(
    ("model", "matrices"),
    [
        (nn.Conv2d(8, 8, 3, groups=8, padding=1), [(72, 8)]),
        (nn.Conv2d(32, 64, 3, groups=32, bias=False), [(252, 56), (36, 8)]),
        (nn.Conv2d(64, 48, 3, groups=2, padding=1), [(288, 24)] * 2),
        (nn.ConvTranspose2d(8, 12, 3, stride=2, groups=4), [(72, 12)]),
    ],
)
def test_groups_are_packed_along_the_diagonal(
    model: nn.Module, matrices: list[tuple[int, int]]
) -> None:
    """As many groups a matrix as fit 256 rows; batch norm and ReLU are fused into all of them."""
    channels = matrices[0][1] if len(matrices) == 1 else sum(c for _, c in matrices)
    whole = nn.Sequential(model, normalised(channels), nn.ReLU())
    graph, weights, _ = made(whole, image(model.in_channels), "analog")  # type: ignore[arg-type]
    assert [tuple(weights[op.matrix].shape) for op in graph.mvms] == matrices
    assert all(op.relu and op.scale and op.bias for op in graph.mvms)
    assert {op.call.op for op in graph.digital} <= {"aten.slice.Tensor", "aten.cat.default"}


def test_groups_go_where_they_cost_less() -> None:
    """A ResNeXt block's 32 groups of 32 channels pay on crossbars; two groups of two do not."""
    wide, _, _ = made(nn.Conv2d(1024, 1024, 3, groups=32, padding=1), image(1024, 3))
    assert len(wide.mvms) == 32
    small, _, nodes = made(nn.Conv2d(4, 4, 3, groups=2), image())
    assert small.mvms == ()
    (reason,) = [n.reason for n in nodes.values() if n.unit == "digital"]
    assert "2 groups" in reason
    assert " nJ" in reason


def test_kept_digital_on_demand_means_all_groups() -> None:
    _, _, nodes = made(nn.Conv2d(1024, 1024, 3, groups=32), image(1024, 3), "digital")
    assert any("convolve.groups=digital" in n.reason for n in nodes.values())


def test_padding_is_part_of_the_window_only_where_nothing_else_needs_it() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pad, self.layer = nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.pad(x)
            return self.layer(y) + y[:, :, 1:-1, 1:-1]

    graph, _, _ = made(Shared(), image())
    assert graph.mvms[0].window is not None
    assert graph.mvms[0].window.mode == "zeros"
    alone, _, nodes = made(nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3)), image())
    assert alone.mvms[0].window is not None
    assert alone.mvms[0].window.mode == "reflect"
    assert alone.digital == ()
    assert any("part of the window" in n.reason for n in nodes.values())


@settings(max_examples=15)
@given(st.data())
def test_a_layer_kept_digital_is_torchs_own_convolution(data: st.DataObject) -> None:
    draw = data.draw
    kernel, padding = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    mode = draw(st.sampled_from(["zeros", "circular", "replicate"]))
    layer: nn.Module = nn.Conv2d(4, 5, kernel, 2, padding, 2, padding_mode=mode)
    if draw(st.booleans()):
        layer = nn.ConvTranspose2d(4, 5, kernel, 3, min(padding, (kernel - 1) // 2), 2)
    graph, _, nodes = made(nn.Sequential(layer), image(4, 7), digital=("0",))
    assert graph.mvms == ()
    assert "aten.convolution.default" in {op.call.op for op in graph.digital}
    assert any("partition.digital" in n.reason for n in nodes.values())
