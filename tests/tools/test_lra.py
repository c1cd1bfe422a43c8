"""The record of the arena's trainings, and what is said of it."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

from hermesc.studies.statistics import Spread

LRA = runpy.run_path(str(Path(__file__).parents[2] / "tools/lra.py"))
STUDY = LRA["study_of"](json.loads(LRA["RECORD"].read_text(encoding="utf-8")))


def test_the_record_is_small_and_holds_every_chip() -> None:
    assert LRA["RECORD"].stat().st_size < 100_000
    assert STUDY.accuracy
    for line in STUDY.accuracy:
        for seed in line.seeds:
            assert len(seed.chip) == len(seed.attention) == STUDY.chips
            assert abs(line.chip.mean - sum(seed.chip) / len(seed.chip)) < 1e-6


def test_a_goal_that_is_not_met_is_missed() -> None:
    line = replace(STUDY.accuracy[0], fp=Spread(20.0, float("nan")), chip=Spread(18.0, 0.1))
    rows = LRA["goals_text"]([line]).splitlines()
    own = [row for row in rows if row.split()[:1] == [line.task]]
    assert [row.split()[-1] for row in own] == ["missed", "missed"]
    assert "not trained" in LRA["goals_text"]([])


def test_a_line_that_is_taken_replaces_the_older_one(tmp_path: Path) -> None:
    held = json.loads(LRA["RECORD"].read_text(encoding="utf-8"))
    target, new = tmp_path / "records/lra.json", tmp_path / "new.json"
    line = held["accuracy"][0] | {"chance": 1.0}
    new.write_text(json.dumps(held | {"accuracy": [line], "mapping": []}))
    target.parent.mkdir()
    target.write_text(json.dumps(held))
    LRA["take"]([new], target)
    found = json.loads(target.read_text())
    assert len(found["accuracy"]) == len(held["accuracy"])
    assert found["accuracy"][0]["chance"] == 1.0
    assert found["mapping"] == held["mapping"]
