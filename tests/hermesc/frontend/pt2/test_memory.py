"""The memory of a run is known before it runs."""

import os

import pytest
import torch
from torch import nn

from hermesc.frontend.pt2.memory import check_memory
from hermesrt.errors import ModelError, UnsupportedOpError


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def exported(function):
    return torch.export.export(Call(function).eval(), (torch.randn(6, 16),))


def without_grad(x):
    with torch.no_grad():
        y = x.repeat(100_000, 100_000).sum()
    return x + y


@pytest.mark.parametrize("function", [lambda x: x.repeat(100_000, 100_000).sum(), without_grad])
def test_a_run_beyond_the_machine_is_refused(function):
    program = exported(function)
    with pytest.raises(ModelError, match=r"aten.repeat.default\) a run on the example inputs take"):
        check_memory(program, [torch.randn(6, 16)])


FIFTH = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 5 // 6 // 16 // 4


def test_what_is_freed_or_only_viewed_does_not_add_up_as_what_is_kept_does():
    def freed(x):
        for _ in range(8):
            x = x.repeat(FIFTH, 1).view(-1, 6, 16)[0].clone()
        return x

    def kept(x):
        large = [x.repeat(FIFTH, 1) for _ in range(8)]
        return sum(part.sum() for part in large)

    check_memory(exported(freed), [torch.randn(6, 16)])
    with pytest.raises(ModelError, match="give smaller example_inputs"):
        check_memory(exported(kept), [torch.randn(6, 16)])


def test_sizes_that_depend_on_data_are_refused():
    with pytest.raises(UnsupportedOpError, match="the size of its result depends on the data"):
        check_memory(exported(lambda x: x[x > 0]), [torch.randn(6, 16)])


def test_inputs_that_do_not_fit_are_left_to_the_run():
    program, inputs = exported(torch.relu), [torch.randn(1), torch.randn(1)]
    check_memory(program, inputs)
    with pytest.raises(ValueError, match="number and type of args"):
        program.module()(*inputs)
