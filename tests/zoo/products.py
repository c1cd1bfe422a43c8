"""Ways to write a product with a fixed matrix; each must become Mvms."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import HEADS, X3, Case, Layers, X, fn, layers


def _no_grad(m: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        return m.a(x) + 1


def _in_place(m: Any, x: Tensor) -> Tensor:
    y = m.a(x)
    y += 1
    y[:, 0] = 0
    return y.relu_()


def _tied() -> nn.Module:
    first, second = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
    second.weight = first.weight
    return Layers(lambda m, x: m.b(torch.tanh(m.a(x))), a=first, b=second)


def _equal_copies() -> nn.Module:
    first, second = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
    second.weight.data.copy_(first.weight.data)
    return Layers(lambda m, x: m.b(torch.tanh(m.a(x))), a=first, b=second)


def _linear_attention(m: Any, x: Tensor) -> Tensor:
    b, t, _ = x.shape
    q, k, v = m.qkv(x).reshape(b, t, 3, 4, 4).permute(2, 0, 3, 1, 4)
    q, k = F.elu(q) + 1, F.elu(k) + 1
    kv = torch.einsum("bhtd,bhtm->bhdm", k, v)
    z = 1 / torch.einsum("bhtd,bhd->bht", q, k.sum(2))
    y = torch.einsum("bhtd,bhdm,bht->bhtm", q, kv, z)
    return m.o(y.transpose(1, 2).reshape(b, t, 16))


def _recurrence(m: Any, x: Tensor) -> Tensor:
    h = torch.zeros(x.shape[0], 4)
    for t in range(x.shape[1]):
        h = torch.tanh(m.i(x[:, t]) + m.h(h))
    return h


def _favor(m: Any, x: Tensor) -> Tensor:
    x = x * 16**-0.25
    u = x @ m.w.T
    h = (x**2).sum(-1, keepdim=True) / 2
    features = [torch.exp(u - h - u.amax(-1, keepdim=True)), torch.exp(-u - h)]
    return torch.cat(features, -1) / math.sqrt(32) + 1e-4


W, V, B = (16, 5), (5, 16), (5,)
WEIGHT_NORM = torch.nn.utils.parametrizations.weight_norm
SPECTRAL_NORM = torch.nn.utils.parametrizations.spectral_norm
SELF = {"e": lambda: nn.MultiheadAttention(16, 4, batch_first=True)}

PRODUCTS = (
    layers("linear", 1, lambda m, x: m.a(x), a=lambda: nn.Linear(16, 5)),
    layers("linear without bias", 1, lambda m, x: m.a(x), a=lambda: nn.Linear(16, 5, bias=False)),
    layers("linear over three dimensions", 1, lambda m, x: m.a(x), *X3, a=lambda: nn.Linear(16, 5)),
    layers(
        "nested modules",
        2,
        lambda m, x: m.a(x),
        a=lambda: nn.Sequential(nn.Sequential(nn.Linear(16, 8), nn.GELU()), nn.Linear(8, 3)),
    ),
    fn("x @ w", 1, lambda m, x: x @ m.w, w=W),
    fn("x @ w.T", 1, lambda m, x: x @ m.w.T, w=V),
    fn("x @ w.t scaled", 1, lambda m, x: (2 * x) @ (m.w.t() * 0.3) + 1, w=V),
    fn("x @ scaled by a vector", 1, lambda m, x: x @ (m.w * m.s), w=W, s=B),
    fn("x @ cat", 1, lambda m, x: x @ torch.cat([m.w, m.v * 2, torch.eye(16)], 1), w=W, v=(16, 3)),
    fn("x @ slice", 1, lambda m, x: x @ m.w[:, 1:4], w=W),
    fn("x @ strided slice", 1, lambda m, x: x @ m.w[:, ::2], w=W),
    fn("x @ chunks", 2, lambda m, x: x @ m.w.chunk(2, 1)[0] - x @ m.w.chunk(2, 1)[1], w=(16, 10)),
    fn("x @ one part of a split", 1, lambda m, x: x @ m.w.split([2, 3], 1)[0], w=W),
    fn("x @ reshaped", 1, lambda m, x: x @ m.w.reshape(16, 5), w=(5, 16)),
    fn("x @ gathered rows", 1, lambda m, x: x @ m.w[torch.tensor([2, 0, 1])].T, w=V),
    fn("x @ masked", 1, lambda m, x: x @ m.w.tril(), w=(16, 16)),
    fn("x @ product of two", 1, lambda m, x: x @ (m.w @ m.v), w=W, v=(5, 7)),
    fn("x @ two in a row", 2, lambda m, x: (x @ m.w) @ m.v, w=W, v=(5, 7)),
    fn("x @ vector", 1, lambda m, x: x @ m.w, w=(16,)),
    fn("w @ x.T", 1, lambda m, x: (m.w @ x.T).T.softmax(-1), w=V),
    fn("w @ x over a batch", 1, lambda m, x: m.w @ x.transpose(1, 2), *X3, w=V),
    fn("w @ one row", 1, lambda m, x: m.w @ x[0], w=V),
    fn("x @ one matrix of a batch of one", 1, lambda m, x: x @ m.w, *X3, w=(1, 16, 7)),
    fn("x @ a batch of matrices", 3, lambda m, x: x.unsqueeze(2) @ m.w, *X3, w=(3, 16, 5)),
    fn("x broadcast to matrices", 1, lambda m, x: x.unsqueeze(1) @ m.w, *X3, w=(4, 16, 5)),
    fn("x @ per head", 2, lambda m, x: x @ m.w, ((8, 2, 3, 16)), w=(2, 16, 5)),
    fn("matmul", 1, lambda m, x: torch.matmul(x, m.w), w=W),
    fn("mm", 1, lambda m, x: torch.mm(x, m.w), w=W),
    fn("mm from the left", 1, lambda m, x: torch.mm(m.w, x.t()), w=V),
    fn("mv", 1, lambda m, x: torch.mv(m.w, x[0]), w=V),
    fn("mv by a vector", 1, lambda m, x: torch.mv(x, m.w), w=(16,)),
    fn("dot", 1, lambda m, x: torch.dot(x[0], m.w), w=(16,)),
    fn("bmm", 3, lambda m, x: torch.bmm(x.transpose(0, 1), m.w), *X3, w=(3, 16, 5)),
    fn("bmm from the left", 3, lambda m, x: torch.bmm(m.w, x.permute(1, 2, 0)), *X3, w=(3, 5, 16)),
    fn("addmm", 1, lambda m, x: torch.addmm(m.b, x, m.w), w=W, b=B),
    fn("addmm alpha beta", 1, lambda m, x: torch.addmm(m.b, x, m.w, alpha=2, beta=3), w=W, b=B),
    fn("addmm beta 0", 1, lambda m, x: torch.addmm(m.b, x, m.w, beta=0), w=W, b=B),
    fn("addmm of activations", 1, lambda m, x: torch.addmm(x[:, :5], x, m.w, beta=0.5), w=W),
    fn("addmv", 1, lambda m, x: torch.addmv(m.b, m.w, x[0], alpha=2), w=V, b=B),
    fn(
        "baddbmm",
        3,
        lambda m, x: torch.baddbmm(m.b, x.transpose(0, 1), m.w, beta=2, alpha=0.5),
        *X3,
        w=(3, 16, 5),
        b=B,
    ),
    fn("inner", 1, lambda m, x: torch.inner(x, m.w), w=V),
    fn("inner over batches", 1, lambda m, x: torch.inner(x, m.w), *X3, w=(2, 5, 16)),
    fn("inner from the left", 1, lambda m, x: torch.inner(m.w, x), w=V),
    fn("tensordot", 1, lambda m, x: torch.tensordot(x, m.w, dims=1), w=W),
    fn(
        "tensordot of two dimensions",
        1,
        lambda m, x: torch.tensordot(x, m.w, dims=([1, 2], [0, 1])),
        ((8, 3, 4)),
        w=(3, 4, 2, 5),
    ),
    fn(
        "tensordot from the left",
        1,
        lambda m, x: torch.tensordot(m.w, x, dims=([-1], [-1])),
        w=(3, 5, 16),
    ),
    fn("F.linear", 1, lambda m, x: F.linear(x, m.w, m.b), w=V, b=B),
    fn("F.linear of a slice", 1, lambda m, x: F.linear(x, m.w[1:4], m.b[1:4]), w=V, b=B),
    fn("F.linear of a fixed input", 1, lambda m, x: F.linear(m.w, x), w=V),
    fn("F.linear with a vector", 1, lambda m, x: F.linear(x, m.w), w=(16,)),
    fn("einsum", 1, lambda m, x: torch.einsum("bi,oi->bo", x, m.w), w=V),
    fn("einsum from the left", 1, lambda m, x: torch.einsum("oi,bi->bo", m.w, x), w=V),
    fn("einsum transposed out", 1, lambda m, x: torch.einsum("bi,io->ob", x, m.w), w=W),
    fn("einsum implicit", 1, lambda m, x: torch.einsum("btd,dm", x, m.w), *X3, w=W),
    fn("einsum implicit, sorted", 1, lambda m, x: torch.einsum("zd,da", x, m.w), w=W),
    fn("einsum ellipsis", 1, lambda m, x: torch.einsum("...d,dm->...m", x, m.w), *X3, w=W),
    fn("einsum ellipsis implicit", 1, lambda m, x: torch.einsum("...d,dm", x, m.w), *X3, w=W),
    fn(
        "einsum ellipsis in both",
        3,
        lambda m, x: torch.einsum("...d,...dm->...m", x, m.w),
        *X3,
        w=(3, 16, 5),
    ),
    fn("einsum summing x alone", 1, lambda m, x: torch.einsum("btd,dm->bm", x, m.w), *X3, w=W),
    fn("einsum summing w alone", 1, lambda m, x: torch.einsum("bd,dmk->bm", x, m.w), w=(16, 5, 2)),
    fn("einsum with a vector", 1, lambda m, x: torch.einsum("btd,d->bt", x, m.w), *X3, w=(16,)),
    fn(
        "einsum per head",
        2,
        lambda m, x: torch.einsum("bthd,hdm->bhtm", x, m.w),
        *HEADS,
        w=(2, 8, 5),
    ),
    fn(
        "einsum over two",
        1,
        lambda m, x: torch.einsum("bthd,thmn->bmdn", x, m.w),
        *HEADS,
        w=(6, 2, 3, 2),
    ),
    fn(
        "einsum of constants",
        1,
        lambda m, x: torch.einsum("bd,dm,mk->bk", x, m.w, m.v),
        w=W,
        v=(5, 7),
    ),
    fn(
        "einsum diagonal weights",
        1,
        lambda m, x: torch.einsum("bd,d,dm->bm", x, m.s, m.w),
        w=W,
        s=(16,),
    ),
    Case("tied weights", _tied, X, 2, matrices=1),
    Case("equal copies", _equal_copies, X, 2, matrices=1),
    layers("no_grad inside", 1, _no_grad, a=lambda: nn.Linear(16, 5)),
    layers("in place", 1, _in_place, a=lambda: nn.Linear(16, 5)),
    layers("weight_norm", 1, lambda m, x: m.a(x), a=lambda: WEIGHT_NORM(nn.Linear(16, 5))),
    layers("spectral_norm", 1, lambda m, x: m.a(x), a=lambda: SPECTRAL_NORM(nn.Linear(16, 5))),
    layers("double", 1, lambda m, x: m.a(x.double()).float(), a=lambda: nn.Linear(16, 5).double()),
    layers("self-attention", 2, lambda m, x: m.e(x, x, x)[0], *X3, **SELF),
    layers("attention of three", 4, lambda m, x: m.e(x, 2 * x, x + 1)[0], *X3, **SELF),
    layers(
        "recurrence by hand",
        6,
        _recurrence,
        *X3,
        i=lambda: nn.Linear(16, 4),
        h=lambda: nn.Linear(4, 4),
    ),
    layers(
        "linear attention",
        2,
        _linear_attention,
        ((2, 5, 16)),
        qkv=lambda: nn.Linear(16, 48),
        o=lambda: nn.Linear(16, 16),
    ),
    fn("random features", 1, _favor, w=(32, 16)),
)
