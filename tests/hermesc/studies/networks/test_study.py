"""hermesc study networks, end to end, on few epochs of small networks."""

import csv
import json
from typing import Any

import pytest
import torch

from hermesc.studies.jobs.execution import Execution
from hermesc.studies.networks.examples import images
from hermesc.studies.networks.learning import trained, tuned
from hermesc.studies.networks.models import ResNet9
from hermesc.studies.networks.study import study_networks
from hermesc.training import settle_norms
from hermesrt.chip.load import load_chip

from ....command_line import exit_code


def study(*words: object) -> int:
    return exit_code("study", "networks", *words)


def test_the_mapping_alone_trains_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert study("--only", "mapping", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] == []
    assert [n["published_cores"] for n in found["networks"]] == [40, 26, 64]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command says of both tasks, its files beside it."""
    folder = tmp_path_factory.mktemp("networks")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("hermesc.studies.networks.study.NETWORKS", ())  # mapped by other tests
        study = study_networks(
            width=2, hidden=8, epochs=1, chips=2, output=folder / "chips.csv",
            execution=Execution(jobs=1, cells=folder / "cells"),
        )  # fmt: skip
    return {"study": study, "folder": folder}


def test_each_network_is_read_on_chips_of_both_kinds_of_cells(both: dict[str, Any]) -> None:
    lines = both["study"].accuracy
    assert [line.task for line in lines] == ["images", "characters"]
    assert all(0 <= line.two.mean <= 1 for line in lines[:1])
    assert lines[1].one.mean > 0
    text = str(both["study"])
    assert "digits" in text
    assert "1.456" in text
    assert "92.23 %" in text


def test_every_chip_is_a_line_of_the_csv(both: dict[str, Any]) -> None:
    with (both["folder"] / "chips.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2
    assert {row["devices"] for row in rows} == {"1", "2"}
    assert len({row["on_chip"] for row in rows}) > 2


def test_training_learns_keeps_names_and_settles_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    data = images(None)
    model = ResNet9(4, channels=1)
    names = list(model.state_dict())
    model = trained(model, data, 4, 0)
    with torch.no_grad():
        right = (model(data.test).argmax(1) == data.test_targets).float().mean()
    assert right > 0.6
    before, means = model.head.weight.detach().clone(), []

    def settle(hardened: Any, inputs: Any) -> None:
        means.append(hardened.state_dict()["first.1.running_mean"].clone())
        settle_norms(hardened, inputs)
        means.append(hardened.state_dict()["first.1.running_mean"].clone())

    monkeypatch.setattr("hermesc.studies.networks.learning.settle_norms", settle)
    tuned(model, data, load_chip("hermes"), 1, 0)
    assert list(model.state_dict()) == names
    assert not torch.equal(model.head.weight, before)
    assert not torch.equal(*means)
    assert torch.equal(model.state_dict()["first.1.running_mean"], means[1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "nowhere"), "nowhere/cifar10-gray-5k.npz"),
        (("-o", "nowhere/x.csv"), "nowhere"),
        (("--only", "mapping", "--chip", "none"), "none"),
    ],
)
def test_bad_input_is_refused_before_training(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study(*words) == 2
    assert message in capsys.readouterr().err
