"""hermesc study lra, end to end on a tiny set; a training that was stopped goes on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hermesc.studies.experiment.measure import Setup
from hermesc.studies.jobs.execution import Execution
from hermesc.studies.lra import parts
from hermesc.studies.lra.parts import NONE, Source, TrainingJob, options_of, train
from hermesc.studies.lra.study import study_lra
from hermesrt.chip.load import load_chip

from ....command_line import exit_code


def study(*words: object) -> int:
    return exit_code("study", "lra", *words)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A study, and the same again from what was kept."""
    cells = tmp_path_factory.mktemp("lra") / "cells"
    seen: list[tuple[int, int]] = []
    place = Execution(jobs=1, cells=cells, progress=lambda done, total: seen.append((done, total)))
    chosen: dict[str, Any] = {
        "tasks": ("pathfinder",), "size": "tiny", "chips": 2, "costs": "tiny", "execution": place,
    }  # fmt: skip
    first = study_lra(**chosen)
    again = study_lra(**chosen | {"costs": None})
    return {"first": first, "again": again, "cells": cells, "seen": seen}


def test_a_task_is_trained_and_tested_with_attention_alone_and_with_all_weights(
    found: dict[str, Any],
) -> None:
    (line,) = found["first"].accuracy
    (scores,) = line.seeds
    assert len(scores.attention) == len(scores.plain) == len(scores.chip) == 2
    assert scores.steps == (3, 2)
    assert all(0 <= s.mean <= 100 for s in (line.fp, line.aware, line.chip))
    text = str(found["first"])
    assert "published FP32" in text
    assert "70.74" in text
    assert "2x2" in text


def test_cores_are_those_published_for_attention_alone_and_for_layers_spread_out(
    found: dict[str, Any],
) -> None:
    lines = {line.placement: line for line in found["first"].mapping}
    assert lines["attention"].cores == lines["attention"].published_cores == 1
    assert lines["spread"].cores == lines["spread"].published_cores == 8
    assert lines["all"].cores <= 3
    assert lines["attention"].analog_share < lines["all"].analog_share
    assert lines["all"].a100_ns > lines["all"].a100_peak_ns > 0


def test_a_recipes_own_share_of_the_rate_is_not_made_smaller_once_more() -> None:
    """`paper` trains at a tenth of the rate in FP32, as published; others at a share of ours."""
    rates = {r: options_of("text", "small", 0, r).learning_rate for r in (NONE, "paper", "rasch")}
    assert rates["paper"] == rates[NONE]  # the loop multiplies it by the recipe's share
    assert rates["rasch"] < rates[NONE]


def test_parts_are_kept_and_checkpoints_are_not(found: dict[str, Any]) -> None:
    assert found["first"].kept == 0
    assert found["again"].kept == 5
    assert found["again"].accuracy == found["first"].accuracy
    assert found["seen"][:5] == [(i, 5) for i in range(1, 6)]
    assert not list(found["cells"].glob("*.checkpoint"))


def test_a_training_that_was_stopped_goes_on_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(options_of("pathfinder", "tiny", 0, NONE), epochs=2, batch=48)
    source = Source("pathfinder", "tiny", None, "")
    job = TrainingJob(source, 0, NONE, "", options, Setup(load_chip("hermes")), tmp_path / "a")
    whole, fit = train(job), parts.fit

    def stopped(*given: Any) -> Any:
        def observe(progress: Any) -> None:
            if progress.step == 3:
                raise KeyboardInterrupt

        return fit(*given, observe)

    other = replace(job, kept=tmp_path / "b")
    monkeypatch.setattr(parts, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(other)
    monkeypatch.setattr(parts, "fit", fit)
    assert len(list((tmp_path / "b").iterdir())) == 1
    assert train(other).weights == whole.weights


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tasks", "chess"), "--tasks chess: give some of listops, text"),
        (("--recipe", "none"), "--recipe none: it has nothing of the chip"),
        (("--recipe", "magic"), "recipe 'magic'"),
        (("--tasks", "text", "--data", "nowhere"), "there is no imdb.npz nor aclImdb"),
        (("--tasks", "images", "--size", "public"), "give the folder of the public files"),
        (("--chip", "none", "--costs-alone"), "none"),
    ],
)
def test_bad_input_is_told_before_training(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study(*words) == 2
    assert message in capsys.readouterr().err


def test_costs_alone_train_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, found: dict[str, Any]
) -> None:
    lines = found["first"].mapping
    monkeypatch.setattr("hermesc.studies.lra.study.mapped", lambda *_: lines)
    assert study("--costs-alone", "--tasks", "pathfinder", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["accuracy"] == []
    assert [line["cores"] for line in told["mapping"]] == [line.cores for line in lines]
