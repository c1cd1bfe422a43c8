"""Model files, written by a test."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def model_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write a model file: model_file("model = ...")."""

    def write(text: str, name: str = "model.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
