"""Products at every position of a window, against torch's own convolutions in float64."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hermesrt.ops import unfold
from hermesrt.ops.unfold import convolve, result_shape, sampled, unfolded
from hermesrt.ops.window import Window, served_count

Case = tuple[Window, Tensor, Tensor, Tensor]  # window, x, matrix, torch's result


@st.composite
def convolutions(draw: st.DrawFn) -> Case:
    """Any convolution that torch takes, plain or transposed, with any padding."""
    torch.manual_seed(draw(st.integers(0, 2**16)))
    rank = draw(st.integers(1, 3))
    numbers = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(rank))  # noqa: E731
    channels, columns = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    kernel, stride, dilation, sizes = numbers(1, 3), numbers(1, 3), numbers(1, 2), numbers(3, 7)
    x = torch.randn(draw(st.integers(1, 3)), channels, *sizes, dtype=torch.float64)
    once, taps = (1,) * rank, list(range(2, 2 + rank))
    if draw(st.booleans()):
        padding, more = (
            numbers(0, 2),
            tuple(max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)),
        )
        weight = torch.randn(channels, columns, *kernel, dtype=torch.float64)
        before = tuple(d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True))
        after = tuple(b + m for b, m in zip(before, more, strict=True))
        window = Window(kernel, once, dilation, before, after, stride)
        y = _torch(x, weight, stride, padding, dilation, True, more)
        weight = weight.flip(taps).transpose(0, 1)
    else:
        mode = draw(st.sampled_from(["zeros", "circular", "reflect", "replicate"]))
        before, after = numbers(0, 2), numbers(0, 2)
        weight = torch.randn(columns, channels, *kernel, dtype=torch.float64)
        widths = [w for d in reversed(range(rank)) for w in (before[d], after[d])]
        padded = F.pad(x, widths, mode="constant" if mode == "zeros" else mode)
        window = Window(kernel, stride, dilation, before, after, once, mode)
        y = _torch(padded, weight, stride, (0,) * rank, dilation, False, (0,) * rank)
    matrix = weight.permute(*taps, 1, 0).reshape(-1, columns)
    return window, x, matrix, y


def _torch(x: Tensor, weight: Tensor, stride: object, padding: object, dilation: object,
           transposed: bool, more: object) -> Tensor:  # fmt: skip
    try:
        result: Tensor = torch.ops.aten.convolution(
            x, weight, None, stride, padding, dilation, transposed, more, 1
        )
    except RuntimeError:
        return x.new_zeros(0)  # torch has no such convolution
    return result


def _none() -> None:
    """In place of the C function."""


@pytest.mark.parametrize(("bound", "compiled"), [(40, True), (2**20, True), (40, False)])
@settings(max_examples=60)
@given(case=convolutions())
def test_a_convolution_is_a_product_at_every_position(
    bound: int, compiled: bool, case: Case
) -> None:
    window, x, matrix, wanted = case
    if not wanted.numel():
        return
    function = unfold.function
    if compiled and function() is None:
        pytest.skip("there is no C compiler")
    old, unfold.BLOCK_ELEMENTS = unfold.BLOCK_ELEMENTS, bound
    unfold.function = function if compiled else _none
    places: list[Tensor] = []
    vectors: list[Tensor] = []

    def product(part: Tensor, numbers: Tensor) -> Tensor:
        places.append(numbers)
        vectors.append(part)
        return part @ matrix

    try:
        found = convolve(window, x, matrix.shape[1], product, matrix.new_zeros(matrix.shape[1]))
    finally:
        unfold.BLOCK_ELEMENTS, unfold.function = old, function
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    assert result_shape(window, x.shape, matrix.shape[1]) == tuple(wanted.shape)
    count = x.shape[0] * served_count(window, tuple(x.shape[2:]))
    together = torch.cat(places) if places else torch.zeros(0, dtype=torch.int64)
    assert sorted(together.tolist()) == list(range(count))  # every vector once
    assert all(v.numel() <= max(bound, matrix.shape[0]) for v in vectors)
    if vectors:
        assert torch.equal(sampled(window, x, together), torch.cat(vectors))


def test_the_largest_layer_of_a_resnet_is_unfolded_in_bounded_memory() -> None:
    """Batch 64 at once would be 528 MB; no block is larger than 4 MB."""
    window = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1))
    largest = 0

    def product(part: Tensor, _: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, part.numel() * part.element_size())
        return part[:, :1]

    x = torch.zeros(1, 224, 32, 32).expand(64, -1, -1, -1)
    convolve(window, x, 1, product, torch.zeros(1))
    assert 2**21 < largest <= 2**22


def test_channels_of_a_tap_lie_together() -> None:
    window = Window((2,), (1,), (1,), (0,), (0,), (1,))
    x = torch.tensor([[[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]])
    found = unfolded(window, x, (slice(0, 2),))
    assert found.tolist() == [[1, 10, 2, 20], [2, 20, 3, 30]]


def test_a_position_that_sees_only_padding_takes_the_idle_result() -> None:
    window = Window((1,), (1,), (1,), (1,), (0,), (1,))
    x = torch.ones(1, 1, 2)
    found = convolve(window, x, 1, lambda v, _: v + 1, torch.tensor([7.0]))
    assert found.tolist() == [[[7.0, 2.0, 2.0]]]


def test_an_image_may_have_any_dimensions_before_its_channels() -> None:
    window = Window((2, 2), (1, 1), (1, 1), (0, 0), (0, 0), (1, 1))
    x, weight = torch.randn(2, 3, 4, 5, 6), torch.randn(7, 4, 2, 2)
    matrix = weight.permute(2, 3, 1, 0).reshape(16, 7)
    for part in (x, x[0], x[0, 0]):
        found = convolve(window, part, 7, lambda v, _: v @ matrix, torch.zeros(7))
        wanted = F.conv2d(part.reshape(-1, 4, 5, 6), weight).reshape(found.shape)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
