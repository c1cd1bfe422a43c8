"""Predictive means of gpytorch's processes compile as they are."""

import pytest
import torch
from torch import Tensor, nn

import hermesc

g = pytest.importorskip("gpytorch", reason="gpytorch is not installed")


class _Mean(nn.Module):
    def __init__(self, process) -> None:
        super().__init__()
        self.process = process

    def forward(self, x: Tensor) -> Tensor:
        return self.process(x).mean


def _exact(kernel):
    x = torch.rand(40, 4)

    class Process(g.models.ExactGP):
        def __init__(self) -> None:
            super().__init__(x, torch.sin(3 * x.sum(1)), g.likelihoods.GaussianLikelihood())
            self.mean_module = g.means.ConstantMean()
            self.covar_module = g.kernels.ScaleKernel(kernel)

        def forward(self, x: Tensor):
            return g.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    return Process()


def _variational():
    class Process(g.models.ApproximateGP):
        def __init__(self) -> None:
            spread = g.variational.CholeskyVariationalDistribution(16)
            super().__init__(g.variational.VariationalStrategy(self, torch.rand(16, 4), spread))
            self.mean_module = g.means.ConstantMean()
            self.covar_module = g.kernels.ScaleKernel(g.kernels.RBFKernel())

        def forward(self, x: Tensor):
            return g.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    made = Process()
    made.variational_strategy._variational_distribution.variational_mean.data.normal_()
    made.variational_strategy.variational_params_initialized.fill_(1)
    return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: _exact(g.kernels.RBFKernel()),
        lambda: _exact(g.kernels.RFFKernel(num_samples=32, num_dims=4)),
        _variational,
    ],
    ids=["exact, RBF", "exact, random features", "variational"],
)
@pytest.mark.filterwarnings("ignore")
def test_a_predictive_mean_is_gpytorchs_own(make):
    torch.manual_seed(0)
    net = _Mean(make()).eval()
    program = hermesc.compile(net, torch.rand(5, 4))
    x = torch.rand(9, 4)
    y = program.deploy(hermesc.simulate("hermes")).configure(ideal=True)(x)
    with torch.no_grad():
        wanted = net(x)
    assert wanted.std() > 0.01
    assert torch.allclose(y, wanted, rtol=1e-5, atol=1e-5)
    assert any("compares inputs with other data" in n for n in program.artifact.manifest.notes)
