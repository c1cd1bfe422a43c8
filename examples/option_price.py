"""The price of an option by a network of random features on the chip.

A call on the geometric mean of several assets in the Black-Scholes model: the hidden weights are
drawn once and never trained, the output weights learn from simulated payoffs, without and with the
noise of the chip. The exact price is known, so errors are those of the price itself. Source: Gonon,
Random feature neural networks learn Black-Scholes type PDEs without curse of dimensionality, JMLR
24 (2023).
"""

import copy
import math

import torch
from torch import Tensor, nn

import hermesc
from hermesc.training import harden, program_of

ASSETS, FEATURES, STEPS, CHIPS = 5, 256, 400, 3
STRIKE, YEARS, RATE, VOLATILITY = 1.0, 1.0, 0.02, 0.3


class RandomFeatures(nn.Module):
    """W relu(A x + b): A and b are fixed draws, W learns."""

    def __init__(self, unit: float) -> None:
        super().__init__()
        self._unit = unit  # of prices, so that weights are of order 1
        self.register_buffer("weight", torch.randn(ASSETS, FEATURES) / math.sqrt(ASSETS))
        self.register_buffer("bias", torch.randn(FEATURES) / 2)
        self.head = nn.Linear(FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Prices [batch] of logarithms of spot prices [batch, assets]."""
        price: Tensor = self.head((x @ self.weight + self.bias).relu()).squeeze(-1)
        return price * self._unit


def main() -> None:
    """Print the error of both networks' prices in FP32 and on the chip."""
    torch.manual_seed(0)
    x, test = (torch.rand(n, ASSETS) * 2 - 1 for n in (4096, 1024))
    paid, price = payoffs(x, 32), exact_price(test)
    first = RandomFeatures(float(paid.std()))
    for recipe in ("none", "joshi"):
        model = harden(copy.deepcopy(first), x[:64], recipe=recipe, calibration=x[:512])
        train(model, x, paid)
        plain = copy.deepcopy(first)
        plain.load_state_dict(model.state_dict())
        program = program_of(model)
        chips = [program.deploy(hermesc.simulate(seed=s)) for s in range(CHIPS)]
        found = torch.tensor([error(chip(test), price) for chip in chips])
        with torch.no_grad():
            exact = error(plain(test), price)
        print(
            f"price of an option, recipe {recipe}: error in FP32 {exact:.1f} %, "
            f"on the chip {found.mean():.1f} ± {found.std():.1f} %"
        )


def train(model: nn.Module, x: Tensor, paid: Tensor) -> None:
    """Least squares of simulated payoffs; the hidden weights are buffers and stay."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step in range(STEPS):
        rows = torch.randint(len(x), (256,), generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss = (model(x[rows]) - paid[rows]).square().mean() / paid.var()
        loss.backward()
        optimizer.step()
        schedule.step()


def payoffs(x: Tensor, paths: int) -> Tensor:
    """Discounted payoffs, the mean of some paths for each spot."""
    drift = (RATE - VOLATILITY**2 / 2) * YEARS
    moves = torch.randn(len(x), paths, ASSETS) * (VOLATILITY * math.sqrt(YEARS))
    mean = (0.3 * x[:, None] + drift + moves).mean(-1).exp()
    return math.exp(-RATE * YEARS) * (mean - STRIKE).clamp(min=0).mean(1)


def exact_price(x: Tensor) -> Tensor:
    """The Black-Scholes price: the geometric mean is lognormal too."""
    spread = VOLATILITY * math.sqrt(YEARS / ASSETS)
    centre = 0.3 * x.mean(1) + (RATE - VOLATILITY**2 / 2) * YEARS - math.log(STRIKE)
    normal = torch.distributions.Normal(0.0, 1.0)
    forward = (centre + spread**2 / 2).exp() * normal.cdf((centre + spread**2) / spread)
    return math.exp(-RATE * YEARS) * STRIKE * (forward - normal.cdf(centre / spread))


def error(found: Tensor, price: Tensor) -> float:
    """Root mean square error relative to the root mean square price, per cent."""
    return 100 * float((found - price).square().mean().sqrt() / price.square().mean().sqrt())


if __name__ == "__main__":
    main()
