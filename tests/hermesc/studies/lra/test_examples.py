"""Examples that are drawn, and those of a folder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hermesc.studies.lra.examples import examples
from hermesc.studies.lra.tasks import ARENA, TASKS
from hermesrt.errors import InputError


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_small_set_of_its_own(task: str) -> None:
    arena, found = ARENA[task], examples(task, "tiny", None)  # type: ignore[index, arg-type]
    size = arena.sizes["tiny"]
    assert (found.learned.count, found.tested.count) == (size.train, size.test)
    assert found.length <= size.length
    assert len(found.learned.inputs) == arena.inputs
    highest = max(int(x.max()) for x in found.learned.inputs.values())
    assert highest < arena.vocabulary * found.patch**2
    assert int(found.learned.labels.max()) < arena.classes
    assert found.digest == examples(task, "tiny", None).digest  # type: ignore[arg-type]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (150, 256)).astype(np.uint8)
    split = np.repeat([0, 1], [100, 50])
    np.savez(tmp_path / "cifar10-gray-5k.npz", X=x, y=np.arange(150) % 10, split=split)
    return tmp_path


def test_images_shrink_and_a_token_is_a_square_of_pixels(images: Path) -> None:
    found = examples("images", "tiny", images)  # 8x8 pixels in squares of 2x2
    tokens = found.tested.inputs["tokens"]
    assert tokens.shape == (32, 16, 4)
    assert (tokens // 256 == torch.arange(4)).all()
    levels = (tokens % 256).reshape(32, 4, 4, 2, 2).permute(0, 1, 3, 2, 4).reshape(32, 8, 8)
    with np.load(images / "cifar10-gray-5k.npz") as held:
        raw = torch.from_numpy(held["X"][100:]).float().reshape(-1, 1, 16, 16)
    small = torch.nn.functional.avg_pool2d(raw, 2)[:, 0].round().long()
    assert all((image == small).flatten(1).all(1).any() for image in levels)


def test_training_images_come_mirrored_too(images: Path) -> None:
    found = examples("images", "tiny", images).learned
    first, mirror = (found.inputs["tokens"][i] % 256 for i in (0, found.count // 2))
    whole = [t.reshape(4, 4, 2, 2).permute(0, 2, 1, 3).reshape(8, 8) for t in (first, mirror)]
    assert torch.equal(whole[0].flip(1), whole[1])
    assert found.labels[0] == found.labels[found.count // 2]


def test_the_public_size_needs_the_public_files() -> None:
    with pytest.raises(InputError, match="give the folder of the public files of text by --data"):
        examples("text", "public", None)
