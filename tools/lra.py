"""The measured table of the Long Range Arena, out of the record of its trainings.

    python tools/lra.py                    print it
    python tools/lra.py --short            a line a task
    python tools/lra.py --take A.json ...  take outputs of `hermesc study lra --json` into it

Trainings take too long to be repeated for a page, so the record holds what they found: every seed
and every chip. The goals are ours.
"""

import json
import math
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hermesc.studies.lra.mapping import MappingLine
from hermesc.studies.lra.report import (
    AccuracyLine,
    LraStudy,
    SeedScores,
    accuracy_text,
    mapping_text,
)
from hermesc.studies.lra.tasks import ARENA, TASKS, Task
from hermesc.studies.statistics import Spread
from hermesrt.report.text.terminal import table

RECORD = Path(__file__).resolve().parent.parent / "docs/records/lra.json"
GOALS: Mapping[Task, tuple[str, float]] = {  # of examples from there
    "listops": ("generated", 35.0), "text": ("imdb", 62.0), "images": ("cifar", 35.0),
    "pathfinder": ("generated", 75.0),
}  # fmt: skip
MOST_LOST = 1.0  # points on the chip
SPREADS = ("fp", "aware", "attention", "plain", "chip")


def main() -> None:
    """Print the table, or take more into the record."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--take", nargs="+", type=Path, metavar="FILE", help="outputs to take")
    parser.add_argument("--short", action="store_true", help="a line a task")
    given = parser.parse_args()
    if given.take:
        take(given.take)
    study = study_of(json.loads(RECORD.read_text(encoding="utf-8")))
    print(short(study.accuracy) if given.short else text(study))


def take(files: Sequence[Path], record: Path = RECORD) -> None:
    """Write the tasks of these outputs into the record, in place of older ones."""
    found = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    for file in files:
        new = json.loads(file.read_text(encoding="utf-8"))
        for part in ("accuracy", "mapping"):
            tasks = {_place(line) for line in new[part]}
            old = [line for line in found.get(part, ()) if _place(line) not in tasks]
            new[part] = sorted([*old, *new[part]], key=lambda line: TASKS.index(line["task"]))
        found = new
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _place(line: dict[str, Any]) -> tuple[str, str, str]:
    """What a line of a record is about."""
    return line["task"], line.get("data", ""), line.get("recipe", "")


def study_of(data: Any) -> LraStudy:
    """The study of a record."""
    lines = tuple(_accuracy(line) for line in data["accuracy"])
    mapping = tuple(MappingLine(**_numbers(line)) for line in data["mapping"])
    return LraStudy(**{**data, "accuracy": lines, "mapping": mapping})


def _accuracy(data: Any) -> AccuracyLine:
    spreads = {name: Spread(**_numbers(data[name])) for name in SPREADS}
    seeds = tuple(SeedScores(**seed) for seed in data["seeds"])
    return AccuracyLine(**{**data, **spreads, "seeds": seeds})


def _numbers(data: dict[str, Any]) -> dict[str, Any]:
    """NaN where JSON has null."""
    return {name: math.nan if value is None else value for name, value in data.items()}


def text(study: LraStudy) -> str:
    """All tables."""
    parts = [accuracy_text(study), goals_text(study.accuracy), effort_text(study)]
    return "\n\n".join([*parts, mapping_text(study.mapping)])


def short(lines: Sequence[AccuracyLine]) -> str:
    """What was trained, what it reached, and how much more the benchmark's size is."""
    columns = ["task", "recipe", "examples", "tokens each", "FP32 %", "on the chip %",
               "tokens seen", "at the benchmark's size"]  # fmt: skip
    rows = [
        [
            line.task, line.recipe, f"{line.learned:,} {line.data}", f"{line.length:,}",
            f"{line.fp.mean:.1f}", f"{line.chip.mean:.1f}", f"{seen(line):.1e}",
            f"{wanted(line.task):.1e}",
        ]
        for line in lines
    ]  # fmt: skip
    return table(columns, rows)


def goals_text(lines: Sequence[AccuracyLine]) -> str:
    """What was to be reached."""
    rows = []
    for task, (origin, least) in GOALS.items():
        found = [line for line in lines if line.task == task and line.data.startswith(origin)]
        if not found:
            rows.append([task, "", "not trained", "", "", _verdict(False)])
        for line in found:
            lost = line.fp.mean - line.chip.mean
            goals = [
                ("accuracy in FP32", line.fp.mean, f">= {least:g}", line.fp.mean >= least),
                ("points lost on the chip", lost, f"<= {MOST_LOST:g}", lost <= MOST_LOST),
            ]
            rows += [
                [task, line.recipe, what, f"{value:.2f}", goal, _verdict(reached)]
                for what, value, goal, reached in goals
            ]
    return f"Goals:\n{table(['task', 'recipe', '', 'found', 'goal', ''], rows)}"


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"


def effort_text(study: LraStudy) -> str:
    """What trainings took, and what the benchmark's would take at that speed."""
    columns = [
        "task",
        "recipe",
        "tokens seen here",
        "minutes here",
        "benchmark's tokens",
        "days at that pace",
    ]
    rows = list(_efforts(study.accuracy))
    head = "Tokens of all epochs in FP32 and for the chip, and wall time on one busy processor:"
    return f"{head}\n{table(columns, rows)}"


def _efforts(lines: Sequence[AccuracyLine]) -> Iterator[list[str]]:
    for line in lines:
        seconds, here, there = sum(line.seeds[0].seconds), seen(line), wanted(line.task)
        days = seconds * there / here / 86400
        yield [
            line.task,
            line.recipe,
            f"{here:,}",
            f"{seconds / 60:.0f}",
            f"{there:,}",
            f"{days:.1f}",
        ]


def seen(line: AccuracyLine) -> int:
    """Tokens of a training, in FP32 and for the chip."""
    return ARENA[line.task].inputs * line.length * (line.learned * line.epochs + line.tuned)


def wanted(task: Task) -> int:
    """The same at the benchmark's size."""
    size = ARENA[task].sizes["public"]
    return ARENA[task].inputs * size.length * (size.train * size.epochs + size.tuned)


if __name__ == "__main__":
    main()
