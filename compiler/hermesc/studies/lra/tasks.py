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
from hermesc.studies.lra.model import PerformerShape, Tokens
from hermesc.studies.lra.pathfinder import PathfinderLimits

Task = Literal["listops", "text", "retrieval", "images", "pathfinder"]
SizeName = Literal["tiny", "small", "public"]
LEVELS = 256  # of grey, and of a byte
TASKS: tuple[Task, ...] = get_args(Task)
SIZES: tuple[SizeName, ...] = get_args(SizeName)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a task is, and how long it trains.

    length: tokens of a sequence, at most.
    train, test: examples.
    epochs: in FP32.
    tuned: examples that it sees while it learns for the chip.
    batch: examples of a step.
    rate: largest learning rate in FP32.
    patch: pixels of a side of the square that makes a token of an image.
    """

    length: int
    train: int
    test: int
    epochs: int
    tuned: int
    batch: int = 32
    rate: float = 2e-3
    patch: int = 1


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

    def tokens(self, length: int, patch: int) -> Tokens:
        """What its model reads; few photographs are learned by heart through tables of levels."""
        learned = patch == 1 or self.classes == 2
        return Tokens(self.vocabulary, length, self.padded, patch, learned)


ARENA: Mapping[Task, Arena] = {
    "listops": Arena(
        len(VOCABULARY) + 1, 10, True, 1, PerformerShape(), 37.50, 38.85, (1, 2),
        {
            "tiny": Size(24, 96, 32, 1, 64),
            "small": Size(64, 12_000, 500, 1, 4000),
            "public": Size(2000, 96_000, 2000, 10, 192_000),
        },
    ),
    "text": Arena(
        LEVELS, 2, True, 1, PerformerShape(), 66.21, 65.58, (1, 2),
        {
            "tiny": Size(48, 96, 32, 1, 64),
            "small": Size(1024, 4000, 300, 1, 800, 16),
            "public": Size(4000, 25_000, 25_000, 20, 100_000),
        },
    ),
    "retrieval": Arena(
        LEVELS, 2, True, 2, PerformerShape(feed=64, hidden=512), 77.86, 78.34, (1, 8),
        {
            "tiny": Size(48, 96, 32, 1, 64),
            "small": Size(128, 4000, 300, 1, 1000),
            "public": Size(4000, 147_086, 17_437, 5, 147_086),
        },
    ),
    "images": Arena(
        LEVELS, 10, False, 1, PerformerShape(), 46.11, 46.04, (1, 2),
        {
            "tiny": Size(16, 96, 32, 1, 64, patch=2),
            "small": Size(64, 4000, 500, 5, 4000, patch=4),
            "public": Size(1024, 50_000, 10_000, 50, 500_000),
        },
    ),
    "pathfinder": Arena(
        LEVELS, 2, False, 1, PerformerShape(1, 128, 8, hidden=256), 70.74, 72.19, (1, 8),
        {
            "tiny": Size(25, 96, 32, 1, 64, patch=2),
            "small": Size(16, 24_000, 4000, 4, 24_000, 64, 1e-3, patch=4),
            "public": Size(1024, 160_000, 20_000, 20, 640_000),
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
