"""hermesc study lra."""

from typing import TYPE_CHECKING, Any, cast

import click

from hermesc.cli.options import FILE, json_option
from hermesc.cli.output import show
from hermesc.cli.study_options import ChosenSetup, place_options, setup_options, shown
from hermesc.cli.words import words_of

if TYPE_CHECKING:
    from hermesc.studies.jobs.execution import Execution

_TASKS = ("listops", "text", "retrieval", "images", "pathfinder")
_SIZES = ("tiny", "small", "public")


@click.command("lra")
@click.option("--data", type=FILE, help="Folder of the public files, or .npz. [small sets of ours]")
@click.option("--tasks", default=",".join(_TASKS), help=f"[{','.join(_TASKS)}]")
@click.option("--size", type=click.Choice(_SIZES), default="small", help="Of trainings. [small]")
@click.option("--recipe", default="rasch", help="Of the training for the chip. [rasch]")
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, help="Trainings. [1]")
@click.option("--chips", type=click.IntRange(1, 1000), default=5, help="For each. [5]")
@click.option("--costs-alone", is_flag=True, help="Train nothing: cores, time and energy.")
@click.option("--costs", type=click.Choice((*_SIZES, "none")), default="public",
              help="Size that cores, time and energy are of. [public]")  # fmt: skip
@setup_options
@place_options
@json_option
def lra_command(
    tasks: str,
    costs: str,
    costs_alone: bool,
    chosen: ChosenSetup,
    execution: "Execution",
    as_json: bool,
    **others: Any,
) -> None:
    """Long Range Arena: Performers trained for the chip, beside what was published.

    Five tasks are trained in FP32 and for the chip, and tested on simulated chips with attention's
    projections alone, and with all stationary weights, on crossbars. A run that was stopped goes
    on with the same command, in the middle of a training too.

    \b
      hermesc study lra --costs-alone
      hermesc study lra --tasks listops,pathfinder
      hermesc study lra --data DIR --size public --seeds 10 --scheduler tcp://host:8786
    """
    from hermesc.studies.lra.study import study_lra

    named = cast(Any, words_of("--tasks", tasks, _TASKS))
    with shown(execution) as watched:
        study = study_lra(
            tasks=named, costs=cast(Any, None if costs == "none" else costs),
            trained=not costs_alone, execution=watched, **chosen, **others,
        )  # fmt: skip
    show(study, as_json=as_json)
