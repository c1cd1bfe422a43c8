"""hermesc study networks."""

from typing import TYPE_CHECKING, Any

import click

from hermesc.cli.options import FILE, json_option
from hermesc.cli.output import show
from hermesc.cli.study_options import ChosenSetup, place_options, setup_options, shown

if TYPE_CHECKING:
    from hermesc.studies.jobs.execution import Execution

_TASKS = ("images", "characters")


@click.command("networks")
@click.option("--data", type=FILE, help="Folder with larger examples. [scikit-learn's]")
@click.option("--only", type=click.Choice((*_TASKS, "mapping")), help="Train one, or none. [both]")
@click.option("--width", type=click.IntRange(1, 512), help="Channels of the ResNet. [14]")
@click.option("--hidden", type=click.IntRange(1, 4096), help="Units of the LSTM. [128]")
@click.option("--epochs", type=click.IntRange(1, 10_000), default=20, help="In FP32. [20]")
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, help="Trainings. [1]")
@click.option("--chips", type=click.IntRange(1, 1000), default=5, help="For each. [5]")
@setup_options
@place_options
@click.option("-o", "--output", type=FILE, help="Write every chip here: .csv.")
@json_option
def networks_command(
    only: str | None,
    chosen: ChosenSetup,
    execution: "Execution",
    as_json: bool,
    **others: Any,
) -> None:
    """The chip's own networks: cores, time and energy beside the published, accuracy on chips.

    ResNet-9 and a character LSTM are trained smaller than published, in FP32 and then for the
    chip, and lose accuracy on simulated chips with one and with two devices a weight's sign.

    \b
      hermesc study networks --only mapping
      hermesc study networks --data DIR --width 56 --hidden 504 --epochs 40
    """
    from hermesc.studies.networks.study import TASKS, study_networks

    tasks = TASKS if only is None else tuple(t for t in TASKS if t == only)
    with shown(execution) as watched:
        study = study_networks(tasks=tasks, execution=watched, **chosen, **others)
    show(study, as_json=as_json)
