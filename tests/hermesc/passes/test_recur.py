"""Recurrent layers as Mvms: what is stored, and that a layer kept digital is torch's own."""

import pytest
import torch
from torch import Tensor, nn

from hermesc.ir.interpret import interpret
from hermesc.passes.partition import PartitionOptions

from ...zoo.front import Front, run_front


class All(nn.Module):
    """A layer whose results are all outputs, batch first."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y, states = self.layer(x)
        kept = states if isinstance(states, tuple) else (states,)
        return (y, *(s.transpose(0, 1) for s in kept))


X = torch.randn(2, 5, 4)


def front(layer: nn.RNNBase, digital: tuple[str, ...] = ()) -> Front:
    torch.manual_seed(0)
    return run_front(All(layer).eval(), (X,), PartitionOptions(digital=digital))


def as_torch(found: Front) -> None:
    x = torch.randn(3, 5, 4)
    with torch.no_grad():
        ours, torchs = interpret(found.graph, found.weights, {"x": x}), found.model(x)
    for a, b in zip(ours, torchs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_an_lstm_is_one_matrix_of_x_and_h_with_both_biases_in_the_ldpu() -> None:
    layer = nn.LSTM(4, 6, batch_first=True)
    found = front(layer)
    (op,) = found.graph.mvms
    wanted = torch.cat([layer.weight_ih_l0, layer.weight_hh_l0], 1).t()
    assert torch.equal(found.weights[op.matrix], wanted)
    assert op.bias
    assert torch.equal(found.weights[op.bias], layer.bias_ih_l0 + layer.bias_hh_l0)
    assert op.label == "layer.l0"


def test_a_grus_new_state_has_columns_of_x_and_of_h_apart() -> None:
    """What the reset gate multiplies is the product of h alone: a quarter of the cells is zero."""
    layer = nn.GRU(4, 6, batch_first=True)
    found = front(layer)
    (op,) = found.graph.mvms
    matrix = found.weights[op.matrix]
    assert matrix.shape == (10, 24)
    assert not matrix[4:, 12:18].any()
    assert not matrix[:4, 18:].any()
    assert torch.equal(matrix[:4, 12:18], layer.weight_ih_l0[12:].t())
    assert torch.equal(matrix[4:, 18:], layer.weight_hh_l0[12:].t())
    assert op.bias
    assert torch.equal(found.weights[op.bias][18:], layer.bias_hh_l0[12:])


def test_the_relu_of_an_rnn_is_the_ldpus() -> None:
    (op,) = front(nn.RNN(4, 6, nonlinearity="relu", batch_first=True)).graph.mvms
    assert op.relu


def test_layers_and_directions_are_matrices_of_their_own_with_torchs_names() -> None:
    found = front(nn.LSTM(4, 6, 2, bidirectional=True, proj_size=3, batch_first=True))
    assert [op.label for op in found.graph.mvms] == [
        "layer.l0", "layer.l0.projection", "layer.l0_reverse", "layer.l0_reverse.projection",
        "layer.l1", "layer.l1.projection", "layer.l1_reverse", "layer.l1_reverse.projection",
    ]  # fmt: skip
    rows = [found.weights[op.matrix].shape[0] for op in found.graph.mvms]
    assert rows == [7, 6, 7, 6, 9, 6, 9, 6]


def test_a_projection_is_the_second_product_of_each_time_step() -> None:
    layer = nn.LSTM(4, 6, proj_size=3, batch_first=True)
    found = front(layer)
    first, second = found.graph.mvms
    assert first.second is second
    assert torch.equal(found.weights[second.matrix], layer.weight_hr_l0.t())
    assert (second.bias, second.recurrence) == (None, None)


def test_a_projection_alone_can_stay_on_the_host() -> None:
    found = front(LAYERS["projected"](), ("layer.l1.projection",))
    assert [op.label for op in found.graph.mvms][4:] == [
        "layer.l1", "layer.l1_reverse", "layer.l1_reverse.projection",
    ]  # fmt: skip
    as_torch(found)


def test_states_that_nobody_takes_are_not_made() -> None:
    class Outputs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(4, 6, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)[0]

    found = run_front(Outputs().eval(), (X,))
    (op,) = found.graph.mvms
    assert found.graph.outputs == (op.name,)
    assert op.recurrence
    assert not op.recurrence.cells


LAYERS = {
    "lstm": lambda: nn.LSTM(4, 6, batch_first=True),
    "both ways": lambda: nn.LSTM(4, 6, 2, bidirectional=True, batch_first=True),
    "projected": lambda: nn.LSTM(4, 6, 2, proj_size=3, bidirectional=True, batch_first=True),
    "gru": lambda: nn.GRU(4, 6, 2, bidirectional=True, batch_first=True, bias=False),
    "gru with biases": lambda: nn.GRU(4, 6, batch_first=True),
    "tanh": lambda: nn.RNN(4, 6, bidirectional=True, batch_first=True),
    "relu": lambda: nn.RNN(4, 6, nonlinearity="relu", batch_first=True),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_kept_digital_is_torchs_own(kind: str) -> None:
    found = front(LAYERS[kind]())
    as_torch(found)
    labels = tuple(op.label for op in found.graph.mvms)
    kept = front(LAYERS[kind](), labels)
    assert kept.graph.mvms == ()
    as_torch(kept)
    (node,) = (a for a in kept.partitioned.assignments if a.op.endswith(".input"))
    assert (node.unit, node.reason) == ("digital", "kept digital by partition.digital")


def test_one_layer_of_several_can_stay_digital() -> None:
    found = front(LAYERS["both ways"](), ("layer.l0_reverse",))
    assert len(found.graph.mvms) == 3
    as_torch(found)


def test_weights_that_are_computed_stay_on_the_host_with_the_reason() -> None:
    class Made(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.RNNCell(4, 6)

        def forward(self, x: Tensor, w: Tensor) -> Tensor:
            h = torch.zeros(x.shape[0], 6)
            b = self.layer.bias_ih
            return torch.rnn_tanh_cell(x, h, w[0], self.layer.weight_hh, b, b)

    found = run_front(Made().eval(), (torch.randn(2, 4), torch.randn(2, 6, 4)))
    assert found.graph.mvms == ()
    (node,) = (a for a in found.partitioned.assignments if "cell" in a.op)
    assert "whose weights are not fixed" in node.reason
