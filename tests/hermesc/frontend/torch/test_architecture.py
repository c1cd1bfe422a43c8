"""Modules of one architecture are exported once, and compile to what each compiles to alone."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from hermesc.api.compiling import prepare
from hermesc.frontend.torch import architecture
from hermesc.frontend.torch.architecture import OncePerArchitecture
from hermesc.kernels import FavorAttention
from hermesc.pipeline import Options
from hermesc.studies.experiment.measure import ProjectionModule
from hermesrt.chip.load import load_chip

CHIP = load_chip("hermes")
Exporting = Callable[..., object]


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[nn.Module]]:
    """The modules that torch.export has seen."""
    seen: list[nn.Module] = []
    original = architecture.export

    def export(model: nn.Module, *rest: object) -> object:
        seen.append(model)
        return original(model, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(architecture, "export", export)
    yield seen


class Tied(nn.Module):
    """One weight under two names, a batch norm, a buffer that no file keeps, a folded product."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.norm = nn.BatchNorm1d(6)
        self.register_buffer("shift", torch.rand(6, generator=draw), persistent=False)
        for t in self.state_dict().values():
            if t.is_floating_point():
                t.copy_(torch.rand(t.shape, generator=draw))
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.first(x) + self.shift.cos())
        found: Tensor = self.second(y)
        return found


class Scaled(nn.Module):
    """A layer after which stands what an attribute or a buffer says."""

    def __init__(self, number: object, flag: float = 1.0, *, asks: bool = False) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.number, self.asks = number, asks
        self.register_buffer("flag", torch.tensor(flag))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x) * self.number
        return -y if self.asks and self.flag > 0 else y


def _attention(seed: int) -> nn.Module:
    found = FavorAttention(8, 15)
    found.map.get_buffer("omega").normal_(generator=torch.Generator().manual_seed(seed))
    return found


def _bits(module: nn.Module, inputs: list[Tensor], exporter: Exporting | None = None) -> str:
    own = {} if exporter is None else {"exporter": exporter}
    return prepare(module, inputs, None, None, "m", **own).compiled(CHIP, Options()).sha256


@pytest.mark.parametrize(
    ("made", "shapes"),
    [
        (lambda seed: ProjectionModule(torch.randn(5, 9) + seed), [(8, 5)]),
        (Tied, [(8, 6)]),
        (_attention, [(4, 6, 8)] * 3),
    ],
    ids=["projection", "tied", "attention"],
)
def test_a_module_of_a_known_architecture_gives_the_same_bits_without_an_export(
    made: Callable[[int], nn.Module], shapes: list[tuple[int, ...]], exports: list[nn.Module]
) -> None:
    inputs, once = [torch.randn(shape) for shape in shapes], OncePerArchitecture()
    first, second = made(0).eval(), made(1).eval()
    other = _bits(first, inputs, once)
    assert _bits(second, inputs, once) == _bits(second, inputs) != other
    assert exports == [first]


@pytest.mark.parametrize(
    ("second", "rows"),
    [(Scaled(2.0), 3), (Scaled(1), 3), (Scaled(1.0), 4), (Scaled(1.0, asks=True), 3)],
    ids=["a number", "its type", "the shape", "a switch"],
)
def test_another_attribute_or_shape_is_another_architecture(
    second: nn.Module, rows: int, exports: list[nn.Module]
) -> None:
    once, first = OncePerArchitecture(), Scaled(1.0)
    _bits(first, [torch.randn(3, 4)], once)
    _bits(second, [torch.randn(rows, 4)], once)
    assert exports == [first, second]


def test_a_graph_that_numbers_of_the_module_decided_is_not_given_again(
    exports: list[nn.Module],
) -> None:
    once, x = OncePerArchitecture(), [torch.randn(3, 4)]
    for module in (Scaled(1.0, 1.0, asks=True), Scaled(1.0, -1.0, asks=True)):
        assert _bits(module, x, once) == _bits(module, x)
    assert len(exports) == 2


@pytest.mark.parametrize("held", [torch.ones(4), object()], ids=["a tensor", "an object"])
def test_an_attribute_that_is_no_plain_data_is_not_compared(held: object) -> None:
    module = Scaled(1.0)
    module.held = held  # type: ignore[assignment]
    assert architecture.architecture(module) is None
    del module.held
    assert architecture.architecture(module) == architecture.architecture(Scaled(1.0))
