"""Weights of a file into a model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hermesc.frontend.request import ModelSource
from hermesc.frontend.weights import with_weights
from hermesrt.errors import InputError, ModelError

X = torch.zeros(2, 3)


def given(path: Path, held: Any) -> ModelSource:
    torch.save(held, path)
    return with_weights(ModelSource(nn.Linear(3, 2), (X,), "net"), path)


def test_a_state_dictionary_is_taken(tmp_path: Path) -> None:
    wanted = nn.Linear(3, 2).state_dict()
    source = given(tmp_path / "w.pt", wanted)
    assert isinstance(source.model, nn.Module)
    assert torch.equal(source.model.state_dict()["weight"], wanted["weight"])


def test_what_is_no_state_dictionary_of_the_model_is_refused(tmp_path: Path) -> None:
    own = nn.Linear(3, 2).state_dict()
    with pytest.raises(InputError, match="tensors by name"):
        given(tmp_path / "w.pt", own | {3: torch.zeros(1)})
    with pytest.raises(ModelError, match=r"weight is torch\.complex64"):
        given(tmp_path / "w.pt", own | {"weight": torch.zeros(2, 3, dtype=torch.complex64)})
    with pytest.raises(ModelError, match=r"not the weights of this model.*the same model"):
        given(tmp_path / "w.pt", own | {"weight": torch.zeros(2, 4)})
