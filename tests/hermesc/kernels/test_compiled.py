"""Every module on the chip: its projections are analog, and an ideal chip equals torch."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

import hermesc
from hermesc.kernels import (
    ArcCosine,
    CosformerAttention,
    FavorAttention,
    Kernel,
    KernelAttention,
    Laplacian,
    LinearAttention,
    MultiheadAttention,
    Ntk,
    NystroemAttention,
    Polynomial,
    RandomFeatureAttention,
    Rbf,
    Softmax,
    feature_map,
    fit_gaussian_process,
    fit_ridge,
    fit_ridge_classifier,
    fit_svm,
    samplers_of,
)
from hermesrt.program import Program

INPUTS, FEATURES, SIZE = 6, 16, 8
X = 0.6 * torch.randn(40, INPUTS, generator=torch.Generator().manual_seed(0))
TOKENS = 0.6 * torch.randn(4, 5, 2 * SIZE, generator=torch.Generator().manual_seed(1))

# One map of each kind of module and of each kernel, with the fixed matrices that each holds.
MAPS: tuple[tuple[Kernel, str, Sequence[str]], ...] = (
    *((Rbf(0.1), s, ("omega",)) for s in samplers_of(Rbf(0.1)) if s not in ("grid", "nystroem")),
    (Rbf(0.1), "nystroem", ("omega", "root")),
    (Laplacian(0.1), "rff", ("omega",)),
    (ArcCosine(0), "sorf", ("omega",)),
    (ArcCosine(1), "orf", ("omega",)),
    (ArcCosine(2), "orf", ("omega",)),
    (Polynomial(3), "rademacher", ("omega",)),
    (Polynomial(3), "spherical", ("omega",)),
    (Softmax(0.3), "orf", ("omega",)),
    (Softmax(0.3, "hyperbolic"), "orf", ("omega",)),
    (Softmax(0.3, "trigonometric"), "orf", ("omega",)),
    (Ntk(1), "orf", ("relu_0", "step_0", "left_0", "right_0")),
    (Ntk(2), "rff", tuple(f"{n}_{i}" for n in ("relu", "step", "left", "right") for i in (0, 1))),
)
ATTENTION: dict[str, tuple[Callable[[int], KernelAttention], int]] = {
    "favor positive": (lambda size: FavorAttention(size, 16), 1),
    "favor hyperbolic": (lambda size: FavorAttention(size, 16, form="hyperbolic"), 1),
    "favor trigonometric": (lambda size: FavorAttention(size, 16, form="trigonometric"), 1),
    "favor relu": (lambda size: FavorAttention(size, 16, form="relu"), 1),
    "random features": (lambda size: RandomFeatureAttention(size, 16), 1),
    "linear": (lambda size: LinearAttention(), 0),
    "cosformer": (lambda size: CosformerAttention(5), 0),
    "nystroem": (lambda size: NystroemAttention(size, 16), 2),
    "nystroem softmax": (lambda size: NystroemAttention(size, 16, kernel="softmax"), 2),
}


def ideal(program: Program, *inputs: Tensor) -> Tensor:
    """The first output of a chip without any non-ideality."""
    found = program.deploy(hermesc.simulate(seed=0)).configure(ideal=True)(*inputs)
    return found if isinstance(found, Tensor) else found[0]


def close(found: Tensor, wanted: Tensor) -> bool:
    return bool((found - wanted).norm() <= 3e-5 * wanted.norm())


def labels_of(program: Program) -> set[str]:
    return {matrix.label.rpartition(".")[2] for matrix in program.artifact.manifest.matrices}


def analog(program: Program) -> int:
    return program.artifact.count("analog")


@pytest.mark.parametrize(
    ("kernel", "sampler", "matrices"), MAPS, ids=[f"{kernel}-{s}" for kernel, s, _ in MAPS]
)
def test_a_map_has_all_its_projections_on_crossbars(
    kernel: Kernel, sampler: str, matrices: Sequence[str]
) -> None:
    phi = feature_map(kernel, INPUTS, FEATURES, sampler, seed=0, data=X)
    program = hermesc.compile(phi, X[:8], calibration=X)
    assert labels_of(program) == set(matrices)
    assert analog(program) == len(matrices)
    assert close(ideal(program, X), phi(X))


def test_every_map_can_be_exported() -> None:
    for kernel in (Rbf(0.1), ArcCosine(1), Softmax(0.3), Polynomial(2), Ntk(1)):
        for sampler in samplers_of(kernel):
            phi = feature_map(kernel, INPUTS, 64, sampler, seed=0, data=X.repeat(2, 1))
            exported = torch.export.export(phi, (X[:8],)).module()
            assert torch.equal(exported(X[:8]), phi(X[:8]))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", ATTENTION)
def test_attention_has_its_layers_and_projections_on_crossbars(kind: str, causal: bool) -> None:
    make, fixed = ATTENTION[kind]
    torch.manual_seed(0)
    model = MultiheadAttention(2 * SIZE, 2, make).eval()
    model.attention.causal = causal
    program = hermesc.compile(model, TOKENS, calibration=TOKENS)
    # Four linear layers; queries and keys meet each matrix of the map once each.
    assert analog(program) == 4 + 2 * fixed
    assert len(program.artifact.manifest.matrices) == 4 + fixed
    assert close(ideal(program, TOKENS), model(TOKENS))


def test_attention_alone_compiles_and_its_tokens_stay_free() -> None:
    model = FavorAttention(SIZE, 16, causal=True)
    q, k, v = (0.5 * torch.randn(2, 2, 5, SIZE) for _ in range(3))
    tokens = torch.export.Dim("tokens", min=2, max=64)
    program = hermesc.compile(model, (q, k, v), dynamic_shapes=({2: tokens},) * 3)
    longer = tuple(0.5 * torch.randn(3, 2, 9, SIZE) for _ in range(3))
    assert close(ideal(program, *longer), model(*longer))


@pytest.mark.parametrize("kind", ["ridge", "classifier", "svm", "process"])
def test_a_machine_has_map_and_head_on_crossbars(kind: str) -> None:
    phi = feature_map(Rbf(0.1), INPUTS, FEATURES, "orf")
    z, classes = phi(X), X[:, :3].argmax(1)
    head: nn.Module = {
        "ridge": lambda: fit_ridge(z, X.sum(1)),
        "classifier": lambda: fit_ridge_classifier(z, classes),
        "svm": lambda: fit_svm(z, classes),
        "process": lambda: fit_gaussian_process(z, X.sum(1)),
    }[kind]()
    model = nn.Sequential(phi, head)
    program = hermesc.compile(model, X[:8], calibration=X)
    assert analog(program) == (3 if kind == "process" else 2)
    wanted = model(X)
    assert close(ideal(program, X), wanted[0] if kind == "process" else wanted)


def test_the_real_chip_keeps_the_kernel_within_its_noise() -> None:
    phi = feature_map(Rbf(0.1), INPUTS, 128, "orf", cut=3.0)
    chip = hermesc.compile(phi, X[:8], calibration=X).deploy(hermesc.simulate(seed=0))
    found, exact = chip(X) @ chip(X).T, phi.exact(X, X)
    error = (found - exact).norm() / exact.norm()
    assert (phi.estimate(X, X) - exact).norm() / exact.norm() < error < 0.15
