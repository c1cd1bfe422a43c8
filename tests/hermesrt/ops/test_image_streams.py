"""Positions of an image as tokens: which operations keep them, which move a window over them."""

from collections.abc import Iterator

import pytest
import torch

from hermesrt.ops.call import Arg, Call, Ref, run
from hermesrt.ops.streams import follow, of_mvm, of_window
from hermesrt.ops.table import ROWS
from hermesrt.ops.tokens import Operand, Stream, Windowed
from hermesrt.ops.window import Window

IMAGE = (1, 4, 6, 5)
RASTER = Stream(2, 30, 2)
MOVED = ("pooled", "convolved", "resampled", "shuffled")
X = Operand("x", IMAGE, RASTER)


def followed(op: str, *args: Arg, result: tuple[int, ...], **others: Operand) -> tuple[object, ...]:
    """The result's stream, what it needs token by token, and what it moves windows over."""
    call = Call(f"aten.{op}", (Ref("x"), *args))
    found = follow(call, {"x": X, **others}, result)
    return found.stream, found.each, tuple(w.name for w in found.windows)


@pytest.mark.parametrize(
    ("op", "args", "result", "stream"),
    [
        ("relu.default", (), IMAGE, RASTER),
        ("batch_norm.default", (None, None, None, None, False, 0.1, 1e-5, False), IMAGE, RASTER),
        ("permute.default", ((0, 2, 3, 1),), (1, 6, 5, 4), Stream(1, 30, 2)),
        ("flatten.using_ints", (2, 3), (1, 4, 30), Stream(2, 30)),
        ("flatten.using_ints", (1, 3), (1, 120), None),
        ("transpose.int", (2, 3), (1, 4, 5, 6), None),
        ("transpose.int", (0, 1), (4, 1, 6, 5), RASTER),
        ("permute.default", ((0, 2, 1, 3),), (1, 6, 4, 5), None),
        ("slice.Tensor", (1, 0, 2), (1, 2, 6, 5), RASTER),
        ("slice.Tensor", (2, 0, 3), (1, 4, 3, 5), None),
        ("select.int", (3, 0), (1, 4, 6), None),
        ("mean.dim", ((2, 3),), (1, 4), None),
        ("mean.dim", ((1,),), (1, 6, 5), Stream(1, 30, 2)),
        ("softmax.int", (1,), IMAGE, RASTER),
        ("softmax.int", (3,), IMAGE, None),
        ("cumsum.default", (2,), IMAGE, RASTER),
    ],
)
def test_tokens_stay_where_positions_do(
    op: str, args: tuple[Arg, ...], result: tuple[int, ...], stream: Stream | None
) -> None:
    each = ("x",) if stream else ()
    assert followed(op, *args, result=result) == (stream, each, ())


def test_a_batch_norm_in_training_needs_the_whole_image() -> None:
    args = (None, None, None, None, True, 0.1, 1e-5, False)
    assert followed("batch_norm.default", *args, result=IMAGE) == (None, (), ())


def test_a_residual_sum_and_a_concatenation_of_channels_take_both_token_by_token() -> None:
    y = Operand("y", IMAGE, RASTER)
    assert followed("add.Tensor", Ref("y"), result=IMAGE, y=y) == (RASTER, ("x", "y"), ())
    call = Call("aten.cat.default", ((Ref("x"), Ref("y")), 1))
    assert follow(call, {"x": X, "y": y}, (1, 8, 6, 5)).each == ("x", "y")
    call = Call("aten.cat.default", ((Ref("x"), Ref("y")), 3))
    assert follow(call, {"x": X, "y": y}, (1, 4, 6, 10)).stream is None


def test_a_gate_for_each_channel_is_needed_whole() -> None:
    gate = Operand("g", (1, 4, 1, 1), None)
    assert followed("mul.Tensor", Ref("g"), result=IMAGE, g=gate) == (RASTER, ("x",), ())


@pytest.mark.parametrize(
    ("op", "args", "result"),
    [
        ("max_pool2d.default", ((2, 2),), (1, 4, 3, 2)),
        ("max_pool2d.default", ((3, 3), (2, 2), (1, 1)), (1, 4, 3, 3)),
        ("avg_pool2d.default", ((2, 2), (1, 1)), (1, 4, 5, 4)),
        ("constant_pad_nd.default", ((1, 1, 2, 0), 0.0), (1, 4, 8, 7)),
        ("pad.default", ((1, 1, 2, 0),), (1, 4, 8, 7)),
    ],
)
def test_pooling_and_padding_move_a_window(
    op: str, args: tuple[Arg, ...], result: tuple[int, ...]
) -> None:
    size = result[2] * result[3]
    assert followed(op, *args, result=result) == (Stream(2, size, 2), (), ("x",))


def test_a_convolution_on_the_host_moves_a_window_too() -> None:
    weight = Operand("w", (4, 1, 3, 3), None)
    args = (Ref("w"), None, (1, 1), (1, 1), (1, 1), 4)
    found = followed("conv2d.default", *args, result=IMAGE, w=weight)
    assert found == (RASTER, (), ("x",))


def test_a_window_knows_what_it_keeps() -> None:
    window = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1))
    found = of_window(window, X, (1, 9, 6, 5))
    assert found.windows == (Windowed("x", window, (6, 5), (6, 5), 4),)
    assert found.windows[0].kept == 13


def test_an_image_without_tokens_is_needed_whole() -> None:
    window = Window((1, 1), (1, 1), (1, 1), (0, 0), (0, 0), (1, 1))
    found = of_mvm(window, Operand("x", IMAGE, Stream(1, 4)), IMAGE)
    assert (found.stream, found.each, found.windows) == (RASTER, (), ())
    one = of_mvm(window, Operand("x", (1, 4, 1, 1), None), (1, 9, 1, 1))
    assert one.stream is None


def moved() -> list[tuple[str, tuple[Arg, ...], int]]:
    """A call of each operation that moves a window, with the dimensions of its image."""
    calls: list[tuple[str, tuple[Arg, ...], int]] = []
    for rank in (1, 2, 3):
        two, three, one = (2,) * rank, (3,) * rank, (1,) * rank
        calls.append((f"avg_pool{rank}d.default", (Ref("x"), three, two, one), rank))
        calls.append((f"max_pool{rank}d.default", (Ref("x"), two, two), rank))
        calls.append((f"conv{rank}d.default", (Ref("x"), Ref(f"w{rank}"), None, two, one), rank))
    pool = ("max_pool2d_with_indices.default", (Ref("x"), (3, 2), (1, 2), (1, 1), (1, 1)), 2)
    whole = (Ref("x"), Ref("w2"), None, (1, 2), (1, 0), (2, 1), False, (0, 0), 1)
    return [*calls, pool, ("convolution.default", whole, 2), *resampled()]


def resampled() -> Iterator[tuple[str, tuple[Arg, ...], int]]:
    """Upsamplings of images of 5 x 4 x 3 by 3, 2 and 1, and shuffles of pixels."""
    for rank, linear in ((1, "linear1d"), (2, "bilinear2d"), (3, "trilinear3d")):
        to = (15, 8, 3)[:rank]
        for exact in ("upsample_nearest", "_upsample_nearest_exact"):
            yield f"{exact}{rank}d.default", (Ref("x"), to), rank
        yield f"upsample_{linear}.default", (Ref("x"), to, False), rank
    yield "upsample_bicubic2d.default", (Ref("x"), (10, 12), False), 2
    yield "pixel_shuffle.default", (Ref("x"), 2), 2
    yield "pixel_unshuffle.default", (Ref("x"), 2), 2


def test_every_operation_that_moves_a_window_is_called_here() -> None:
    names = {row.name for row in ROWS.values() if row.stream in MOVED}
    assert names == {op.split(".")[0] for op, _, _ in moved()}


@pytest.mark.parametrize(("op", "args", "rank"), moved(), ids=[op for op, _, _ in moved()])
def test_an_output_sees_no_input_after_the_last_one_that_it_waits_for(
    op: str, args: tuple[Arg, ...], rank: int
) -> None:
    """Each position in turn is made large: outputs that do not wait for it stay as they are."""
    last, sees = _seen(op, args, rank)
    for place, changed in enumerate(sees):
        assert bool((last[changed] >= place).all())


@pytest.mark.parametrize(("op", "args", "rank"), list(resampled()), ids=lambda o: str(o)[:30])
def test_an_output_of_a_resampling_waits_for_no_input_that_it_does_not_see(
    op: str, args: tuple[Arg, ...], rank: int
) -> None:
    """But for a neighbour in the middle of which it lies, whose weight is zero."""
    last, sees = _seen(op, args, rank)
    seen = torch.stack(sees)
    for output, place in enumerate(last.tolist()):
        if "nearest" in op or "shuffle" in op or seen[place, output]:
            assert seen[place, output]
            assert not seen[place + 1 :, output].any()


def test_a_resampling_by_no_whole_factor_or_with_aligned_corners_needs_the_whole_image() -> None:
    for args in (((9, 10), False), ((12, 10), True)):
        result = (1, 4, *args[0])
        assert followed("upsample_bilinear2d.default", *args, result=result) == (None, (), ())


def _seen(op: str, args: tuple[Arg, ...], rank: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The last input that each output waits for, and for each input the outputs that see it."""
    sizes = (6, 4) if "unshuffle" in op else (5, 4, 3)[:rank]
    channels = 4 if "shuffle" in op else 3
    weights = {f"w{r}": torch.rand(2, 3, *(2,) * r) for r in (1, 2, 3)}
    x, call = torch.rand(1, channels, *sizes), Call(f"aten.{op}", args)

    def result(value: torch.Tensor) -> torch.Tensor:
        found = run(call, {"x": value, **weights})
        return found[0] if isinstance(found, tuple) else found  # type: ignore[no-any-return]

    y = result(x)
    operands = {n: Operand(n, tuple(w.shape), None) for n, w in weights.items()}
    image = Operand("x", tuple(x.shape), Stream(2, x[0, 0].numel(), rank))
    (window,) = follow(call, {"x": image, **operands}, tuple(y.shape)).windows
    sees = []
    for place in range(x[0, 0].numel()):
        other = x.clone()
        other.view(channels, -1)[:, place] += 10
        sees.append((result(other) != y).any(1).flatten())
    return torch.from_numpy(window.last().copy()), sees
