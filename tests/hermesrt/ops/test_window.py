"""Windows by themselves: sizes, what each output sees, when it can begin, what has to be kept."""

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from hermesrt.ops.window import (
    Window,
    last_inputs,
    line_buffer,
    served,
    served_count,
)


def plain(*kernel: int, stride: int = 1, padding: int = 0, spread: int = 1) -> Window:
    """A window that is the same in every dimension."""
    n = len(kernel)
    pads = (padding,) * n
    return Window(kernel, (stride,) * n, (1,) * n, pads, pads, (spread,) * n)


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, tuple[int, ...]]:
    """Any window that fits, and the sizes of its input."""
    rank = draw(st.integers(1, 3))
    numbers = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(rank))  # noqa: E731
    mode = draw(st.sampled_from(["zeros", "zeros", "circular", "reflect", "replicate"]))
    spread = numbers(1, 3) if mode == "zeros" else (1,) * rank
    sizes = numbers(1, 5)
    pads = (0, min(sizes) - 1) if mode != "zeros" else (-1, 3)
    before, after = numbers(*pads), numbers(*pads)
    window = Window(numbers(1, 3), numbers(1, 3), numbers(1, 2), before, after, spread, mode)
    for d in range(rank):
        padded = (sizes[d] - 1) * spread[d] + 1 + before[d] + after[d]
        if padded < window.reach(d):
            return plain(*(1,) * rank), sizes
    return window, sizes


def padded_numbers(window: Window, sizes: tuple[int, ...]) -> torch.Tensor:
    """The raster index of the input at each padded position, -1 for zeros, by torch's own pad."""
    numbers = torch.arange(1, 1 + int(np.prod(sizes)), dtype=torch.float64).reshape(1, 1, *sizes)
    for d, spread in enumerate(window.spread):
        wide = list(numbers.shape)
        wide[d + 2] = (wide[d + 2] - 1) * spread + 1
        spaced = numbers.new_zeros(wide)
        spaced.narrow(d + 2, 0, wide[d + 2]).index_copy_(
            d + 2, torch.arange(0, wide[d + 2], spread), numbers
        )
        numbers = spaced
    widths = [w for d in reversed(range(window.rank)) for w in (window.before[d], window.after[d])]
    mode = "constant" if window.mode == "zeros" else window.mode
    return F.pad(numbers, widths, mode=mode)[0, 0] - 1


@given(windows())
def test_each_output_waits_for_the_last_input_that_any_tap_sees(
    drawn: tuple[Window, tuple[int, ...]],
) -> None:
    window, sizes = drawn
    numbers, outputs = padded_numbers(window, sizes), window.outputs(sizes)
    last = last_inputs(window, sizes, outputs)
    count = 0
    for i, place in enumerate(product(*map(range, outputs))):
        taps = [
            int(numbers[tuple(p * s + t * d for p, s, t, d in zip(
                place, window.stride, tap, window.dilation, strict=True))])
            for tap in product(*map(range, window.kernel))
        ]  # fmt: skip
        assert last[i] == max(taps)
        count += max(taps) >= 0
    assert count == served_count(window, sizes)


@given(windows())
def test_the_line_buffer_holds_what_is_still_needed_and_no_more(
    drawn: tuple[Window, tuple[int, ...]],
) -> None:
    window, sizes = drawn
    numbers, outputs = padded_numbers(window, sizes), window.outputs(sizes)
    seen = [
        [i for tap in product(*map(range, window.kernel))
         if (i := int(numbers[tuple(p * s + t * d for p, s, t, d in zip(
             place, window.stride, tap, window.dilation, strict=True))])) >= 0]
        for place in product(*map(range, outputs))
    ]  # fmt: skip
    most = 0
    for now, inputs in enumerate(seen):
        needed = [i for later in seen[now:] for i in later]
        if inputs:
            most = max(most, max(inputs) - min(needed) + 1)
    assert line_buffer(window, sizes, outputs) == most


def test_a_3x3_window_keeps_two_lines_and_three_pixels() -> None:
    assert line_buffer(plain(3, 3, padding=1), (32, 32), (32, 32)) == 67
    assert line_buffer(plain(1, 1), (32, 32), (32, 32)) == 1
    assert line_buffer(plain(2, 2, stride=2), (32, 32), (16, 16)) == 34


def test_the_last_pixel_of_a_row_waits_for_the_next_row() -> None:
    found = last_inputs(plain(3, 3, padding=1), (4, 4), (4, 4)).reshape(4, 4)
    assert found.tolist() == [[5, 6, 7, 7], [9, 10, 11, 11], [13, 14, 15, 15], [13, 14, 15, 15]]


def test_outputs_that_see_only_padding_are_not_served() -> None:
    masks = served(plain(1, 1, padding=2), (3, 1))
    assert [m.tolist() for m in masks] == [
        [False] * 2 + [True] * 3 + [False] * 2,
        [False] * 2 + [True] + [False] * 2,
    ]
    assert served_count(plain(2, 2, spread=3), (3, 3)) == 16


@pytest.mark.parametrize(
    ("window", "fault"),
    [
        (Window((), (), (), (), (), ()), "one to three dimensions"),
        (plain(1, 1, 1, 1), "one to three dimensions"),
        (Window((3, 3), (1,), (1, 1), (0, 0), (0, 0), (1, 1)), "one number for each dimension"),
        (Window((3,), (1,), (1,), (0,), (0,), (2,), "circular"), "padded with zeros"),
    ],
)
def test_a_window_that_makes_no_sense_says_why(window: Window, fault: str) -> None:
    assert fault in (window.fault() or "")


def test_a_window_that_does_not_fit_or_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="positions"):
        plain(3, 3).outputs((2, 5))
    with pytest.raises(ValueError, match="positions"):
        plain(1, 1, padding=2**16).outputs((8, 8))
