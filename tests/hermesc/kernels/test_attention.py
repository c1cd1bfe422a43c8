"""Attention by features: what it estimates, causal order, seeds, refusals."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from hermesc.kernels import (
    CosformerAttention,
    FavorAttention,
    KernelAttention,
    LinearAttention,
    MultiheadAttention,
    NystroemAttention,
    RandomFeatureAttention,
)
from hermesrt.errors import OptionError

SIZE, TOKENS = 8, 12
FORMS = ("positive", "hyperbolic", "trigonometric", "relu")
Make = Callable[..., KernelAttention]


def favor(form: Any) -> Make:
    return lambda n, **k: FavorAttention(SIZE, n, form=form, **k)


KINDS: dict[str, Make] = {
    **{f"favor {form}": favor(form) for form in FORMS},
    "random features": lambda n, **k: RandomFeatureAttention(SIZE, n, **k),
    "nystroem gaussian": lambda n, **k: NystroemAttention(SIZE, n, **k),
    "nystroem softmax": lambda n, **k: NystroemAttention(SIZE, n, kernel="softmax", **k),
    "linear": lambda n, causal=False, seed=0: LinearAttention(causal=causal),
    "cosformer": lambda n, causal=False, seed=0: CosformerAttention(TOKENS, causal=causal),
}


@pytest.fixture(scope="module")
def qkv() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, TOKENS, SIZE, generator=draw) for _ in range(3))
    return q / 2, k / 2, v


def error(attention: KernelAttention, qkv: tuple[Tensor, ...]) -> float:
    exact = attention.exact(*qkv)
    return float((attention(*qkv) - exact).norm() / exact.norm())


@pytest.mark.parametrize("form", FORMS[:3])
@pytest.mark.parametrize("causal", [False, True])
def test_favor_estimates_softmax_attention(
    form: Any, causal: bool, qkv: tuple[Tensor, Tensor, Tensor]
) -> None:
    attention = FavorAttention(SIZE, 4000, form=form, causal=causal)
    wanted = scaled_dot_product_attention(*qkv, is_causal=causal)
    assert torch.allclose(attention.exact(*qkv), wanted, atol=1e-5)
    assert (attention(*qkv) - wanted).norm() / wanted.norm() < 0.06


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("linear", "cosformer")])
def test_the_error_falls_with_the_number_of_features(
    kind: str, qkv: tuple[Tensor, Tensor, Tensor]
) -> None:
    few, many = (sum(error(KINDS[kind](n, seed=seed), qkv) for seed in range(6)) for n in (24, 384))
    assert many < few / 2


@pytest.mark.parametrize("kind", KINDS)
def test_causal_attention_is_the_masked_product_of_features(
    kind: str, qkv: tuple[Tensor, Tensor, Tensor]
) -> None:
    attention = KINDS[kind](32, causal=True)
    q, k, v = (part.double() for part in qkv)
    attention = attention.double()
    weights = (attention.queries(q) @ attention.keys(k).transpose(-1, -2)).tril()
    if attention.normalised:
        weights = weights / weights.sum(-1, keepdim=True)
    assert torch.allclose(attention(q, k, v), weights @ v, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_causal_token_sees_no_later_one(kind: str, qkv: tuple[Tensor, Tensor, Tensor]) -> None:
    q, k, v = qkv
    later_v = torch.cat([v[..., :6, :], v[..., 6:, :] + 5], -2)
    attention = KINDS[kind](32, causal=True)
    assert torch.equal(attention(q, k, v)[..., :6, :], attention(q, k, later_v)[..., :6, :])
    both = KINDS[kind](32)
    assert not torch.allclose(both(q, k, v)[..., :6, :], both(q, k, later_v)[..., :6, :])


@pytest.mark.parametrize("kind", ["linear", "cosformer"])
def test_attention_without_projection_is_its_own_kernel(
    kind: str, qkv: tuple[Tensor, Tensor, Tensor]
) -> None:
    assert error(KINDS[kind](0), qkv) < 1e-5


def test_cosformer_weighs_by_the_distance_of_tokens() -> None:
    ones = torch.ones(1, 1, TOKENS, SIZE)
    weights = CosformerAttention(TOKENS).kernel(ones, ones)[0, 0]
    wanted = [SIZE * math.cos(math.pi * i / (2 * TOKENS)) for i in range(TOKENS)]
    assert weights[0].tolist() == pytest.approx(wanted, rel=1e-4)


def test_the_gaussian_kernel_of_skyformer_is_not_normalised(
    qkv: tuple[Tensor, Tensor, Tensor],
) -> None:
    q, k, v = qkv
    distances = (q.unsqueeze(-2) - k.unsqueeze(-3)).square().sum(-1)
    wanted = (-distances / (2 * math.sqrt(SIZE))).exp() @ v
    assert torch.allclose(NystroemAttention(SIZE, 16).exact(q, k, v), wanted, atol=1e-5)


def test_landmarks_from_the_tokens_are_better_than_drawn_ones(
    qkv: tuple[Tensor, Tensor, Tensor],
) -> None:
    q, k, v = (2 + part / 2 for part in qkv)
    tokens = torch.cat([q, k]).reshape(-1, SIZE)
    fitted = NystroemAttention(SIZE, 32, tokens=tokens)
    assert error(fitted, (q, k, v)) < error(NystroemAttention(SIZE, 32), (q, k, v)) / 2


def test_large_queries_and_keys_give_no_infinity() -> None:
    x = 40 * torch.randn(1, 1, 5, SIZE, generator=torch.Generator().manual_seed(0))
    for form in FORMS[:2]:
        for causal in (False, True):
            found = FavorAttention(SIZE, 32, form=form, causal=causal)(x, x, x)  # type: ignore[arg-type]
            assert found.isfinite().all()


def test_a_redraw_is_another_seed(qkv: tuple[Tensor, Tensor, Tensor]) -> None:
    for kind in ("favor positive", "random features"):
        attention = KINDS[kind](32, seed=0)
        first = attention(*qkv)
        attention.redraw(1)  # type: ignore[operator]
        assert not torch.equal(attention(*qkv), first)
        assert torch.equal(attention(*qkv), KINDS[kind](32, seed=1)(*qkv))


def test_orthogonal_features_are_better_than_independent_ones(
    qkv: tuple[Tensor, Tensor, Tensor],
) -> None:
    found = {
        sampler: sum(
            error(FavorAttention(SIZE, 64, sampler=sampler, seed=s), qkv) for s in range(20)
        )
        for sampler in ("orf", "rff")
    }
    assert found["orf"] < found["rff"]


def test_heads_are_taken_apart_and_joined() -> None:
    torch.manual_seed(0)
    layer = MultiheadAttention(16, 2, lambda size: LinearAttention())
    x = torch.randn(3, 5, 16)
    q, k, v = (part(x).reshape(3, 5, 2, 8) for part in (layer.query, layer.key, layer.value))
    heads = [LinearAttention()(q[:, :, h], k[:, :, h], v[:, :, h]) for h in (0, 1)]
    assert torch.allclose(layer(x), layer.output(torch.cat(heads, -1)), atol=1e-6)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FavorAttention(8, 0), "features is 0"),
        (lambda: FavorAttention(8, 8, form="cubic"), "form is 'cubic'; FAVOR. has positive"),  # type: ignore[arg-type]
        (lambda: FavorAttention(8, 8, sampler="nystroem"), "'nystroem' chooses from data"),
        (lambda: FavorAttention(8, 8, sampler="dice"), "sampler 'dice'"),
        (lambda: RandomFeatureAttention(0, 8), "inputs is 0"),
        (lambda: RandomFeatureAttention(8, 8, temperature=0.0), "temperature is 0.0"),
        (lambda: CosformerAttention(0), "longest is 0"),
        (lambda: NystroemAttention(8, 8, kernel="rbf"), "kernel is 'rbf'"),  # type: ignore[arg-type]
        (
            lambda: MultiheadAttention(10, 4, lambda size: LinearAttention()),
            "heads is 4; it must be 1 or more and divide 10",
        ),
    ],
)
def test_what_does_not_exist_is_told(make: Callable[[], object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()
