"""Plain models are captured with their batch symbolic, and given back as they were."""

import warnings

import pytest
import torch
from torch import nn

from hermesc.frontend.torch.capture import capture
from hermesrt.errors import ModelError


class Net(nn.Module):
    """A model of one given forward."""

    def __init__(self, forward):
        super().__init__()
        self.l = nn.Linear(4, 2)
        self._function = forward

    def forward(self, x):
        return self._function(self, x)


def test_batch_is_symbolic():
    found = capture(nn.Linear(4, 2), (torch.randn(3, 4),))
    batch, width = found.exported.graph_signature.user_inputs, 4
    (node,) = [n for n in found.exported.graph.nodes if n.name == batch[0]]
    assert not isinstance(node.meta["val"].shape[0], int)
    assert node.meta["val"].shape[1] == width


def test_a_batch_of_one_is_doubled_so_that_it_stays_symbolic():
    found = capture(nn.Linear(4, 2), (torch.randn(1, 4),))
    assert found.example_inputs[0].shape == (2, 4)
    (node,) = [n for n in found.exported.graph.nodes if n.name == "input"]
    assert not isinstance(node.meta["val"].shape[0], int)


def test_further_sizes_are_symbolic_on_demand():
    marks = ({1: torch.export.Dim("time", min=2, max=64)},)
    found = capture(nn.Linear(4, 2), (torch.randn(3, 5, 4),), marks)
    (node,) = [n for n in found.exported.graph.nodes if n.name == "input"]
    assert [isinstance(d, int) for d in node.meta["val"].shape] == [False, False, True]


def test_model_is_captured_in_evaluation_and_given_back_as_it_was():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.9), nn.BatchNorm1d(4)).train()
    model[1].eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    found = capture(model, (torch.randn(3, 4),))
    assert [m.training for m in model.modules()] == [True, True, False, True]
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert not any("rand" in str(n.target) for n in found.exported.graph.nodes)


def test_eager_outputs_are_those_of_the_model():
    model, x = nn.Linear(4, 2).eval(), torch.randn(3, 4)
    assert torch.equal(capture(model, (x,)).eager_outputs[0], model(x).detach())


def test_example_inputs_are_not_written_to():
    x = torch.ones(3, 4)
    capture(Net(lambda m, x: x.add_(1)), (x,))
    assert torch.equal(x, torch.ones(3, 4))


def test_warnings_of_torch_are_not_for_the_user(capfd):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        capture(nn.LSTM(4, 2), (torch.randn(3, 5, 4),))
    assert seen == []
    assert capfd.readouterr() == ("", "")


def test_inputs_that_do_not_fit_are_refused_with_the_users_line():
    with pytest.raises(ModelError) as caught:
        capture(Net(lambda m, x: m.l(x)), (torch.randn(3, 5),))
    text = str(caught.value)
    assert text.startswith("the model fails on its own example_inputs, of shape (3, 5): ")
    assert "line" in text
    assert "self._function(self, x)" in text or "m.l(x)" in text


def test_too_many_inputs_are_refused():
    with pytest.raises(ModelError, match="fails on its own example_inputs"):
        capture(nn.Linear(4, 2), (torch.randn(3, 4), torch.randn(3, 4)))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda m, x: 3, "the model returns a int; return tensors only"),
        (lambda m, x: (x, None, 2), "the model returns a int; return tensors only"),
        (lambda m, x: (), "the model returns nothing"),
        (lambda m, x: m.l(x) if x.sum() > 0 else x, r"depends? on the data.*line \d+"),
    ],
)
def test_what_cannot_be_captured_is_refused(forward, message):
    with pytest.raises(ModelError, match=message):
        capture(Net(forward), (torch.randn(3, 4),))


def test_wrong_dynamic_shapes_are_refused():
    with pytest.raises(ModelError, match="dynamic_shapes must be a tuple or dict"):
        capture(nn.Linear(4, 2), (torch.randn(3, 4),), 3)


def test_a_forward_of_any_number_of_inputs_is_captured():
    class Sum(nn.Module):
        def forward(self, *inputs):
            return sum(inputs)

    found = capture(Sum(), (torch.ones(3, 4), torch.ones(3, 4)))
    assert len(found.exported.graph_signature.user_inputs) == 2
