"""Constants that only repeat themselves, and their broadcast_constants."""

import pytest
import torch

from hermesc.analysis.broadcast import broadcast_constants
from hermesc.frontend.torch.capture import capture
from hermesc.frontend.torch.convert import convert
from hermesc.passes.canonicalize import canonicalize


def _seeds(model, x):
    graph, weights = canonicalize(*convert(capture(model, (x,)).exported))
    found = broadcast_constants(graph, weights)
    return {name: seed.value for name, seed in found.items()}, graph


def test_a_value_is_its_seed_repeated(module):
    model = module(lambda m, x: x * m.w.cos().expand(x.shape[0], 3, 4).transpose(1, 2), w=(3, 4))
    found, graph = _seeds(model, torch.randn(5, 4, 3))
    (product,) = [op for op in graph.digital if "mul" in op.call.op]
    seed = found[product.call.refs()[1]]
    assert seed.shape == (1, 4, 3)
    torch.testing.assert_close(seed[0], model.w.detach().cos().T)


@pytest.mark.parametrize(
    "repeat",
    [
        lambda m, x: m.w.repeat(1, x.shape[0])[:1, :4],
        lambda m, x: m.w[:, None].expand(-1, x.shape[0], -1).reshape(-1, 4)[: x.shape[0]],
        lambda m, x: m.w.sum() * x.shape[0] + x,
    ],
)
def test_what_does_more_than_repeat_has_no_seed(repeat, module):
    model = module(lambda m, x: x * repeat(m, x), w=(3, 4))
    found, graph = _seeds(model, torch.randn(6, 4))
    (product,) = [op for op in graph.digital if op.name in graph.outputs]
    assert not set(product.call.refs()) & set(found)
