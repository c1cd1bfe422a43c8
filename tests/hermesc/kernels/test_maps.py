"""Feature maps: rates, biases and orders known from the literature; and what is refused."""

import math
import sys
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from hermesc.kernels import (
    ArcCosine,
    FeatureMap,
    Kernel,
    Laplacian,
    Ntk,
    Polynomial,
    Rbf,
    Softmax,
    feature_map,
    samplers_of,
)
from hermesrt.errors import InputError, OptionError

INPUTS = 6
KERNELS: tuple[Kernel, ...] = (
    Rbf(0.3), Laplacian(0.3), ArcCosine(0), ArcCosine(1), ArcCosine(2), Polynomial(2),
    Softmax(0.3), Softmax(0.3, "hyperbolic"), Softmax(0.3, "trigonometric"), Ntk(1), Ntk(2),
)  # fmt: skip
PAIRS = tuple((kernel, sampler) for kernel in KERNELS for sampler in samplers_of(kernel))
SEEDS = 24
SEEDS_OF_MEANS = 64
FEW = 32
FASTER = {"sobol", "halton", "nystroem"}  # than the root of the number
BIASED = {"sorf": -0.1, "spherical": 0.1, "grid": 0.4, "nystroem": 0.5}  # and the least rate
IDS = [f"{kernel}-{sampler}" for kernel, sampler in PAIRS]


UNBIASED = [p for p in PAIRS if p[1] not in BIASED and p[0] != Ntk(2)]


def name(kernel: Kernel, sampler: str) -> str:
    return f"{kernel}-{sampler}"


@pytest.fixture(scope="module")
def points() -> Tensor:
    """24 rows of about the length 1.5."""
    return 0.6 * torch.randn(24, INPUTS, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def data() -> Tensor:
    """Rows for the samplers that choose from data."""
    return 0.6 * torch.randn(300, INPUTS, generator=torch.Generator().manual_seed(1))


class Trials:
    """Estimates of a kernel by maps of different seeds, computed once for all tests."""

    def __init__(self, points: Tensor, data: Tensor) -> None:
        self._points, self._data = points, data
        self.errors = cache(self._errors)

    def estimates(
        self, kernel: Kernel, sampler: str, features: int, seeds: int
    ) -> tuple[Tensor, Tensor]:
        """Of all pairs of different points, (seeds, pairs), and the exact values, (pairs,)."""
        found = []
        for seed in range(seeds):
            phi = feature_map(kernel, INPUTS, features, sampler, seed=seed, data=self._data)
            found.append(_pairs(phi.estimate(self._points, self._points)))
        return torch.stack(found), _pairs(phi.exact(self._points, self._points))

    def _errors(self, kernel: Kernel, sampler: str, features: int) -> float:
        """The median over seeds of the relative error: a few heavy draws do not move it."""
        found, exact = self.estimates(kernel, sampler, features, SEEDS)
        return float(((found - exact).norm(dim=1) / exact.norm()).median())

    def bias(self, kernel: Kernel, sampler: str) -> float:
        """The means over seeds less the kernel, in standard errors: about 1 without a bias."""
        found, exact = self.estimates(kernel, sampler, FEW, SEEDS_OF_MEANS)
        errors = (found.mean(0) - exact) / found.std(0) * math.sqrt(SEEDS_OF_MEANS)
        return float(errors.square().mean().sqrt())


def _pairs(matrix: Tensor) -> Tensor:
    upper = torch.triu(torch.ones_like(matrix), diagonal=1)
    return matrix[upper > 0].double()


@pytest.fixture(scope="module")
def trials(points: Tensor, data: Tensor) -> Trials:
    return Trials(points, data)


@pytest.mark.parametrize(("kernel", "sampler"), PAIRS, ids=IDS)
def test_the_error_falls_with_the_root_of_the_number_of_features(
    kernel: Kernel, sampler: str, trials: Trials
) -> None:
    many = {"nystroem": 256, "grid": 4096, "leverage": 128}.get(sampler, 512)
    many = 256 if isinstance(kernel, Ntk) else many
    few = 64 if sampler == "grid" else FEW
    fall = trials.errors(kernel, sampler, few) / trials.errors(kernel, sampler, many)
    rate = math.log(fall) / math.log(many / few)
    if sampler in FASTER:
        assert rate > 0.5
    elif sampler in BIASED:
        assert rate > BIASED[sampler]
    else:
        assert 0.35 < rate < 0.75


@pytest.mark.parametrize(("kernel", "sampler"), UNBIASED, ids=[name(*p) for p in UNBIASED])
def test_the_mean_over_seeds_is_the_kernel(kernel: Kernel, sampler: str, trials: Trials) -> None:
    assert trials.bias(kernel, sampler) < 1.7


def test_the_test_of_means_sees_a_bias(trials: Trials) -> None:
    assert trials.bias(Rbf(0.3), "sorf") > 3


@pytest.mark.parametrize(
    ("kernel", "better", "worse", "factor"),
    [
        (Rbf(0.3), "orf", "rff", 0.85),
        (Rbf(0.3), "ssf", "orf", 0.95),
        (Rbf(0.3), "sobol", "orf", 0.8),
        (Rbf(0.3), "halton", "orf", 0.9),
        (Rbf(0.3), "nystroem", "sobol", 0.5),
        (ArcCosine(0), "sobol", "rff", 0.7),
        (ArcCosine(1), "orf", "rff", 0.95),
        (ArcCosine(1), "ssf", "rff", 0.9),
        (Softmax(0.3), "orf", "rff", 1.0),
        (Laplacian(0.3), "halton", "rff", 0.85),
    ],
)
def test_orders_that_are_known_hold(
    kernel: Kernel, better: str, worse: str, factor: float, trials: Trials
) -> None:
    assert trials.errors(kernel, better, 128) < factor * trials.errors(kernel, worse, 128)


def test_hyperbolic_features_are_better_than_positive_ones(trials: Trials) -> None:
    found = trials.errors(Softmax(0.3, "hyperbolic"), "rff", 128)
    assert found < 0.8 * trials.errors(Softmax(0.3), "rff", 128)


def test_sorf_is_close_where_there_are_many_inputs() -> None:
    x = torch.randn(40, 60, generator=torch.Generator().manual_seed(0))
    errors = {}
    for sampler in ("rff", "sorf"):
        phi = feature_map(Rbf(0.01), 60, 640, sampler, seed=1)
        exact = phi.exact(x, x)
        errors[sampler] = (phi.estimate(x, x) - exact).norm() / exact.norm()
    assert errors["sorf"] < errors["rff"] < 0.1


def test_a_full_grid_integrates_what_is_smooth_almost_exactly() -> None:
    x = 0.5 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    phi = feature_map(Rbf(0.3), 2, 64, "grid")
    assert (phi.estimate(x, x) - phi.exact(x, x)).abs().max() < 1e-4


def test_spherical_features_meet_the_polynomial_kernel_on_the_sphere(points: Tensor) -> None:
    phi = feature_map(Polynomial(5), INPUTS, 20_000, "spherical", seed=0)
    exact = phi.exact(points, points)
    unit = points / points.norm(dim=-1, keepdim=True)
    assert torch.allclose(exact, Polynomial(5).exact(unit, unit), rtol=1e-5)
    assert (phi.estimate(points, points) - exact).abs().max() < 0.015 * exact.max()
    many = feature_map(Polynomial(10), 784, 16, "spherical", seed=0)
    assert many(torch.ones(2, 784)).isfinite().all()


def test_nystroem_is_exact_between_its_landmarks(data: Tensor) -> None:
    phi = feature_map(Rbf(0.3), INPUTS, 30, "nystroem", data=data[:30])
    assert (phi.estimate(data[:30], data[:30]) - phi.exact(data[:30], data[:30])).abs().max() < 2e-3


@pytest.mark.parametrize("sampler", ["rff", "orf", "sobol", "halton", "leverage"])
def test_a_cut_bounds_the_projection_and_moves_the_estimate_little(
    sampler: str, data: Tensor
) -> None:
    phi = feature_map(Rbf(0.3), INPUTS, 400, sampler, cut=2.0, data=data)
    assert 1.8 < phi.get_buffer("omega").abs().max() <= 2
    full = feature_map(Rbf(0.3), INPUTS, 400, sampler, data=data)
    assert full.get_buffer("omega").abs().max() > 2.4
    mild = feature_map(Rbf(0.3), INPUTS, 400, sampler, cut=3.0, data=data)
    exact = full.exact(data[:50], data[:50])
    errors = [float((m.estimate(data[:50], data[:50]) - exact).norm()) for m in (full, mild)]
    assert errors[1] < 1.5 * errors[0]


@pytest.mark.parametrize(("kernel", "sampler"), PAIRS, ids=IDS)
def test_a_seed_gives_the_same_bits_and_another_seed_others(
    kernel: Kernel, sampler: str, data: Tensor
) -> None:
    features = 64
    torch.manual_seed(5)
    state = torch.get_rng_state()

    def made(seed: int) -> FeatureMap:
        return feature_map(kernel, INPUTS, features, sampler, seed=seed, data=data)

    first, again, other = made(3), made(3), made(4)
    assert torch.equal(first(data), again(data))
    assert torch.equal(first(data), other(data)) == (sampler == "grid")
    assert torch.equal(torch.get_rng_state(), state)
    if sampler not in ("leverage", "nystroem"):
        first.redraw(4)
        assert torch.equal(first(data), other(data))


@pytest.mark.parametrize("inputs", [1, 2, 3, 5, 8, 17])
def test_any_number_of_inputs_and_features_does(inputs: int) -> None:
    for sampler in set(samplers_of(Rbf(1.0))) - {"grid", "leverage", "nystroem"}:
        for features in (1, 7, 30):
            z = feature_map(Rbf(0.1), inputs, features, sampler)(torch.ones(2, inputs))
            assert z.shape == (2, 2 * features)
            assert z.isfinite().all()


DATA = torch.ones(10, 4)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": 0}, "inputs is 0; a feature map needs a whole number of 1 or more"),
        ({"features": 0}, "features is 0"),
        ({"features": 2.5}, "features is 2.5"),
        ({"sampler": "dice"}, "no features of the kernel Rbf by the sampler 'dice'; there are rff"),
        ({"kernel": Laplacian(1.0), "sampler": "orf"}, "Laplacian by the sampler 'orf'"),
        ({"kernel": ArcCosine(0), "sampler": "grid"}, "ArcCosine by the sampler 'grid'"),
        ({"kernel": Polynomial(2), "sampler": "rff"}, "there are rademacher, spherical, nystroem"),
        ({"kernel": Laplacian(1.0), "sampler": "nystroem"}, "Laplacian by the sampler 'nystroem'"),
        ({"kernel": "rbf"}, "there is no kernel 'rbf'; there are Rbf, Laplacian"),
        ({"sampler": "grid", "features": 17}, r"a full grid over 4 inputs has L\^4 points"),
        ({"seed": -1}, "seed is -1"),
        ({"cut": 0.0}, "cut is 0.0; it must be"),
        ({"cut": 3.0, "sampler": "sorf"}, "sampler 'sorf' has no draws to cut"),
        (
            {"kernel": Polynomial(2, gamma=2.0), "sampler": "spherical"},
            r"bias is 1; it must be gamma \(2\)",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(arguments: dict[str, Any], message: str) -> None:
    chosen: dict[str, Any] = {"kernel": Rbf(1.0), "inputs": 4, "features": 8} | arguments
    with pytest.raises(OptionError, match=message):
        feature_map(**chosen)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "'nystroem' chooses from data; give the training rows as data="),
        (torch.ones(10, 3), r"the shape \(10, 3\); it must be rows of 4 inputs"),
        (torch.ones(5, 4), "data has 5 rows; it needs 8 or more"),
    ],
)
def test_data_that_does_not_serve_is_told(data: Tensor | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        feature_map(Rbf(1.0), 4, 8, "nystroem", data=data)


def test_a_map_of_data_cannot_be_redrawn(data: Tensor) -> None:
    phi = feature_map(Rbf(1.0), INPUTS, 8, "nystroem", data=data)
    with pytest.raises(OptionError, match="'nystroem' depends on its data"):
        phi.redraw(1)
    assert "sampler='nystroem'" in repr(phi)


def test_a_package_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(InputError, match=r"'halton' needs the package scipy.*'hermesc\[sklearn\]'"):
        feature_map(Rbf(1.0), 4, 8, "halton")
