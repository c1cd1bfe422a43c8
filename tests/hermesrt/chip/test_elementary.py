"""Elementary functions against those in double precision."""

import torch

from hermesrt.chip import elementary


def test_logarithms_are_within_their_last_bits() -> None:
    x = torch.linspace(-80, 80, 100_001, dtype=torch.float64).exp().float()
    near_one = torch.linspace(0.6, 1.6, 100_001)
    for numbers in (x, near_one):
        exact = numbers.double().log()
        wrong = (elementary.log(numbers).double() - exact).abs()
        assert bool((wrong <= 2e-7 * exact.abs().clamp(min=2.0**-20)).all())


def test_exponentials_are_within_their_last_bits_and_cut_off() -> None:
    x = torch.linspace(-87, 87, 100_001)
    exact = x.double().exp()
    assert float((elementary.exp(x).double() / exact - 1).abs().max()) < 1.5e-7
    most, least, one = elementary.exp(torch.tensor([1e3, -1e3, 0.0])).tolist()
    assert most == exact[-1].float() and least == exact[0].float() and one == 1.0


def test_roots_are_correctly_rounded() -> None:
    x = torch.rand(10_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(elementary.root(x), x.double().sqrt().float())
