"""Row blocks with codes between them, at once."""

import pytest
import torch
from torch.nn import functional

from hermesc.training.codes import batch_range, output_code
from hermesc.training.stages import staged_linear

BLOCKS = ((0, 3), (3, 7), (7, 10))


@pytest.mark.parametrize("lead", [(), (6,), (2, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_block_after_block(lead, bias):
    torch.manual_seed(0)
    x, weight = torch.randn(*lead, 10), torch.randn(4, 10)
    given = [t.requires_grad_() for t in (x, weight, *([torch.randn(4)] if bias else []))]
    given += [None] * (not bias)
    outputs = []
    for y in (
        staged_linear(*given, BLOCKS, 127, "truncate"),
        _one_after_the_other(*given),
    ):
        own = [t for t in given if t is not None]
        outputs.append((y, *torch.autograd.grad(y.square().sum(), own)))
    for found, wanted in zip(*outputs, strict=True):
        assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5)


def _one_after_the_other(x, weight, bias):
    total = torch.zeros(())
    for i, (first, end) in enumerate(BLOCKS):
        last = i == len(BLOCKS) - 1
        total = total + functional.linear(
            x[..., first:end], weight[:, first:end], bias if last else None
        )
        if not last:
            total = output_code(total, batch_range(total, ()), 127, "truncate")
    return total
