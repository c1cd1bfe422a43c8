"""Packed sequences of any lengths through the compiler, as torch runs them."""

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn.utils import rnn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import hermesc
from hermesc.app.onnx_export.write import onnx_model
from hermesc.pipeline import parse_options
from hermesrt.errors import ModelError, OptionError
from hermesrt.executor import execute, reference_mvm


class Packed(nn.Module):
    """A recurrent layer over packed sequences: its outputs and its last states."""

    def __init__(self, layer: nn.RNNBase, *, first: bool = True, value: float = 0.0) -> None:
        super().__init__()
        self.layer, self.first, self.value = layer, first, value

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        x = x if self.first else x.transpose(0, 1)
        packed = pack_padded_sequence(x, lengths.cpu(), self.first, enforce_sorted=False)
        y, states = self.layer(packed)
        out, _ = pad_packed_sequence(y, self.first, self.value)
        kept = states if isinstance(states, tuple) else (states,)
        return out if self.first else out.transpose(0, 1), *(s.transpose(0, 1) for s in kept)


LAYERS = {
    "lstm": lambda **kw: nn.LSTM(4, 6, **kw),
    "both ways": lambda **kw: nn.LSTM(4, 6, 2, bidirectional=True, **kw),
    "projected": lambda **kw: nn.LSTM(4, 6, 2, bidirectional=True, proj_size=3, **kw),
    "gru": lambda **kw: nn.GRU(4, 6, 2, bidirectional=True, bias=False, **kw),
    "rnn": lambda **kw: nn.RNN(4, 6, bidirectional=True, **kw),
}


@pytest.mark.parametrize("first", [True, False], ids=["batch first", "time first"])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_program_equals_torch_at_other_lengths(kind: str, first: bool) -> None:
    torch.manual_seed(0)
    model = Packed(LAYERS[kind](batch_first=first), first=first, value=-3.0).eval()
    example = (torch.randn(3, 5, 4), torch.tensor([3, 5, 1]))
    shapes = ({1: Dim.DYNAMIC}, None)
    program = hermesc.compile(model, example, dynamic_shapes=shapes)
    assert program.workload().analog_mac_share > 0.85
    x, lengths = torch.randn(4, 8, 4), torch.tensor([8, 2, 7, 5])
    given = {"x": x, "lengths": lengths}
    found = execute(program.artifact, given, reference_mvm(program.artifact))
    with torch.no_grad():
        wanted = model(x, lengths)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


class Outputs(Packed):
    """Without the last cells."""

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        return super().forward(x, lengths)[:2]


@pytest.mark.parametrize(
    ("model", "free"), [(Packed, False), (Outputs, False), (Outputs, True)], ids=str
)
def test_a_layer_over_packed_sequences_may_stay_on_the_host(
    model: type[Packed], free: bool
) -> None:
    torch.manual_seed(0)
    example = (torch.randn(3, 5, 4), torch.tensor([3, 5, 1]))
    options = parse_options([("partition.digital", "layer.l0")])
    shapes = ({1: Dim.DYNAMIC}, None) if free else None
    net = model(nn.LSTM(4, 6, batch_first=True, proj_size=2)).eval()
    program = hermesc.compile(net, example, options=options, dynamic_shapes=shapes)
    assert not program.artifact.mvms
    given = dict(zip(("x", "lengths"), example, strict=True))
    found = execute(program.artifact, given, reference_mvm(program.artifact))
    for a, b in zip(found, net(*example), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_cells_at_each_sequences_own_end_of_any_length_are_the_crossbars_alone() -> None:
    """Torch has no operation that tells them, and no steps can be written out."""
    example = (torch.randn(3, 5, 4), torch.tensor([3, 5, 1]))
    options = parse_options([("partition.digital", "layer.l0")])
    net, shapes = Packed(nn.LSTM(4, 6, batch_first=True)), ({1: Dim.DYNAMIC}, None)
    with pytest.raises(OptionError, match=r"layer\.l0 must run on crossbars: torch has no"):
        hermesc.compile(net, example, options=options, dynamic_shapes=shapes)


def test_cells_at_each_sequences_own_end_are_not_exported_to_onnx() -> None:
    example = (torch.randn(3, 5, 4), torch.tensor([3, 5, 1]))
    program = hermesc.compile(Packed(nn.LSTM(4, 6, batch_first=True)), example)
    with pytest.raises(ModelError, match="cells are taken at each sequence's own end"):
        onnx_model(program.artifact)


def test_examples_whose_padding_nobody_needs_are_asked_for_again() -> None:
    with pytest.raises(ModelError, match="longest sequence of the example has 4 time steps of 5"):
        hermesc.compile(
            Packed(LAYERS["gru"](batch_first=True)), (torch.randn(2, 5, 4), torch.tensor([3, 4]))
        )


def test_numbers_of_a_packed_sequence_itself_are_refused_in_a_sentence() -> None:
    class Data(nn.Module):
        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            return pack_padded_sequence(x, lengths, True, enforce_sorted=False).data.mean(0)

    with pytest.raises(ModelError, match="takes `data` of a packed sequence"):
        hermesc.compile(Data(), (torch.randn(2, 5, 4), torch.tensor([3, 5])))


def test_torch_is_left_as_it_was() -> None:
    before = rnn.pack_padded_sequence, rnn.pad_packed_sequence, nn.LSTM.forward
    hermesc.compile(nn.Linear(3, 2), torch.randn(2, 3))
    assert (rnn.pack_padded_sequence, rnn.pad_packed_sequence, nn.LSTM.forward) == before
    assert pack_padded_sequence is rnn.pack_padded_sequence
