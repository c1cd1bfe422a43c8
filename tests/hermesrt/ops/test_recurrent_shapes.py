"""Shapes and multiply-adds of recurrent layers are those that torch finds step by step."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hermesrt.ops.call import Call, Ref, run
from hermesrt.ops.macs import macs_of
from hermesrt.ops.recurrent_shapes import NAMES

LAYERS: dict[str, tuple[str, nn.RNNBase]] = {
    "lstm": ("lstm", nn.LSTM(6, 8)),
    "projected": ("lstm", nn.LSTM(6, 8, 2, proj_size=3, bidirectional=True, batch_first=True)),
    "gru": ("gru", nn.GRU(6, 8, num_layers=2, bidirectional=True, bias=False)),
    "tanh": ("rnn_tanh", nn.RNN(6, 8, batch_first=True)),
    "relu": ("rnn_relu", nn.RNN(6, 8, nonlinearity="relu")),
}


def _call(kind: str) -> tuple[Call, dict[str, Any]]:
    name, layer = LAYERS[kind]
    sides, batch = 1 + layer.bidirectional, 4 if layer.batch_first else 5
    lead = (layer.num_layers * sides, batch)
    values: dict[str, Any] = {"x": torch.randn(4, 5, 6)}
    values["h"] = torch.zeros(*lead, layer.proj_size or 8)
    values["c"] = torch.zeros(*lead, 8)
    weights = {f"w{i}": w.detach() for i, w in enumerate(layer.parameters())}
    states = (Ref("h"), Ref("c")) if name == "lstm" else Ref("h")
    flags = (layer.bias, layer.num_layers, 0.0, False, layer.bidirectional, layer.batch_first)
    args = (Ref("x"), states, tuple(map(Ref, weights)), *flags)
    return Call(f"aten.{name}.input", args), values | weights


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_without_values_has_torchs_shapes(kind: str) -> None:
    call, values = _call(kind)
    found = run(call, {n: v.to("meta") for n, v in values.items()}, "meta")
    wanted = run(call, values)
    assert call.op in NAMES
    assert all(f.is_meta for f in found)
    assert [(f.shape, f.dtype) for f in found] == [(w.shape, w.dtype) for w in wanted]


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_has_the_multiply_adds_that_torch_counts(kind: str) -> None:
    call, values = _call(kind)
    blank = {n: v.to("meta") for n, v in values.items()}
    _, states, weights, *flags = call.args
    assert isinstance(weights, tuple)
    hidden = [blank["h"], blank["c"]] if isinstance(states, tuple) else blank["h"]
    given = [blank[w.name] for w in weights if isinstance(w, Ref)]
    counter = FlopCounterMode(display=False)
    with counter:
        getattr(torch, LAYERS[kind][0])(blank["x"], hidden, given, *flags)
    assert 2 * macs_of(call, values, run(call, values)) == counter.get_total_flops() > 0
