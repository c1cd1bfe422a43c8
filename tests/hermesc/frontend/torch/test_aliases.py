"""A weight that two modules hold has the name of the one that runs with it."""

import torch
from torch import Tensor, nn

import hermesc


class Updater(nn.Module):
    """Holds another module and never runs it."""

    def __init__(self, instance: nn.Module) -> None:
        super().__init__()
        self.instance = instance


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
        self.updater = Updater(self.net)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.embed(x)))


def _layers(model: nn.Module) -> list[tuple[str, str]]:
    artifact = hermesc.compile(model, torch.randn(4, 8)).artifact
    return [(artifact.matrices[s.matrix].label, s.location.module) for s in artifact.mvms]


def test_a_shared_module_has_one_name_for_its_layer_and_its_place() -> None:
    assert _layers(Shared()) == [("net.0", "net.0")]


def test_tied_weights_are_called_by_their_first_use() -> None:
    assert _layers(Tied()) == [("embed", "embed"), ("embed", "head")]
