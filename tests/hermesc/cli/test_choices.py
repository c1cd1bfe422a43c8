"""Commands start without what they call, so words to choose from stand twice: they are the same."""

from collections.abc import Mapping
from dataclasses import fields
from typing import get_args, get_type_hints

import click

from hermesc.api.looking import StageName
from hermesc.api.schemas import SCHEMAS
from hermesc.api.viewing import Format
from hermesc.pipeline import Options
from hermesc.studies.chip.ablation import EXPLAINED
from hermesc.studies.lra.tasks import SIZES
from hermesc.studies.lra.tasks import TASKS as ARENA_TASKS
from hermesc.studies.networks.study import TASKS as NETWORK_TASKS
from hermesc.studies.tune.search import PRUNING
from hermesc.studies.tune.storage import SAMPLERS
from hermesc.training.fit import FitOptions
from hermesrt.chip.fields import MODES
from hermesrt.device import METHODS
from hermesrt.report.figures.export import FIGURES

from .test_commands import COMMANDS

OF_ALL = {"mode": MODES, "method": METHODS}  # wherever an option has that name
KNOWN: Mapping[str, tuple[str, ...]] = {
    "inspect stage": get_args(StageName),
    "schema name": SCHEMAS,
    "study_chip explain": tuple(EXPLAINED),
    "study_lra costs": (*SIZES, "none"),
    "study_lra size": SIZES,
    "study_networks only": (*NETWORK_TASKS, "mapping"),
    "train optimizer": get_args(get_type_hints(FitOptions)["optimizer"]),
    "tune pruning": PRUNING,
    "tune sampler": SAMPLERS,
    "view figure": FIGURES,
    "view format": get_args(Format),
}
ONLY_HERE = {"completion shell", "inspect export"}  # no list in the library


def test_every_choice_of_a_command_is_one_of_the_library() -> None:
    found = {
        f"{name} {option.name}": tuple(option.type.choices)
        for name, command in COMMANDS.items()
        for option in command.params
        if isinstance(option.type, click.Choice)
    }
    known = {
        place: OF_ALL.get(place.split()[-1]) or KNOWN[place] for place in found.keys() - ONLY_HERE
    }
    assert {place: found[place] for place in known} == known
    assert set(KNOWN) | ONLY_HERE <= set(found)


def test_the_arenas_tasks_are_all_by_default() -> None:
    (tasks,) = (p for p in COMMANDS["study_lra"].params if p.name == "tasks")
    assert tasks.default == ",".join(ARENA_TASKS)


def test_the_help_of_compile_names_every_option_of_the_passes_with_its_words() -> None:
    text = COMMANDS["compile"].epilog or ""
    groups = {name: kind for name, kind in get_type_hints(Options).items() if name != "layers"}
    assert "place" in groups
    for group, kind in groups.items():
        for option in fields(kind):
            assert f"{group}.{option.name}" in text
            words = get_args(get_type_hints(kind)[option.name])
            if words and all(isinstance(word, str) for word in words):
                assert f"{group}.{option.name}={'|'.join(words)}" in text
