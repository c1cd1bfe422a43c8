"""Packed sequences while a model is captured: padded data and its lengths.

torch.export cannot pack, for how many numbers that gives depends on the lengths. So for the while
`pack_padded_sequence` keeps the padded data, recurrent layers run over all time steps, backwards
from each sequence's own end, and `pad_packed_sequence` writes the padding over what lies behind it.
The last h and c are those of each sequence's end. A padded result is as long as the input, which
torch's own is where the longest sequence fills it; the examples must be of that kind.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import _VF, Tensor, nn
from torch.nn.utils import rnn

from hermesc.frontend.own_layers import lstm_cells
from hermesc.frontend.padded import Padded
from hermesrt.errors import ModelError

_LAYERS = (nn.LSTM, nn.GRU, nn.RNN)


@contextlib.contextmanager
def padded_sequences() -> Iterator[None]:
    """Sequences are padded instead of packed for the while, whoever imported torch's functions."""
    with contextlib.ExitStack() as stack:
        own: dict[str, Callable[..., Any]] = {"pack_padded_sequence": _pack}
        own["pad_packed_sequence"] = _pad
        stack.enter_context(_in_place_of_torchs(own))
        for kind in _LAYERS:
            stack.callback(setattr, kind, "forward", kind.forward)
            setattr(kind, "forward", _forward(kind.forward))  # noqa: B010
        yield


@contextlib.contextmanager
def longest_sequences() -> Iterator[None]:
    """What is packed for the while must be as long as its padded data.

    Raises: ModelError.
    """
    pack = rnn.pack_padded_sequence

    def packed(x: Tensor, lengths: Any, batch_first: bool = False, *more: Any, **named: Any) -> Any:
        steps, longest = x.shape[1 if batch_first else 0], int(max(lengths))
        if longest < steps:
            raise ModelError(
                f"the longest sequence of the example has {longest} time steps of {steps}; give an "
                "example in which one fills them all, for a program's results are as long as its "
                "inputs"
            )
        return pack(x, lengths, batch_first, *more, **named)

    with _in_place_of_torchs({"pack_padded_sequence": packed}):
        yield


@contextlib.contextmanager
def _in_place_of_torchs(own: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    originals = [(name, getattr(rnn, name)) for name in own]
    held = [(module, getattr(module, "__dict__", {})) for module in list(sys.modules.values())]
    places = [
        (module, name, original)
        for name, original in originals
        for module, names in held
        if names.get(name) is original
    ]
    for module, name, _ in places:
        setattr(module, name, own[name])
    try:
        yield
    finally:
        for module, name, original in places:
            setattr(module, name, original)


def _pack(x: Tensor, lengths: Any, batch_first: bool = False, *_: Any, **__: Any) -> Padded:
    rows = x if batch_first else x.transpose(0, 1)
    return Padded(rows, torch.as_tensor(lengths, dtype=torch.int64))


def _pad(
    packed: Padded,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    rows = packed.filled(padding_value)
    if total_length is not None:
        more = total_length - rows.shape[1]
        rows = nn.functional.pad(rows, (0, 0, 0, more), value=padding_value)
    return rows if batch_first else rows.transpose(0, 1), packed.lengths


def _forward(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(layer: nn.RNNBase, x: Any, hx: Any = None) -> Any:
        return _layers(layer, x, hx) if isinstance(x, Padded) else original(layer, x, hx)

    return forward


def _layers(layer: nn.RNNBase, x: Padded, hx: Any) -> tuple[Padded, Any]:
    """All layers and directions, one after the other."""
    lstm = layer.mode == "LSTM"
    states = _firsts(layer, x, hx)
    directions = 2 if layer.bidirectional else 1
    lasts: list[tuple[Tensor, ...]] = []
    for first in range(0, layer.num_layers * directions, directions):
        made = []
        for number in range(first, first + directions):
            given = [s[number : number + 1] for s in states]
            y, *ends = _direction(layer, number, x, given, back=number % directions == 1)
            made.append(y.rows)
            lasts.append(tuple(end.last() for end in ends))
        x = Padded(torch.cat(made, 2), x.lengths)
    ended = tuple(torch.stack(parts) for parts in zip(*lasts, strict=True))
    return x, ended if lstm else ended[0]


def _firsts(layer: nn.RNNBase, x: Padded, hx: Any) -> list[Tensor]:
    if hx is not None:
        return list(hx) if isinstance(hx, tuple | list) else [hx]
    count, batch = layer.num_layers * (2 if layer.bidirectional else 1), x.rows.shape[0]
    widths = [layer.proj_size or layer.hidden_size]
    widths += [layer.hidden_size] if layer.mode == "LSTM" else []
    return [x.rows.new_zeros(count, batch, width) for width in widths]


def _direction(
    layer: nn.RNNBase, number: int, x: Padded, states: list[Tensor], *, back: bool
) -> tuple[Padded, ...]:
    """Outputs of one layer in one direction, and its states as it makes them, one after another."""
    weights = list(layer.all_weights[number])
    flags = (layer.bias, 1, 0.0, False, False, True)
    rows = (x.turned() if back else x).rows
    if layer.mode == "LSTM":
        h, _, *more = lstm_cells(rows, states, weights, layer.bias)
    else:
        h, *more = getattr(_VF, layer.mode.lower())(rows, states[0], weights, *flags)[:1]
    made = Padded(h, x.lengths)
    return (made.turned() if back else made, made, *(Padded(c, x.lengths) for c in more))
