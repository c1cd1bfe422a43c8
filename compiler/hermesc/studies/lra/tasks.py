"""The five tasks of the arena: their models, sizes, and what was published of them.

Sizes: `tiny` for tests, `small` for two processors, `public` as the benchmark has it (some days on
two processors; a machine with a GPU is better). Accuracies are those of the public code's own
re-runs, for the publication's table was not at hand; it says that the chip stays within a point.
Source: Büchel et al., Nature Machine Intelligence 6, 1605 (2024): its code and mapping files; Tay
et al. 2021 (lengths and numbers of examples).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from hermesc.studies.lra.listops import VOCABULARY, ListOpsLimits
from hermesc.studies.lra.model import PerformerShape
from hermesc.studies.lra.pathfinder import PathfinderLimits

Task = Literal["listops", "text", "retrieval", "images", "pathfinder"]
SizeName = Literal["tiny", "small", "public"]
TASKS: tuple[Task, ...] = get_args(Task)
SIZES: tuple[SizeName, ...] = get_args(SizeName)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a task is, and how long it trains.

    length: tokens of an example, at most.
    train, test: examples.
    epochs: in FP32.
    tuned: epochs for the chip.
    batch: examples of a step.
    rate: largest learning rate in FP32.
    """

    length: int
    train: int
    test: int
    epochs: int
    tuned: int
    batch: int = 32
    rate: float = 2e-3


@dataclass(frozen=True, slots=True)
class Arena:
    """A task.

    vocabulary: numbers of tokens, padding among them.
    classes: of its labels.
    padded: whether examples differ in length.
    inputs: sequences of an example.
    shape: of its model.
    fp, aware: published accuracies in FP32, per cent: of the plain and of the hardware-aware model.
    cores: published cores: attention alone, and all stationary weights.
    sizes: by name.
    """

    vocabulary: int
    classes: int
    padded: bool
    inputs: int
    shape: PerformerShape
    fp: float
    aware: float
    cores: tuple[int, int]
    sizes: Mapping[SizeName, Size]


ARENA: Mapping[Task, Arena] = {
    "listops": Arena(
        len(VOCABULARY) + 1, 10, True, 1, PerformerShape(), 37.50, 38.85, (1, 2),
        {
            "tiny": Size(24, 96, 32, 1, 1),
            "small": Size(64, 20_000, 1000, 2, 1, 64),
            "public": Size(2000, 96_000, 2000, 10, 2),
        },
    ),
    "text": Arena(
        256, 2, True, 1, PerformerShape(), 66.21, 65.58, (1, 2),
        {
            "tiny": Size(48, 96, 32, 1, 1),
            "small": Size(1024, 8000, 500, 1, 1, 16),
            "public": Size(4000, 25_000, 25_000, 20, 4),
        },
    ),
    "retrieval": Arena(
        256, 2, True, 2, PerformerShape(feed=64, hidden=512), 77.86, 78.34, (1, 8),
        {
            "tiny": Size(48, 96, 32, 1, 1),
            "small": Size(128, 6000, 500, 1, 1),
            "public": Size(4000, 147_086, 17_437, 5, 1),
        },
    ),
    "images": Arena(
        256, 10, False, 1, PerformerShape(), 46.11, 46.04, (1, 2),
        {
            "tiny": Size(64, 96, 32, 1, 1),
            "small": Size(256, 4000, 500, 10, 2),
            "public": Size(1024, 50_000, 10_000, 50, 10),
        },
    ),
    "pathfinder": Arena(
        256, 2, False, 1, PerformerShape(1, 128, 8, hidden=256), 70.74, 72.19, (1, 8),
        {
            "tiny": Size(100, 96, 32, 1, 1),
            "small": Size(256, 12_000, 500, 2, 1),
            "public": Size(1024, 160_000, 20_000, 20, 4),
        },
    ),
}  # fmt: skip
LISTOPS: Mapping[SizeName, ListOpsLimits] = {
    "tiny": ListOpsLimits(5, 24),
    "small": ListOpsLimits(7, 64),
    "public": ListOpsLimits(),
}
PATHFINDER: Mapping[SizeName, PathfinderLimits] = {
    "tiny": PathfinderLimits(10, 2, 0),
    "small": PathfinderLimits(16, 2, 1),
    "public": PathfinderLimits(32, 14, 5),
}
