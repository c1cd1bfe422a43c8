"""Whether a model treats each row of its batch alone."""

import pytest
import torch

from hermesc.analysis.batch_independence import rows_are_independent


def test_rows_are_independent_where_each_is_worked_on_alone(front_of, any_model):
    mixing = {"across the batch", "no matrix", "w @ one row", "mv", "dot", "addmv", "x @ x.T"}
    mixing |= {"a result that is repeated", "repeated along the sum"}
    columns = {
        "repeated by batch and heads in one",
        "repeated by batch and heads in one, as decomposed",
        "einsum implicit, sorted",
        "mm from the left",
        "inner from the left",
        "F.linear of a fixed input",
    }
    columns |= {"einsum transposed out", "tensordot from the left", "bmm", "baddbmm"}
    columns |= {"bmm from the left"}  # their rows are not the batch
    made = front_of(any_model)
    inputs = made.named(any_model.inputs())
    independent = rows_are_independent(made.graph, made.weights, inputs)
    assert independent == (any_model.name not in mixing | columns)


def test_one_row_alone_shows_nothing(front):
    made = front(torch.nn.Linear(4, 2), (torch.randn(3, 4),))
    assert rows_are_independent(made.graph, made.weights, made.named((torch.randn(2, 4),)))
    assert not rows_are_independent(made.graph, made.weights, made.named((torch.randn(1, 4),)))


@pytest.mark.parametrize("row", [0, 3, 7, 8, 15])
def test_a_maximum_over_the_batch_is_seen_wherever_it_lies(front, module, row):
    model = module(lambda m, x: (x @ m.w) / x.abs().max(), w=(6, 5))
    x = torch.rand(16, 6, generator=torch.Generator().manual_seed(0))
    x[row, 2] = 5.0
    made = front(model, (x,))
    assert not rows_are_independent(made.graph, made.weights, made.named((x,)))
