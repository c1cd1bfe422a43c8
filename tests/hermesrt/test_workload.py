"""Counts from shapes alone."""

import torch
from torch import Tensor, nn

import hermesc
from hermesrt.workload import HostWork, MvmWork, workload


class Attention(nn.Module):
    """One fixed product for each token, and a product of activations."""

    def __init__(self) -> None:
        super().__init__()
        self.key = nn.Linear(8, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        k = self.key(x)
        return k.transpose(1, 2) @ x


def test_vectors_and_products_are_counted_for_one_sample() -> None:
    shapes = ({0: torch.export.Dim.AUTO, 1: torch.export.Dim("tokens", min=2, max=4096)},)
    program = hermesc.compile(Attention(), torch.randn(3, 5, 8), dynamic_shapes=shapes)
    for tokens in (5, 4096):
        found = workload(program.artifact, {"x": (100, tokens, 8)})
        vectors = [w.vectors for w in found.work if isinstance(w, MvmWork)]
        assert vectors == [tokens]
        assert found.analog_macs == tokens * 8 * 4
        assert found.digital_macs == 4 * tokens * 8
        assert found.analog_mac_share == 0.5


def test_host_work_counts_the_elements_it_makes() -> None:
    class Cosine(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x.cos(), x.chunk(2, 1)[0]], 1)

    program = hermesc.compile(Cosine(), torch.randn(3, 6))
    found = {w.step.op: w.elements for w in program.workload().work if isinstance(w, HostWork)}
    assert found["aten.cos.default"] == 6
    assert found["aten.cat.default"] == 9
