"""Ordinary models load as torch's own loader loads them: graph, weights, results, examples."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from hermesc.frontend.pt2.source import load_program

BATCH = {0: torch.export.Dim.DYNAMIC}
X = torch.randn(6, 16)
IMAGES = torch.randn(3, 3, 8, 8)


class Call(nn.Module):
    """A function of the module and its input, with modules and buffers."""

    def __init__(self, function, **held):
        super().__init__()
        self.function = function
        for name, value in held.items():
            if isinstance(value, nn.Module):
                setattr(self, name, value)
            else:
                self.register_buffer(name, value)

    def forward(self, x):
        return self.function(self, x)


class Tied(nn.Module):
    """Two layers with one weight, a buffer that views it, an expanded buffer, a list of layers."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(16, 16)
        self.b = nn.Linear(16, 16)
        self.b.weight = self.a.weight
        self.layers = nn.ModuleList([nn.Linear(16, 4)])
        self.register_buffer("view", self.a.weight.detach()[2:4])
        self.register_buffer("wide", torch.randn(1, 16).expand(5, 16))

    def forward(self, x):
        return self.layers[0](self.b(self.a(x))), (x @ self.view.T).sum() + self.wide.sum()


class Unicode(nn.Module):
    """An argument with letters beyond ASCII."""

    def forward(self, größe):
        return größe.relu()


def without_grad(model, x):
    with torch.no_grad():
        y = (x @ model.w).cos()
    return y.relu_()


def sized(_, x):
    rows = x.shape[0]
    return x.reshape(rows * 2, -1)[: max(rows, 3)].sum(1) * (rows**2) / (rows // 2 + 1)


def written_in_place(_, x):
    y = x.clone()
    y[:, 0] = 1.0
    return y


MODELS = {
    "linear": (nn.Linear(16, 3), X),
    "bfloat16": (nn.Linear(16, 4).bfloat16(), X.bfloat16()),
    "tied": (Tied(), X),
    "convolution": (
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64, 5), nn.Dropout(0.5),
        ),
        IMAGES,
    ),
    "pooling": (nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(1)), IMAGES),
    "interpolated": (Call(lambda _, x: F.interpolate(x, scale_factor=2)), IMAGES),
    "no_grad": (Call(without_grad, w=torch.randn(16, 4)), X),
    "sizes": (Call(sized), X),
    "in place": (Call(written_in_place), X),
    "lists": (Call(lambda _, x: sum(t.sum(1) for t in x.chunk(4, 1)) + x.max(1)[0]), X),
    "stacked": (Call(lambda _, x: torch.stack([a * 2 for a in x.unbind(1)], 1)), X),
    "attention": (nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), torch.randn(2, 5, 16)),
    "recurrent": (
        Call(lambda m, x: m.r(x)[0], r=nn.LSTM(16, 8, batch_first=True)), torch.randn(2, 5, 16),
    ),
    "einsum": (Call(lambda m, x: torch.einsum("bi,ij->bj", x, m.w), w=torch.randn(16, 4)), X),
    "norms": (nn.Sequential(nn.LayerNorm(16), nn.GELU(approximate="tanh"), nn.Softmax(1)), X),
    "indexed": (Call(lambda m, x: x[:, m.i] + x[:, [0, 1, 2]], i=torch.tensor([2, 1, 0])), X),
    "infinite": (Call(lambda _, x: x.masked_fill(x < -1, float("-inf")).clamp(min=-3.0)), X),
    "created": (Call(lambda _, x: x + torch.arange(16, dtype=x.dtype, device=x.device)), X),
    "folded": (parametrizations.weight_norm(nn.Linear(16, 4)), X),
    "orthogonal": (parametrizations.orthogonal(nn.Linear(16, 4)), X),
    "nested": (Call(lambda _, x: {"a": x.relu(), "b": [x.cos(), (x.sin(),)]}), X),
    "embedded": (
        Call(lambda m, x: m.e(x).sum(1), e=nn.Embedding(10, 4, padding_idx=0)),
        torch.randint(0, 10, (3, 5)),
    ),
    "one number": (Call(lambda m, x: x * m.c, c=torch.tensor(2.5)), X),
    "nothing": (Call(lambda m, x: x + m.c.sum(), c=torch.zeros(0, 3)), X),
    "odd names": (
        Call(lambda m, x: m.d["a-b"](m.d["größe 1"](x)), d=nn.ModuleDict(
            {"a-b": nn.Linear(16, 4), "größe 1": nn.Linear(16, 16)}
        )),
        X,
    ),
    "logical": (Call(lambda _, x: ((x > 0) & (x < 1) | (x > 2) ^ (x > 3)).float()), X),
    "unicode": (Unicode(), X),
}  # fmt: skip


@pytest.mark.parametrize("shapes", [(BATCH,), None], ids=["dynamic", "fixed"])
@pytest.mark.parametrize("name", MODELS)
def test_the_same_as_torch_loads(name, shapes, tmp_path):
    model, x = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own, on views and recurrent layers
        exported = torch.export.export(
            model.eval(), (x,), dynamic_shapes=shapes if name != "unicode" else None
        )
        torch.export.save(exported, tmp_path / "m ü.pt2")
        theirs = torch.export.load(tmp_path / "m ü.pt2")
    ours, samples = load_program(tmp_path / "m ü.pt2")
    assert written(ours) == written(theirs)
    for mine, its in zip(values(ours, x), values(theirs, x), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(samples[0][0], x, rtol=0, atol=0)
    assert samples[1] == {}


def written(program):
    """Every node with what torch knows of it, and the signature."""
    nodes = [
        (n.name, str(n.target), str(n.args), str(n.kwargs), str(n.meta.get("val")))
        for n in program.graph.nodes
    ]
    weights = [(k, v.shape, v.stride(), type(v)) for k, v in program.state_dict.items()]
    return nodes, weights, program.graph_signature, str(program.range_constraints)


def values(program, x):
    leaves = torch.utils._pytree.tree_leaves(program.module(check_guards=False)(x))
    return [*leaves, *program.state_dict.values(), *program.constants.values()]
