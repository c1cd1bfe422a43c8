"""Packed sequences while a model is captured: padded data and its lengths.

torch.export cannot pack, for how many numbers that gives depends on the lengths. So for the while
`pack_padded_sequence` keeps the padded data, recurrent layers run over all time steps, backwards
from each sequence's own end, and `pad_packed_sequence` writes the padding over what lies behind it.
The last h is that of each sequence's end. The last c is not known there: a model that takes it is
refused. A padded result is as long as the input, which torch's own is where the longest sequence
fills it; the examples must be of that kind.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import _VF, Tensor, nn
from torch.nn.utils import rnn

from hermesrt.errors import ModelError

_LAYERS = (nn.LSTM, nn.GRU, nn.RNN)


@dataclass(frozen=True)
class Padded:
    """What stands for a packed sequence.

    rows: [batch, time, ...].
    lengths: of the sequences, [batch].
    """

    rows: Tensor
    lengths: Tensor

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ModelError(
            f"the model takes `{name}` of a packed sequence, which has no fixed size; use "
            "pad_packed_sequence instead"
        )

    @property
    def time(self) -> Tensor:
        """The numbers of the time steps, [time]."""
        return torch.arange(self.rows.shape[1])

    def filled(self, value: float) -> Tensor:
        """The rows with a value behind each sequence's end."""
        inside = (self.time < self.lengths[:, None])[..., None]
        return torch.where(inside, self.rows, value)

    def turned(self) -> "Padded":
        """Each sequence with its last row first."""
        back = self.lengths[:, None] - 1 - self.time
        places = torch.where(back >= 0, back, self.time)[..., None]
        return Padded(self.rows.gather(1, places.expand(self.rows.shape)), self.lengths)

    def last(self) -> Tensor:
        """The row at each sequence's end, [batch, ...]."""
        places = (self.lengths - 1)[:, None, None].expand(-1, 1, self.rows.shape[2])
        return self.rows.gather(1, places)[:, 0]


class _NoCells:
    """What stands for the last c of packed sequences."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[0]

    def __getitem__(self, _: Any) -> Any:
        raise ModelError(
            "the model takes the last cell state of packed sequences, which is not known at each "
            "one's own end; take the last h, or run sequences of one length"
        )

    @classmethod
    def __torch_function__(cls, *_: Any) -> Any:
        return cls()[0]


@contextlib.contextmanager
def padded_sequences() -> Iterator[None]:
    """Sequences are padded instead of packed for the while, whoever imported torch's functions."""
    with contextlib.ExitStack() as stack:
        own = {"pack_padded_sequence": _pack, "pad_packed_sequence": _pad}
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
    lasts: list[Tensor] = []
    for first in range(0, layer.num_layers * directions, directions):
        made = []
        for number in range(first, first + directions):
            given = [s[number : number + 1] for s in states]
            y, last = _direction(layer, number, x, given, back=number % directions == 1)
            made.append(y.rows)
            lasts.append(last)
        x = Padded(torch.cat(made, 2), x.lengths)
    h = torch.stack(lasts)
    return x, (h, _NoCells()) if lstm else h


def _firsts(layer: nn.RNNBase, x: Padded, hx: Any) -> list[Tensor]:
    if hx is not None:
        return list(hx) if isinstance(hx, tuple | list) else [hx]
    count, batch = layer.num_layers * (2 if layer.bidirectional else 1), x.rows.shape[0]
    widths = [layer.proj_size or layer.hidden_size]
    widths += [layer.hidden_size] if layer.mode == "LSTM" else []
    return [x.rows.new_zeros(count, batch, width) for width in widths]


def _direction(
    layer: nn.RNNBase, number: int, x: Padded, states: list[Tensor], *, back: bool
) -> tuple[Padded, Tensor]:
    """Outputs and the last h of one layer in one direction."""
    weights = list(layer.all_weights[number])
    given: Any = states if layer.mode == "LSTM" else states[0]
    flags = (layer.bias, 1, 0.0, False, False, True)
    rows = (x.turned() if back else x).rows
    kind = layer.mode.lower()
    made = Padded(getattr(_VF, kind)(rows, given, weights, *flags)[0], x.lengths)
    return made.turned() if back else made, made.last()
