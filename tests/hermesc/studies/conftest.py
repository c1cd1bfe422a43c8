"""A study's folder in small: two datasets, made-up measurements of one ratio and two seeds."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

HEADER = "dataset,kernel,sampler,log2_ratio,seed,metric,fp_or_hw,value"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies keep what they finished in the current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write_measurements() -> Callable[..., None]:
    """Writes chip_measurements.csv for some datasets, every value the same for all seeds."""

    def write(folder: Path, *datasets: str, extra: str = "") -> None:
        values = {("err", "fp"): 0.2, ("err", "hw"): 0.25, ("acc", "fp"): 0.9, ("acc", "hw"): 0.8}
        lines = [HEADER]
        for dataset, kernel, sampler, seed in product(
            datasets, ("rbf", "arccos0"), ("rff", "orf", "sorf"), (0, 1)
        ):
            lines += [
                f"{dataset},{kernel},{sampler},2,{seed},{metric},{where},{value + seed / 100}"
                for (metric, where), value in values.items()
            ]
        (folder / "chip_measurements.csv").write_text("\n".join([*lines, extra]).rstrip() + "\n")

    return write


@pytest.fixture
def folder(tmp_path: Path, write_measurements: Callable[..., None]) -> Path:
    """ijcnn1 with parts, and an unknown dataset `toy` without."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 13))
    split = np.repeat([0, 1, 2], 100)
    np.savez(tmp_path / "ijcnn1.npz", X=x, y=(x[:, 0] > 0).astype(int), split=split)
    x = draw.integers(0, 255, size=(200, 4))
    np.savez(tmp_path / "toy.npz", X=x.astype(np.uint8), y=np.where(x[:, 1] > 127, "h", "g"))
    attention = "attention,softmax,favor+,1,0,err,fp,0.1"
    write_measurements(tmp_path, "ijcnn1", "toy", extra=attention)
    return tmp_path
