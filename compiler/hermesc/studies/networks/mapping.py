"""Where the chip's own networks lie and what a sample of each costs, beside what was published."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hermesc.pipeline import Options
from hermesc.studies.mapped_model import mapped_model
from hermesc.studies.networks.models import CaptionLSTM, CharacterLSTM, ResNet9
from hermesrt.artifact.schema import Artifact
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.cost import Cost, LayerCost

_STEPS = 16  # characters or words of an example
Inputs = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the publication.

    name: as published.
    sample: what one sample is.
    weights: on crossbars, as published.
    cores: as published.
    model: builds it.
    inputs: makes two samples.
    """

    name: str
    sample: str
    weights: int
    cores: int
    model: Callable[[], nn.Module]
    inputs: Callable[[], Inputs]


@dataclass(frozen=True, slots=True)
class LayerLine:
    """One matrix of a network.

    layer: the user's name.
    rows, columns: of the matrix.
    tiles: crossbars that it takes.
    vectors: products of a sample.
    latency_ns: from the first product's begin to the last one's end, transfers included.
    energy_nj: of a sample, without what is drawn idle.
    """

    layer: str
    rows: int
    columns: int
    tiles: int
    vectors: int
    latency_ns: float
    energy_nj: float


@dataclass(frozen=True, slots=True)
class NetworkLine:
    """One network.

    name: as published.
    sample: what one sample is.
    weights, published_weights: on crossbars.
    tiles: crossbars with a part of a matrix; small ones share a core.
    cores, published_cores: used.
    analog_share: of the multiply-adds.
    latency_ns: of one sample.
    energy_nj: of one sample.
    layers: each matrix.
    """

    name: str
    sample: str
    weights: int
    published_weights: int
    tiles: int
    cores: int
    published_cores: int
    analog_share: float
    latency_ns: float
    energy_nj: float
    layers: tuple[LayerLine, ...]


def _text(*sizes: int) -> Tensor:
    return torch.zeros(sizes, dtype=torch.int64)


NETWORKS: Sequence[Network] = (
    Network(
        "ResNet-9", "an image of 32x32", 1_866_536, 40, ResNet9,
        lambda: (torch.randn(2, 3, 32, 32),),
    ),
    Network(
        "PTB character LSTM", f"{_STEPS} characters", 1_299_312, 26, CharacterLSTM,
        lambda: (_text(2, _STEPS),),
    ),
    Network(
        "caption LSTM", f"a caption of {_STEPS} words", 4_080_384, 64, CaptionLSTM,
        lambda: (torch.randn(2, 504), _text(2, _STEPS)),
    ),
)  # fmt: skip


def mapped(network: Network, chip: ChipSpec, mode: Mode, options: Options) -> NetworkLine:
    """Compile a network of drawn weights, for neither cores nor time depend on them.

    Raises: CapacityError on a chip that is too small for it.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, inputs = network.model().eval(), network.inputs()
    found = mapped_model(model, inputs, chip, mode, options, network.name)
    return NetworkLine(
        name=network.name,
        sample=network.sample,
        weights=found.weights,
        published_weights=network.weights,
        tiles=found.artifact.tiles,
        cores=found.cores,
        published_cores=network.cores,
        analog_share=found.workload.analog_mac_share,
        latency_ns=found.latency_ns,
        energy_nj=found.energy_nj,
        layers=_layers(found.artifact, found.cost),
    )


def _layers(artifact: Artifact, cost: Cost) -> tuple[LayerLine, ...]:
    matrices = {m.name: m for m in artifact.manifest.matrices}
    costs: dict[str, LayerCost] = {layer.step: layer for layer in cost.layers}
    found = []
    for step in artifact.mvms:
        matrix, layer = matrices[step.matrix], costs[step.name]
        found.append(
            LayerLine(
                layer.label, matrix.rows, matrix.columns, len(matrix.tiles), layer.vectors,
                layer.latency_ps / 1e3, layer.energy_pj / 1e3,
            )
        )  # fmt: skip
    return tuple(found)
