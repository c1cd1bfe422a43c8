"""Attention by features of queries and keys: linear in the number of tokens.

Every class takes queries, keys and values of the shape (batch, heads, tokens, size) and gives
phi(Q) (phi(K)' V), divided by phi(Q) phi(K)' 1 where its kernel is normalised. Causal attention
sums over the tokens so far. `exact` computes what is estimated, token by token.
"""

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hermesc.kernels.arccos import ArcCosine
from hermesc.kernels.factory import feature_map
from hermesc.kernels.fourier import Rbf
from hermesc.kernels.maps import DATA_SAMPLERS, Kernel
from hermesc.kernels.options import check_positive, check_sizes
from hermesc.kernels.softmax import Softmax
from hermesrt.errors import InputError, OptionError

FavorForm = Literal["positive", "hyperbolic", "trigonometric", "relu"]
_OFFSET = 1e-6  # keeps sums of features above 0
Tokens = Float[Tensor, "*heads tokens size"]
Features = Float[Tensor, "*heads tokens columns"]
AttentionWeights = Float[Tensor, "*heads tokens others"]


class KernelAttention(nn.Module):
    """What all have in common; a kind gives features and the kernel they stand for."""

    def __init__(self, *, causal: bool, normalised: bool = True) -> None:
        super().__init__()
        self.causal = causal
        self.normalised = normalised

    def queries(self, q: Tokens) -> Features:
        """Features of queries."""
        raise NotImplementedError

    def keys(self, k: Tokens) -> Features:
        """Features of keys."""
        raise NotImplementedError

    def kernel(self, q: Tokens, k: Tokens) -> AttentionWeights:
        """The kernel of all queries with all keys, up to a factor where it is normalised."""
        return self.queries(q) @ self.keys(k).transpose(-1, -2)

    def forward(self, q: Tokens, k: Tokens, v: Tokens) -> Tokens:
        queries, keys = self.queries(q), self.keys(k)
        if self.causal:
            states = (keys.unsqueeze(-1) * v.unsqueeze(-2)).cumsum(-3)
            mixed = (queries.unsqueeze(-2) @ states).squeeze(-2)
            totals = keys.cumsum(-2)
        else:
            mixed = queries @ (keys.transpose(-1, -2) @ v)
            totals = keys.sum(-2, keepdim=True)
        if not self.normalised:
            return mixed
        return mixed / (queries * totals).sum(-1, keepdim=True)

    def exact(self, q: Tokens, k: Tokens, v: Tokens) -> Tokens:
        """The attention that is estimated, by the kernel of every pair of tokens."""
        weights = self.kernel(q, k)
        if self.causal:
            weights = weights.tril()
        if self.normalised:
            weights = weights / weights.sum(-1, keepdim=True)
        return weights @ v


class FavorAttention(KernelAttention):
    """FAVOR+: softmax attention by positive, hyperbolic or trigonometric random features.

    With form="relu" the features are those of a ReLU layer, and the kernel is the arc-cosine kernel
    of order 1. The largest exponent of a query's features, and of all keys', is taken off before
    the exponential: it cancels.
    Raises: OptionError for sizes, a form or a sampler that do not exist.
    Source: Choromanski et al. 2021.
    """

    def __init__(
        self,
        size: int,
        features: int,
        *,
        form: FavorForm = "positive",
        sampler: str = "orf",
        causal: bool = False,
        seed: int = 0,
        cut: float | None = None,
    ) -> None:
        super().__init__(causal=causal)
        if form not in get_args(FavorForm):
            raise OptionError(f"form is {form!r}; FAVOR+ has {', '.join(get_args(FavorForm))}")
        check_sizes(size, features)
        _check_without_data(sampler)
        self._form = form
        kernel = ArcCosine(1) if form == "relu" else Softmax(1 / math.sqrt(size), form)
        self.map = feature_map(kernel, size, features, sampler, seed=seed, cut=cut)

    def redraw(self, seed: int) -> None:
        """Take the draws of another seed, in place."""
        self.map.redraw(seed)

    def queries(self, q: Tokens) -> Features:
        return self._features(q, (-1,))

    def keys(self, k: Tokens) -> Features:
        return self._features(k, (-1, -2))

    def kernel(self, q: Tokens, k: Tokens) -> AttentionWeights:
        kernel = self.map.kernel
        if isinstance(kernel, Softmax):
            scores = kernel.scale * (q @ k.transpose(-1, -2))
            return (scores - scores.amax(-1, keepdim=True)).exp()
        return _of_products(kernel, q, k)

    def _features(self, x: Tokens, over: tuple[int, ...]) -> Features:
        kernel = self.map.kernel
        if not isinstance(kernel, Softmax):
            found: Tensor = self.map(x)
            return found + _OFFSET
        projected = x @ self.map.get_buffer("omega")
        if self._form == "trigonometric":
            half = kernel.half_square(x)
            angle = projected * math.sqrt(kernel.scale)
            waves = torch.cat([angle.cos(), angle.sin()], -1)
            return (half - half.amax(over, keepdim=True)).exp() * waves
        exponents = kernel.exponents(projected, x)
        return (exponents - exponents.amax(over, keepdim=True)).exp() + _OFFSET


class RandomFeatureAttention(KernelAttention):
    """Softmax attention of normalised queries and keys, by random Fourier features.

    Raises: OptionError for sizes or a sampler that do not exist. Source: Peng et al. 2021, without
    the gates and with a fixed temperature.
    """

    def __init__(
        self,
        size: int,
        features: int,
        *,
        temperature: float = 1.0,
        sampler: str = "orf",
        causal: bool = False,
        seed: int = 0,
        cut: float | None = None,
    ) -> None:
        super().__init__(causal=causal)
        check_sizes(size, features)
        _check_without_data(sampler)
        check_positive(temperature, "temperature")
        self._temperature = temperature
        self.map = feature_map(
            Rbf(1 / (2 * temperature)), size, features, sampler, seed=seed, cut=cut
        )

    def redraw(self, seed: int) -> None:
        """Take the draws of another seed, in place."""
        self.map.redraw(seed)

    def queries(self, q: Tokens) -> Features:
        found: Tensor = self.map(_unit(q))
        return found

    def keys(self, k: Tokens) -> Features:
        found: Tensor = self.map(_unit(k))
        return found

    def kernel(self, q: Tokens, k: Tokens) -> AttentionWeights:
        return ((_unit(q) @ _unit(k).transpose(-1, -2) - 1) / self._temperature).exp()


class LinearAttention(KernelAttention):
    """phi(x) = elu(x) + 1, which is its own kernel. Source: Katharopoulos et al. 2020."""

    def __init__(self, *, causal: bool = False) -> None:
        super().__init__(causal=causal)

    def queries(self, q: Tokens) -> Features:
        return nn.functional.elu(q) + 1

    def keys(self, k: Tokens) -> Features:
        return nn.functional.elu(k) + 1


class CosformerAttention(KernelAttention):
    """relu(q).relu(k) cos(pi (i - j) / (2 longest)): near tokens weigh more; no projection.

    Raises: OptionError for a `longest` below 1. Source: Qin et al. 2022, equation 11.
    """

    angle: Tensor

    def __init__(self, longest: int, *, causal: bool = False) -> None:
        """`longest` is the largest number of tokens."""
        super().__init__(causal=causal)
        if not isinstance(longest, int) or longest < 1:
            raise OptionError(f"longest is {longest!r}; it must be 1 token or more")
        places = torch.arange(longest, dtype=torch.float32)[:, None]
        self.register_buffer("angle", places * (math.pi / (2 * longest)))

    def queries(self, q: Tokens) -> Features:
        return self._features(q)

    def keys(self, k: Tokens) -> Features:
        return self._features(k)

    def _features(self, x: Tokens) -> Features:
        angle = self.angle[: x.shape[-2]]
        positive = x.relu() + _OFFSET
        return torch.cat([positive * angle.cos(), positive * angle.sin()], -1)


class NystroemAttention(KernelAttention):
    """Attention by landmarks: k(Q, L) k(L, L)^-1 k(L, K) V.

    With kernel="gaussian" it is Skyformer's attention, exp(-|q - k|^2 / (2 sqrt(size))), which is
    not normalised; with "softmax" it is Nyströmformer's, normalised. Both papers take landmarks
    from the tokens of each input; a crossbar needs fixed ones, so they are rows of `tokens` here
    (queries and keys of sample inputs), or standard normal draws without.
    Raises: OptionError for sizes or a kernel that do not exist, InputError for too few tokens.
    Source: Chen et al. 2021; Xiong et al. 2021.
    """

    def __init__(
        self,
        size: int,
        landmarks: int,
        *,
        kernel: Literal["gaussian", "softmax"] = "gaussian",
        tokens: Float[Tensor, "rows size"] | None = None,
        causal: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(causal=causal, normalised=kernel == "softmax")
        if kernel not in ("gaussian", "softmax"):
            raise OptionError(f"kernel is {kernel!r}; Nyström attention has gaussian, softmax")
        check_sizes(size, landmarks)
        scale = 1 / math.sqrt(size)
        kind = Rbf(scale / 2) if kernel == "gaussian" else Softmax(scale)
        if tokens is None:
            generator = torch.Generator().manual_seed(seed)
            tokens = torch.randn(landmarks, size, generator=generator)
        self.map = feature_map(kind, size, landmarks, "nystroem", seed=seed, data=tokens)

    def queries(self, q: Tokens) -> Features:
        found: Tensor = self.map(q)
        return found

    def keys(self, k: Tokens) -> Features:
        found: Tensor = self.map(k)
        return found

    def kernel(self, q: Tokens, k: Tokens) -> AttentionWeights:
        return _of_products(self.map.kernel, q, k)


class MultiheadAttention(nn.Module):
    """Self-attention of tokens: linear layers for queries, keys, values and output around a kind.

    `attention` makes it from the size of a head, such as
    `lambda size: FavorAttention(size, 64)`.
    Raises: OptionError when heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, attention: Callable[[int], KernelAttention]) -> None:
        super().__init__()
        if not isinstance(heads, int) or heads < 1 or width % heads:
            raise OptionError(f"heads is {heads!r}; it must be 1 or more and divide {width}")
        self._heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.attention = attention(width // heads)

    def forward(
        self, x: Float[Tensor, "batch tokens width"]
    ) -> Float[Tensor, "batch tokens width"]:
        mixed = self.attention(
            *(self._split(part(x)) for part in (self.query, self.key, self.value))
        )
        found: Tensor = self.output(mixed.transpose(1, 2).flatten(-2))
        return found

    def _split(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self._heads, -1)).transpose(1, 2)


def _check_without_data(sampler: str) -> None:
    if sampler in DATA_SAMPLERS:
        raise OptionError(
            f"sampler {sampler!r} chooses from data, which attention has none of; "
            "NystroemAttention takes tokens"
        )


def _of_products(kernel: Kernel, q: Tokens, k: Tokens) -> AttentionWeights:
    if not isinstance(kernel, Rbf | ArcCosine | Softmax):
        raise InputError(f"there is no attention by the kernel {kernel}")
    squares = k.square().sum(-1).unsqueeze(-2)
    return kernel.of_products(q @ k.transpose(-1, -2), q.square().sum(-1, keepdim=True), squares)


def _unit(x: Tensor) -> Tensor:
    found: Tensor = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1e-30)
    return found
