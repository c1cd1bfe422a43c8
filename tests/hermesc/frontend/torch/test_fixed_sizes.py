"""A size that was to stay open and that the model's code made a constant is told."""

import torch
from torch import Tensor, nn
from torch.export import Dim

import hermesc


class _Sums(nn.Module):
    """Sums over the length; of `y` by a number that it took from the shape."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        length = int(y.shape[1])
        return self.layer(x).sum(1) + self.layer(y.reshape(-1, length, 3)).sum(1)


def _notes(shapes):
    examples = torch.randn(2, 5, 3), torch.randn(2, 7, 3)
    program = hermesc.compile(_Sums().eval(), examples, dynamic_shapes=shapes)
    dims = [spec.dims for spec in program.artifact.manifest.inputs]
    assert dims[1][1] == 7
    return dims, [n for n in program.artifact.manifest.notes if "leaves it open" in n]


def test_a_length_that_the_code_fixes_is_told_with_its_line():
    for shapes in (({1: Dim.AUTO}, {1: Dim.AUTO}), {"x": {1: Dim.AUTO}, "y": {1: Dim.AUTO}}):
        dims, (note,) = _notes(shapes)
        assert isinstance(dims[0][1], str)
        assert note.startswith("the model's code fixes size 1 of y to 7, for runs too, though ")
        assert "test_fixed_sizes.py:" in note


def test_a_size_that_nobody_left_open_is_not_told():
    assert _notes(({1: Dim.AUTO}, None))[1] == []
    assert _notes(None)[1] == []


class _Any(nn.Module):
    def forward(self, *inputs: Tensor) -> Tensor:
        return inputs[0].sum((1, 2)) + inputs[1].reshape(-1, int(inputs[1].shape[1]) * 3).sum(1)


def test_of_inputs_without_names_too():
    examples = torch.randn(2, 5, 3), torch.randn(2, 7, 3)
    shapes = (({1: Dim.AUTO}, {1: Dim.AUTO}),)
    program = hermesc.compile(_Any().eval(), examples, dynamic_shapes=shapes)
    (note,) = [n for n in program.artifact.manifest.notes if "leaves it open" in n]
    assert "fixes size 1 of inputs_1 to 7" in note
