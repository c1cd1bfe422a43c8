"""Random projections of attention are found by what follows them, and nothing else is."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hermesc.kernels import attention as ours
from hermesc.passes.partition import PartitionOptions

from ...zoo.case import Layers

ONLY = PartitionOptions(scope=("projections",))
TOKENS = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0))


def _public(**options):
    performer = pytest.importorskip("performer_pytorch")
    return performer.SelfAttention(32, heads=2, dim_head=16, **options)


FOUND = {
    "positive features": lambda size: ours.FavorAttention(size, 32),
    "hyperbolic features": lambda size: ours.FavorAttention(size, 32, form="hyperbolic"),
    "trigonometric features": lambda size: ours.FavorAttention(size, 32, form="trigonometric"),
    "ReLU features": lambda size: ours.FavorAttention(size, 32, form="relu"),
    "causal features": lambda size: ours.FavorAttention(size, 32, causal=True),
    "Fourier features": lambda size: ours.RandomFeatureAttention(size, 32),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_projection_of_queries_and_keys_is_found(front, name):
    torch.manual_seed(0)
    model = ours.MultiheadAttention(32, 2, FOUND[name]).eval()
    made = front(model, (TOKENS,), ONLY)
    assert {op.label for op in made.graph.mvms} == {"attention.map.omega"}
    assert len(made.graph.mvms) == 2


@pytest.mark.parametrize("generalized", [False, True], ids=["softmax kernel", "ReLU kernel"])
def test_it_is_found_in_a_public_performer(front, generalized):
    torch.manual_seed(0)
    model = _public(causal=False, generalized_attention=generalized).eval()
    made = front(model, (TOKENS,), ONLY)
    assert len({op.matrix for op in made.graph.mvms}) == 1
    assert all("fast_attention.projection_matrix" in op.label for op in made.graph.mvms)


def test_a_parameter_is_a_projection_as_well_as_a_buffer(front):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.key = nn.Linear(32, 16), nn.Linear(32, 16)
            self.omega = nn.Parameter(torch.randn(16, 24))

        def forward(self, x: Tensor) -> Tensor:
            q, k = ((part(x) @ self.omega).exp() for part in (self.query, self.key))
            return (q * k.sum(1, keepdim=True)).sum(-1)

    torch.manual_seed(0)
    assert {op.label for op in front(Net().eval(), (TOKENS,), ONLY).graph.mvms} == {"omega"}


def _linear_attention(m, x):
    q, k, v = m.qkv(x).chunk(3, -1)
    return (F.elu(q) + 1) @ ((F.elu(k) + 1).transpose(-1, -2) @ v)


def _separate(m, x):
    return m.q(x).relu() @ (m.k(x).relu().transpose(-1, -2) @ m.v(x))


def _recurrent(m, x):
    h, states = torch.zeros(x.shape[0], 8), []
    for t in range(3):
        h = torch.tanh(m.i(x[:, t]) + m.h(h))
        states.append(h)
    past = torch.stack(states, 1)
    return (past @ h[:, :, None]).softmax(1)


def _softmax(m, x):
    return (m.q(x) @ m.k(x).transpose(-1, -2)).softmax(-1) @ m.v(x)


def _tied_layers(m, x):
    for _ in range(2):
        x = x + m.b(m.a(x).relu())
    return (x @ x.transpose(-1, -2)).exp()


LEARNED = {
    "one product for queries, keys and values": (_linear_attention, ("qkv",)),
    "a matrix each": (_separate, ("q", "k", "v")),
    "a recurrence that is looked back at": (_recurrent, ("i", "h")),
    "softmax attention": (_softmax, ("q", "k", "v")),
    "a layer used twice, one after the other": (_tied_layers, ("a", "b")),
}
SIZES = {"qkv": (32, 48), "i": (32, 8), "h": (8, 8), "a": (32, 32), "b": (32, 32)}


@pytest.mark.parametrize("name", LEARNED)
def test_learned_matrices_are_not_found(front, name):
    torch.manual_seed(0)
    forward, names = LEARNED[name]
    model = Layers(forward, **{n: nn.Linear(*SIZES.get(n, (32, 16))) for n in names}).eval()
    with pytest.raises(Exception, match="the model has no random projection of attention"):
        front(model, (TOKENS,), ONLY)
