"""Recurrent layers keep their sequence length symbolic, and torch is left as it was."""

from collections.abc import Callable

import pytest
import torch
from torch import _VF, Tensor, nn
from torch.export import Dim
from torch.nn.utils.rnn import pack_padded_sequence

import hermesc
from hermesc.frontend.torch.capture import capture
from hermesc.frontend.torch.recurrence import whole_recurrences
from hermesrt.executor import execute, reference_mvm


class Last(nn.Module):
    """A recurrent layer, all its outputs and its last states through a linear layer."""

    def __init__(self, layer: nn.RNNBase, first: bool) -> None:
        super().__init__()
        self.layer, self.first = layer, first
        width = (layer.proj_size or layer.hidden_size) * (1 + layer.bidirectional)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y, states = self.layer(x if self.first else x.transpose(0, 1))
        kept = states if isinstance(states, tuple) else (states,)
        y = y if self.first else y.transpose(0, 1)
        return (self.head(y), *(s.transpose(0, 1) for s in kept))


LAYERS: dict[str, Callable[[bool], nn.RNNBase]] = {
    "lstm": lambda first: nn.LSTM(6, 8, batch_first=first),
    "stacked": lambda first: nn.LSTM(6, 8, num_layers=3, dropout=0.5, batch_first=first),
    "bidirectional": lambda first: nn.LSTM(6, 8, bidirectional=True, batch_first=first),
    "projected": lambda first: nn.LSTM(6, 8, 2, proj_size=3, bidirectional=True, batch_first=first),
    "no bias": lambda first: nn.LSTM(6, 8, bias=False, batch_first=first),
    "gru": lambda first: nn.GRU(6, 8, num_layers=2, bidirectional=True, batch_first=first),
    "tanh": lambda first: nn.RNN(6, 8, batch_first=first),
    "relu": lambda first: nn.RNN(6, 8, nonlinearity="relu", batch_first=first),
}


@pytest.mark.parametrize("first", [True, False], ids=["batch first", "time first"])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_program_equals_torch_at_another_batch_and_length(kind: str, first: bool) -> None:
    torch.manual_seed(1)
    model = Last(LAYERS[kind](first), first).eval()
    example = (torch.randn(2, 7, 6),)
    program = hermesc.compile(model, example, dynamic_shapes=({1: Dim.DYNAMIC},))
    x = torch.randn(3, 11, 6)
    found = execute(program.artifact, {"x": x}, reference_mvm(program.artifact))
    with torch.no_grad():
        wanted = model(x)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_initial_states_are_inputs_like_others() -> None:
    class Given(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.GRU(6, 8, batch_first=True)

        def forward(self, x: Tensor, h: Tensor) -> Tensor:
            found: Tensor = self.layer(x, h.transpose(0, 1).contiguous())[0]
            return found

    torch.manual_seed(1)
    model = Given().eval()
    example = (torch.randn(2, 7, 6), torch.randn(2, 1, 8))
    program = hermesc.compile(model, example, dynamic_shapes=({1: Dim.DYNAMIC}, None))
    x, h = torch.randn(3, 4, 6), torch.randn(3, 1, 8)
    (found,) = execute(program.artifact, {"x": x, "h": h}, reference_mvm(program.artifact))
    with torch.no_grad():
        torch.testing.assert_close(found, model(x, h), rtol=1e-6, atol=1e-6)


def test_a_recurrent_layer_is_told_as_one_analog_operation_with_its_module() -> None:
    program = hermesc.compile(Last(LAYERS["lstm"](True), True), (torch.randn(2, 7, 6),))
    (row,) = (a for a in program.artifact.manifest.account if "lstm" in a.op)
    assert (row.op, row.unit) == ("aten.lstm.input", "analog")
    assert row.reason == "product with a fixed matrix: layer.l0; gates on the host"
    assert row.location.module == "layer"


def test_torchs_functions_are_its_own_again_after_a_failure() -> None:
    before = {name: getattr(_VF, name) for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")}
    with pytest.raises(ZeroDivisionError), whole_recurrences():
        assert _VF.lstm is not before["lstm"]
        raise ZeroDivisionError
    assert all(getattr(_VF, name) is own for name, own in before.items())


def test_a_packed_sequence_is_left_to_torch() -> None:
    layer = nn.LSTM(6, 8, batch_first=True)
    packed = pack_padded_sequence(torch.randn(2, 7, 6), torch.tensor([7, 4]), batch_first=True)
    with torch.no_grad():
        wanted = layer(packed)[0].data
        with whole_recurrences():
            assert torch.equal(layer(packed)[0].data, wanted)


def test_a_captured_layer_keeps_its_length_as_a_symbol() -> None:
    model = Last(LAYERS["gru"](True), True)
    found = capture(model, (torch.randn(2, 7, 6),), ({1: Dim.DYNAMIC},))
    (x,) = (n for n in found.exported.graph.nodes if n.name == "x")
    assert all(isinstance(size, torch.SymInt) for size in x.meta["val"].shape[:2])
