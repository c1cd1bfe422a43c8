"""What all tests share: one thread, golden texts, and the option that writes them anew."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook
from torch import Tensor, nn

import hermesrt

# Types and tensor shapes are checked, in what is imported from here on; an int is a float, as mypy
# has it (PEP 484). `hermesrt.ops` has a type that names itself, which beartype cannot resolve.
_ROOMS = [m.name for m in iter_modules(hermesrt.__path__) if m.name != "ops"]
install_import_hook(
    [*(f"hermesrt.{room}" for room in _ROOMS), "hermes_sim", "hermesc.kernels"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

from hermesc.frontend.load import load_model
from hermesc.frontend.torch.capture import capture
from hermesc.frontend.torch.convert import convert
from hermesc.ir import verify
from hermesc.ir.graph import Captured, Graph, Weights
from hermesc.ir.ops import Input, Mvm
from hermesc.ir.stages import MvmWorkload, Partitioned, Tiled
from hermesc.ir.types import TensorType
from hermesc.passes.canonicalize import canonicalize
from hermesc.passes.decompose import decompose
from hermesc.passes.partition import PartitionOptions, partition
from hermesc.passes.tile import tile
from hermesc.pipeline import ModelSource, Options, compile_model
from hermesc.placement.options import PlaceOptions
from hermesrt.artifact import io
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import Location
from hermesrt.files.container import pack, tensors_from_bytes, tensors_to_bytes, unpack

_GOLDEN = Path(__file__).parent / "golden"

settings.register_profile(
    "hermesc",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("hermesc")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew instead of comparing"
    )


def pytest_configure() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with tests/golden/NAME, or write it there under --update-golden."""

    def compare(name: str, text: str) -> None:
        text = re.sub(r"\bs\d+\b", "s0", text)  # torch numbers its symbols as it likes
        path = _GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no {path}; write it with pytest --update-golden"
        assert text == path.read_text(encoding="utf-8")

    return compare


PARTS = ("program.json", "weights.safetensors", "examples.safetensors")


class Fn(nn.Module):
    """A forward that is a function of the module and its inputs, over random parameters."""

    def __init__(self, forward: Callable[..., Any], **shapes: tuple[int, ...]) -> None:
        super().__init__()
        self._forward_function = forward
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.randn(*shape)))

    def forward(self, x: Tensor, other: Tensor | None = None) -> Any:
        inputs = (x,) if other is None else (x, other)
        return self._forward_function(self, *inputs)


class Layers(nn.Module):
    """The same over layers."""

    def __init__(self, forward: Callable[..., Any], **layers: nn.Module) -> None:
        super().__init__()
        self._forward_function = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Any:
        inputs = (x,) if other is None else (x, other)
        return self._forward_function(self, *inputs)


@dataclass(frozen=True)
class Case:
    """A model, its inputs' sizes, and how many Mvms and stored matrices it must become."""

    name: str
    build: Callable[[], nn.Module]
    shapes: tuple[Any, ...]
    mvms: int
    matrices: int | None = None
    dynamic: Any = None

    def inputs(self, batch: int | None = None, seed: int = 1) -> tuple[Tensor, ...]:
        """Example inputs, of another batch size if one is given; "ids" are whole numbers."""
        make = torch.Generator().manual_seed(seed)
        found = []
        for shape in self.shapes:
            ids = shape[0] == "ids"
            sizes = shape[1:] if ids else shape
            sizes = sizes if batch is None else (batch, *sizes[1:])
            found.append(
                torch.randint(0, 20, sizes, generator=make)
                if ids
                else torch.randn(*sizes, generator=make)
            )
        return tuple(found)


X = ((8, 16),)
X3 = ((8, 3, 16),)
HEADS = ((8, 6, 2, 8),)


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


def _standardized(m: Any, x: Tensor) -> Tensor:
    y = m.l(x)
    return (y - y.mean(0)) / y.std(0)


def _favor(m: Any, x: Tensor) -> Tensor:
    x = x * 16**-0.25
    u = x @ m.w.T
    h = (x**2).sum(-1, keepdim=True) / 2
    features = [torch.exp(u - h - u.amax(-1, keepdim=True)), torch.exp(-u - h)]
    return torch.cat(features, -1) / math.sqrt(32) + 1e-4


def _fn(name: str, mvms: int, forward: Any, *inputs: Any, **shapes: tuple[int, ...]) -> Case:
    return Case(name, lambda: Fn(forward, **shapes), inputs or X, mvms)


def _layers(name: str, mvms: int, forward: Any, *inputs: Any, **makers: Any) -> Case:
    def build() -> nn.Module:
        return Layers(forward, **{key: make() for key, make in makers.items()})

    return Case(name, build, inputs or X, mvms)


W, V, B = (16, 5), (5, 16), (5,)
WEIGHT_NORM = torch.nn.utils.parametrizations.weight_norm
SPECTRAL_NORM = torch.nn.utils.parametrizations.spectral_norm
SELF = {"e": lambda: nn.MultiheadAttention(16, 4, batch_first=True)}

PRODUCTS = (
    _layers("linear", 1, lambda m, x: m.a(x), a=lambda: nn.Linear(16, 5)),
    _layers("linear without bias", 1, lambda m, x: m.a(x), a=lambda: nn.Linear(16, 5, bias=False)),
    _layers(
        "linear over three dimensions", 1, lambda m, x: m.a(x), *X3, a=lambda: nn.Linear(16, 5)
    ),
    _layers(
        "nested modules",
        2,
        lambda m, x: m.a(x),
        a=lambda: nn.Sequential(nn.Sequential(nn.Linear(16, 8), nn.GELU()), nn.Linear(8, 3)),
    ),
    _fn("x @ w", 1, lambda m, x: x @ m.w, w=W),
    _fn("x @ w.T", 1, lambda m, x: x @ m.w.T, w=V),
    _fn("x @ w.t scaled", 1, lambda m, x: (2 * x) @ (m.w.t() * 0.3) + 1, w=V),
    _fn("x @ scaled by a vector", 1, lambda m, x: x @ (m.w * m.s), w=W, s=B),
    _fn("x @ cat", 1, lambda m, x: x @ torch.cat([m.w, m.v * 2, torch.eye(16)], 1), w=W, v=(16, 3)),
    _fn("x @ slice", 1, lambda m, x: x @ m.w[:, 1:4], w=W),
    _fn("x @ strided slice", 1, lambda m, x: x @ m.w[:, ::2], w=W),
    _fn("x @ chunks", 2, lambda m, x: x @ m.w.chunk(2, 1)[0] - x @ m.w.chunk(2, 1)[1], w=(16, 10)),
    _fn("x @ one part of a split", 1, lambda m, x: x @ m.w.split([2, 3], 1)[0], w=W),
    _fn("x @ reshaped", 1, lambda m, x: x @ m.w.reshape(16, 5), w=(5, 16)),
    _fn("x @ gathered rows", 1, lambda m, x: x @ m.w[torch.tensor([2, 0, 1])].T, w=V),
    _fn("x @ masked", 1, lambda m, x: x @ m.w.tril(), w=(16, 16)),
    _fn("x @ product of two", 1, lambda m, x: x @ (m.w @ m.v), w=W, v=(5, 7)),
    _fn("x @ two in a row", 2, lambda m, x: (x @ m.w) @ m.v, w=W, v=(5, 7)),
    _fn("x @ vector", 1, lambda m, x: x @ m.w, w=(16,)),
    _fn("w @ x.T", 1, lambda m, x: (m.w @ x.T).T.softmax(-1), w=V),
    _fn("w @ x over a batch", 1, lambda m, x: m.w @ x.transpose(1, 2), *X3, w=V),
    _fn("w @ one row", 1, lambda m, x: m.w @ x[0], w=V),
    _fn("x @ one matrix of a batch of one", 1, lambda m, x: x @ m.w, *X3, w=(1, 16, 7)),
    _fn("x @ a batch of matrices", 3, lambda m, x: x.unsqueeze(2) @ m.w, *X3, w=(3, 16, 5)),
    _fn("x broadcast to matrices", 1, lambda m, x: x.unsqueeze(1) @ m.w, *X3, w=(4, 16, 5)),
    _fn("x @ per head", 2, lambda m, x: x @ m.w, ((8, 2, 3, 16)), w=(2, 16, 5)),
    _fn("matmul", 1, lambda m, x: torch.matmul(x, m.w), w=W),
    _fn("mm", 1, lambda m, x: torch.mm(x, m.w), w=W),
    _fn("mm from the left", 1, lambda m, x: torch.mm(m.w, x.t()), w=V),
    _fn("mv", 1, lambda m, x: torch.mv(m.w, x[0]), w=V),
    _fn("mv by a vector", 1, lambda m, x: torch.mv(x, m.w), w=(16,)),
    _fn("dot", 1, lambda m, x: torch.dot(x[0], m.w), w=(16,)),
    _fn("bmm", 3, lambda m, x: torch.bmm(x.transpose(0, 1), m.w), *X3, w=(3, 16, 5)),
    _fn("bmm from the left", 3, lambda m, x: torch.bmm(m.w, x.permute(1, 2, 0)), *X3, w=(3, 5, 16)),
    _fn("addmm", 1, lambda m, x: torch.addmm(m.b, x, m.w), w=W, b=B),
    _fn("addmm alpha beta", 1, lambda m, x: torch.addmm(m.b, x, m.w, alpha=2, beta=3), w=W, b=B),
    _fn("addmm beta 0", 1, lambda m, x: torch.addmm(m.b, x, m.w, beta=0), w=W, b=B),
    _fn("addmm of activations", 1, lambda m, x: torch.addmm(x[:, :5], x, m.w, beta=0.5), w=W),
    _fn("addmv", 1, lambda m, x: torch.addmv(m.b, m.w, x[0], alpha=2), w=V, b=B),
    _fn(
        "baddbmm",
        3,
        lambda m, x: torch.baddbmm(m.b, x.transpose(0, 1), m.w, beta=2, alpha=0.5),
        *X3,
        w=(3, 16, 5),
        b=B,
    ),
    _fn("inner", 1, lambda m, x: torch.inner(x, m.w), w=V),
    _fn("inner over batches", 1, lambda m, x: torch.inner(x, m.w), *X3, w=(2, 5, 16)),
    _fn("inner from the left", 1, lambda m, x: torch.inner(m.w, x), w=V),
    _fn("tensordot", 1, lambda m, x: torch.tensordot(x, m.w, dims=1), w=W),
    _fn(
        "tensordot of two dimensions",
        1,
        lambda m, x: torch.tensordot(x, m.w, dims=([1, 2], [0, 1])),
        ((8, 3, 4)),
        w=(3, 4, 2, 5),
    ),
    _fn(
        "tensordot from the left",
        1,
        lambda m, x: torch.tensordot(m.w, x, dims=([-1], [-1])),
        w=(3, 5, 16),
    ),
    _fn("F.linear", 1, lambda m, x: F.linear(x, m.w, m.b), w=V, b=B),
    _fn("F.linear of a slice", 1, lambda m, x: F.linear(x, m.w[1:4], m.b[1:4]), w=V, b=B),
    _fn("F.linear of a fixed input", 1, lambda m, x: F.linear(m.w, x), w=V),
    _fn("F.linear with a vector", 1, lambda m, x: F.linear(x, m.w), w=(16,)),
    _fn("einsum", 1, lambda m, x: torch.einsum("bi,oi->bo", x, m.w), w=V),
    _fn("einsum from the left", 1, lambda m, x: torch.einsum("oi,bi->bo", m.w, x), w=V),
    _fn("einsum transposed out", 1, lambda m, x: torch.einsum("bi,io->ob", x, m.w), w=W),
    _fn("einsum implicit", 1, lambda m, x: torch.einsum("btd,dm", x, m.w), *X3, w=W),
    _fn("einsum implicit, sorted", 1, lambda m, x: torch.einsum("zd,da", x, m.w), w=W),
    _fn("einsum ellipsis", 1, lambda m, x: torch.einsum("...d,dm->...m", x, m.w), *X3, w=W),
    _fn("einsum ellipsis implicit", 1, lambda m, x: torch.einsum("...d,dm", x, m.w), *X3, w=W),
    _fn(
        "einsum ellipsis in both",
        3,
        lambda m, x: torch.einsum("...d,...dm->...m", x, m.w),
        *X3,
        w=(3, 16, 5),
    ),
    _fn("einsum summing x alone", 1, lambda m, x: torch.einsum("btd,dm->bm", x, m.w), *X3, w=W),
    _fn("einsum summing w alone", 1, lambda m, x: torch.einsum("bd,dmk->bm", x, m.w), w=(16, 5, 2)),
    _fn("einsum with a vector", 1, lambda m, x: torch.einsum("btd,d->bt", x, m.w), *X3, w=(16,)),
    _fn(
        "einsum per head",
        2,
        lambda m, x: torch.einsum("bthd,hdm->bhtm", x, m.w),
        *HEADS,
        w=(2, 8, 5),
    ),
    _fn(
        "einsum over two",
        1,
        lambda m, x: torch.einsum("bthd,thmn->bmdn", x, m.w),
        *HEADS,
        w=(6, 2, 3, 2),
    ),
    _fn(
        "einsum of constants",
        1,
        lambda m, x: torch.einsum("bd,dm,mk->bk", x, m.w, m.v),
        w=W,
        v=(5, 7),
    ),
    _fn(
        "einsum diagonal weights",
        1,
        lambda m, x: torch.einsum("bd,d,dm->bm", x, m.s, m.w),
        w=W,
        s=(16,),
    ),
    Case("tied weights", _tied, X, 2, matrices=1),
    Case("equal copies", _equal_copies, X, 2, matrices=1),
    _layers("no_grad inside", 1, _no_grad, a=lambda: nn.Linear(16, 5)),
    _layers("in place", 1, _in_place, a=lambda: nn.Linear(16, 5)),
    _layers("weight_norm", 1, lambda m, x: m.a(x), a=lambda: WEIGHT_NORM(nn.Linear(16, 5))),
    _layers("spectral_norm", 1, lambda m, x: m.a(x), a=lambda: SPECTRAL_NORM(nn.Linear(16, 5))),
    _layers("double", 1, lambda m, x: m.a(x.double()).float(), a=lambda: nn.Linear(16, 5).double()),
    _layers("self-attention", 2, lambda m, x: m.e(x, x, x)[0], *X3, **SELF),
    _layers("attention of three", 4, lambda m, x: m.e(x, 2 * x, x + 1)[0], *X3, **SELF),
    _layers(
        "recurrence by hand",
        6,
        _recurrence,
        *X3,
        i=lambda: nn.Linear(16, 4),
        h=lambda: nn.Linear(4, 4),
    ),
    _layers(
        "linear attention",
        2,
        _linear_attention,
        ((2, 5, 16)),
        qkv=lambda: nn.Linear(16, 48),
        o=lambda: nn.Linear(16, 16),
    ),
    _fn("random features", 1, _favor, w=(32, 16)),
    *(
        _fn(f"repeated by {name}", 1, forward, *inputs, w=(5, 16))
        for name, inputs, forward in (
            ("expand", X3, lambda m, x: x @ m.w.T.expand(x.shape[0], -1, -1)),
            ("repeat", X3, lambda m, x: torch.bmm(x, m.w.t().repeat(x.shape[0], 1, 1))),
            ("unsqueeze", X3, lambda m, x: x @ (m.w[None].expand(x.shape[0], 5, 16) * 2).mT),
            ("expand_as", X3, lambda m, x: (x * m.w[0].expand_as(x)) @ m.w.T),
            (
                "batch and heads",
                ((8, 2, 3, 16),),
                lambda m, x: torch.einsum(
                    "...id,...jd->...ij", x, m.w[None, None].expand(*x.shape[:2], -1, -1).type_as(x)
                ),
            ),
            (
                "batch and heads in one, as decomposed",
                ((8, 2, 3, 16),),
                lambda m, x: torch.bmm(
                    x.reshape(x.shape[0] * 2, 3, 16),
                    m.w.expand(x.shape[0], 2, -1, -1)[..., None]
                    .permute(0, 1, 3, 2, 4)
                    .reshape(x.shape[0] * 2, 16, 5),
                ),
            ),
            (
                "heads alone",
                ((8, 2, 3, 16),),
                lambda m, x: torch.einsum("bhid,hjd->bhij", x, m.w.expand(2, -1, -1)),
            ),
            (
                "batch and heads in one",
                ((8, 2, 3, 16),),
                lambda m, x: (
                    x.flatten(0, 1) @ m.w.mT.expand(x.shape[0], 2, 16, 5).reshape(-1, 16, 5)
                ),
            ),
        )
    ),
)

NOT_PRODUCTS = (
    _fn("x @ x.T", 0, lambda m, x: x @ x.T),
    _fn("elementwise einsum", 0, lambda m, x: torch.einsum("bd,d->bd", x, m.w), w=(16,)),
    _fn("outer einsum", 0, lambda m, x: torch.einsum("bd,m->bdm", x, m.w), w=(5,)),
    _fn(
        "einsum of a diagonal",
        0,
        lambda m, x: torch.einsum("bii,im->bm", x, m.w),
        ((8, 4, 4)),
        w=(4, 5),
    ),
    _layers("bilinear", 0, lambda m, x: m.a(x, x), a=lambda: nn.Bilinear(16, 16, 3)),
    _layers("convolution", 0, lambda m, x: m.a(x), ((4, 3, 6, 6)), a=lambda: nn.Conv2d(3, 4, 3)),
    _fn("identity", 0, lambda m, x: x),
    _fn("no matrix", 0, lambda m, x: x.sin() + x.mean(0)),
    _fn(
        "a result that is repeated",
        0,
        lambda m, x: torch.einsum("d,bdm->bm", x[0], m.w.expand(x.shape[0], -1, -1)),
        w=(16, 5),
    ),
    _fn(
        "repeated along the sum",
        0,
        lambda m, x: torch.einsum("bd,bm->dm", x, m.w.expand(x.shape[0], -1)),
        w=(1, 5),
    ),
    _fn("an unused matrix", 0, lambda m, x: (x @ m.w, x)[1], w=W),
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
    _layers(
        "convolutional",
        1,
        lambda m, x: m.l(F.max_pool2d(F.relu(m.b(m.c(x))), 2).flatten(1)),
        ((4, 3, 8, 8)),
        c=lambda: nn.Conv2d(3, 4, 3, padding=1),
        b=lambda: nn.BatchNorm2d(4),
        l=lambda: nn.Linear(64, 10),
    ),
    _layers(
        "lstm",
        1,
        lambda m, x: m.l(m.r(x)[0][:, -1]),
        *X3,
        r=lambda: nn.LSTM(16, 8, batch_first=True),
        l=lambda: nn.Linear(8, 3),
    ),
    _layers(
        "gru",
        1,
        lambda m, x: m.l(m.r(x)[0][:, -1]),
        *X3,
        r=lambda: nn.GRU(16, 8, batch_first=True),
        l=lambda: nn.Linear(8, 3),
    ),
    _layers(
        "two inputs, a dict out",
        2,
        lambda m, a, b: {"p": m.l(a) * m.l(b), "q": (a - b).norm(dim=-1)},
        *X,
        *X,
        l=lambda: nn.Linear(16, 5),
    ),
    _layers(
        "embedding",
        1,
        lambda m, ids: m.l(m.e(ids)).log_softmax(-1),
        (("ids", 4, 9)),
        e=lambda: nn.Embedding(20, 16),
        l=lambda: nn.Linear(16, 5),
    ),
    _layers(
        "residual block",
        2,
        lambda m, x: x + m.l(m.n(x)),
        n=lambda: nn.LayerNorm(16),
        l=lambda: nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, 16)),
    ),
    _layers("across the batch", 1, _standardized, l=lambda: nn.Linear(16, 5)),
    _layers(
        "batch norm, wide",
        2,
        lambda m, x: m.c(torch.relu(m.b(m.a(x)))),
        ((8, 300)),
        a=lambda: nn.Linear(300, 270),
        b=lambda: nn.BatchNorm1d(270),
        c=lambda: nn.Linear(270, 4, bias=False),
    ),
)

CASES = {case.name: case for case in (*PRODUCTS, *NOT_PRODUCTS, *NETWORKS)}


@dataclass(frozen=True)
class Front:
    """A model taken as far as the partition."""

    model: nn.Module
    partitioned: Partitioned
    weights: Mapping[str, Tensor]
    eager: tuple[Tensor, ...] = field(repr=False)

    @property
    def graph(self) -> Graph:
        return self.partitioned.graph

    def named(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        return dict(zip([i.name for i in self.graph.inputs], inputs, strict=True))


def run_front(
    model: nn.Module,
    inputs: Sequence[Tensor],
    options: PartitionOptions | None = None,
    dynamic: Any = None,
) -> Front:
    captured = capture(model, inputs, dynamic)
    graph, weights = convert(captured.exported)
    verify.verify_graph(graph, weights, "convert")
    graph, weights = canonicalize(graph, weights)
    verify.verify_graph(graph, weights, "canonicalize")
    graph, weights = decompose(graph, weights)
    verify.verify_graph(graph, weights, "decompose")
    partitioned, weights = partition(graph, weights, options or PartitionOptions())
    verify.verify_graph(partitioned.graph, weights, "partition")
    verify.verify_partitioned(partitioned)
    return Front(model, partitioned, weights, captured.eager_outputs)


@cache
def _front_of(name: str) -> Front:
    case = CASES[name]
    torch.manual_seed(0)
    return run_front(case.build().eval(), case.inputs(), dynamic=case.dynamic)


def _names(cases: Sequence[Case]) -> list[str]:
    names = [case.name for case in cases]
    assert len(set(names)) == len(names)
    return names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`product`, `not_product` and `any_model` run a test once for each such model of the zoo."""
    groups = {
        "product": PRODUCTS,
        "not_product": NOT_PRODUCTS,
        "any_model": (*PRODUCTS, *NOT_PRODUCTS, *NETWORKS),
    }
    for fixture, cases in groups.items():
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, cases, ids=_names(cases))


@pytest.fixture(scope="session")
def front_of() -> Callable[[Case], Front]:
    """A model of the zoo, partitioned; each is compiled once."""
    return lambda case: _front_of(case.name)


@pytest.fixture(scope="session")
def front() -> Callable[..., Front]:
    """Any model, partitioned: front(model, inputs, options)."""
    return run_front


@pytest.fixture(scope="session")
def module() -> type[Fn]:
    """A module of a function over random parameters: module(lambda m, x: x @ m.w, w=(16, 5))."""
    return Fn


@pytest.fixture(scope="session")
def chip() -> ChipSpec:
    """The chip as it was built."""
    return load_chip("hermes")


@pytest.fixture(scope="session")
def chip_with() -> Callable[..., ChipSpec]:
    """The chip with other numbers: chip_with(grid_rows=2, crossbar_columns=8)."""

    def make(**settings: int | float) -> ChipSpec:
        pairs = [(key.replace("_", ".", 1), str(value)) for key, value in settings.items()]
        return load_chip("hermes", pairs)

    return make


@pytest.fixture(scope="session")
def mvm_graph() -> Callable[..., tuple[Partitioned, dict[str, Tensor]]]:
    """A graph of one Mvm for each given matrix, each with an input of its own."""

    def make(*matrices: Tensor, **changes: Any) -> tuple[Partitioned, dict[str, Tensor]]:
        ops: list[Input | Mvm] = []
        weights: dict[str, Tensor] = {}
        for i, matrix in enumerate(matrices):
            rows, columns = matrix.shape
            ops.append(Input(f"x{i}", TensorType(("s0", rows), "float32")))
            out = TensorType(("s0", columns), "float32")
            where = Location(file="model.py", line=i + 1)
            ops.append(
                Mvm(f"y{i}", f"x{i}", f"w{i}", out, f"n{i}", where, label=f"layer{i}", **changes)
            )
            weights[f"w{i}"] = matrix
        captured = tuple(
            Captured(f"n{i}", "aten.linear.default", Location()) for i in range(len(matrices))
        )
        outputs = tuple(f"y{i}" for i in range(len(matrices)))
        return Partitioned(Graph(tuple(ops), outputs, captured), ()), weights

    return make


GOLDEN_MODEL = """\
import torch
from torch import nn


def numbers(*shape):
    count = torch.Size(shape).numel()
    return ((torch.arange(count) * 5 % 9) - 4).reshape(shape) / 4


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(12, 10)
        self.norm = nn.BatchNorm1d(10, affine=False)
        self.register_buffer("features", numbers(6, 10))
        self.heads = nn.Parameter(numbers(2, 3, 4))
        with torch.no_grad():
            self.first.weight.copy_(numbers(10, 12))
            self.first.bias.copy_(numbers(10))

    def forward(self, x):
        h = torch.relu(self.norm(self.first(x)))
        f = (h @ (self.features.t() * 0.5)).cos()
        per_head = torch.einsum("bhd,hdm->bhm", f.view(f.shape[0], 2, 3), self.heads)
        return per_head.flatten(1) - 0.25


model = Net()
example_inputs = (numbers(5, 12),)
"""


@pytest.fixture(scope="session")
def golden_chip(chip_with: Callable[..., ChipSpec]) -> ChipSpec:
    """Nine cores of 8x8, so that a small model has cascades and shared cores."""
    return chip_with(grid_rows=3, grid_columns=3, crossbar_rows=8, crossbar_columns=8)


@pytest.fixture(scope="session")
def golden_source(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    """A small model with a bit of everything, from a file of its own."""
    path = tmp_path_factory.mktemp("golden") / "model.py"
    path.write_text(GOLDEN_MODEL)
    file = load_model(str(path))
    return ModelSource(file.model, file.example_inputs, name="golden", folder=path.parent)


@pytest.fixture(scope="session")
def stages(golden_source: ModelSource, golden_chip: ChipSpec) -> dict[str, Any]:
    """What each step of the pipeline made of the golden model."""
    found: dict[str, Any] = {}

    def observe(name: str, stage: object, seconds: float) -> None:
        assert seconds >= 0
        found[name] = stage

    compile_model(golden_source, golden_chip, Options(), observe)
    return found


@pytest.fixture(scope="session")
def artifact(stages: dict[str, Any]) -> Artifact:
    """The golden model's program."""
    made: Artifact = stages["emit"]
    return made


@pytest.fixture(scope="session")
def program_bytes(artifact: Artifact) -> bytes:
    """The golden model's program file."""
    return io.to_bytes(artifact)


@pytest.fixture(scope="session")
def tiled_of() -> Callable[..., Tiled]:
    """A partitioned graph, tiled; each MVM serves one vector a sample unless more are given."""

    def make(
        partitioned: Partitioned,
        weights: Weights,
        chip: ChipSpec,
        options: PlaceOptions | None = None,
        vectors: int = 1,
    ) -> Tiled:
        counts = tuple(MvmWorkload(vectors, ()) for _ in partitioned.graph.mvms)
        return tile(partitioned, weights, counts, chip, options or PlaceOptions(), {})

    return make


Edit = Callable[[dict[str, Any], dict[str, Any]], None]


@pytest.fixture(scope="session")
def rebuilt(program_bytes: bytes) -> Callable[[Edit], bytes]:
    """The program file after `edit(manifest, tensors)`, with right checksums."""

    def make(edit: Edit) -> bytes:
        parts = unpack(program_bytes, "program", PARTS, "test")
        manifest = json.loads(parts[PARTS[0]])
        tensors = tensors_from_bytes(parts[PARTS[1]], "test")
        edit(manifest, tensors)
        parts[PARTS[0]] = json.dumps(manifest).encode()
        parts[PARTS[1]] = tensors_to_bytes(tensors)
        return pack("program", parts)

    return make


@pytest.fixture
def model_file(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Write a model file: model_file("model = ...")."""

    def write(text: str, name: str = "model.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    yield write
