"""Models that are no product with a fixed matrix, and whole networks."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import X3, Case, Layers, X, fn, layers


def _standardized(m: Any, x: Tensor) -> Tensor:
    y = m.l(x)
    return (y - y.mean(0)) / y.std(0)


NOT_PRODUCTS = (
    fn("x @ x.T", 0, lambda m, x: x @ x.T),
    fn("elementwise einsum", 0, lambda m, x: torch.einsum("bd,d->bd", x, m.w), w=(16,)),
    fn("outer einsum", 0, lambda m, x: torch.einsum("bd,m->bdm", x, m.w), w=(5,)),
    fn(
        "einsum of a diagonal",
        0,
        lambda m, x: torch.einsum("bii,im->bm", x, m.w),
        ((8, 4, 4)),
        w=(4, 5),
    ),
    layers("bilinear", 0, lambda m, x: m.a(x, x), a=lambda: nn.Bilinear(16, 16, 3)),
    layers(
        "depthwise convolution",
        0,
        lambda m, x: m.a(x),
        ((4, 3, 6, 6)),
        a=lambda: nn.Conv2d(3, 6, 3, groups=3),
    ),
    fn("identity", 0, lambda m, x: x),
    fn("no matrix", 0, lambda m, x: x.sin() + x.mean(0)),
    fn(
        "a result that is repeated",
        0,
        lambda m, x: torch.einsum("d,bdm->bm", x[0], m.w.expand(x.shape[0], -1, -1)),
        w=(16, 5),
    ),
    fn(
        "repeated along the sum",
        0,
        lambda m, x: torch.einsum("bd,bm->dm", x, m.w.expand(x.shape[0], -1)),
        w=(1, 5),
    ),
    fn("an unused matrix", 0, lambda m, x: (x @ m.w, x)[1], w=(16, 5)),
)

NETWORKS = (
    Case(
        "encoder",
        lambda: Layers(
            lambda m, x: m.e(x).mean(1),
            e=nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2),
        ),
        ((4, 6, 16),),
        8,
    ),
    layers(
        "convolutional",
        2,
        lambda m, x: m.l(F.max_pool2d(F.relu(m.b(m.c(x))), 2).flatten(1)),
        ((4, 3, 8, 8)),
        c=lambda: nn.Conv2d(3, 4, 3, padding=1),
        b=lambda: nn.BatchNorm2d(4),
        l=lambda: nn.Linear(64, 10),
    ),
    layers(
        "lstm",
        2,
        lambda m, x: m.l(m.r(x)[0][:, -1]),
        *X3,
        r=lambda: nn.LSTM(16, 8, batch_first=True),
        l=lambda: nn.Linear(8, 3),
    ),
    layers(
        "gru",
        2,
        lambda m, x: m.l(m.r(x)[0][:, -1]),
        *X3,
        r=lambda: nn.GRU(16, 8, batch_first=True),
        l=lambda: nn.Linear(8, 3),
    ),
    layers(
        "two inputs, a dict out",
        2,
        lambda m, a, b: {"p": m.l(a) * m.l(b), "q": (a - b).norm(dim=-1)},
        *X,
        *X,
        l=lambda: nn.Linear(16, 5),
    ),
    layers(
        "embedding",
        1,
        lambda m, ids: m.l(m.e(ids)).log_softmax(-1),
        (("ids", 4, 9)),
        e=lambda: nn.Embedding(20, 16),
        l=lambda: nn.Linear(16, 5),
    ),
    layers(
        "residual block",
        2,
        lambda m, x: x + m.l(m.n(x)),
        n=lambda: nn.LayerNorm(16),
        l=lambda: nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, 16)),
    ),
    layers("across the batch", 1, _standardized, l=lambda: nn.Linear(16, 5)),
    layers(
        "batch norm, wide",
        2,
        lambda m, x: m.c(torch.relu(m.b(m.a(x)))),
        ((8, 300)),
        a=lambda: nn.Linear(300, 270),
        b=lambda: nn.BatchNorm1d(270),
        c=lambda: nn.Linear(270, 4, bias=False),
    ),
)
