"""hermesc tune."""

from pathlib import Path
from typing import Any

import click

from hermesc.cli.options import FILE, chip_option, json_option
from hermesc.cli.output import show
from hermesc.cli.progress import counting
from hermesc.cli.study_options import StudyFiles, table_options


@click.command("tune")
@click.argument("model")
@click.option("--budget", default="10m", metavar="TIME", help="Time for the search. [10m]")
@click.option(
    "--trials", type=int, metavar="N", help="So many points at most, earlier runs' included."
)
@click.option(
    "--objective",
    metavar="NAMES",
    help="Some of accuracy, error, energy, latency, interval, cores. [accuracy,energy]",
)
@click.option("--inputs", type=FILE, help="Inputs by name, and `labels`: .npz. [the examples]")
@click.option("--calibration", type=FILE, help="Real inputs that set the converters' ranges.")
@chip_option
@click.option("--age", default="0s", help="Time since programming: 60s, 1h, 1d. [0s]")
@click.option("--draws", type=int, default=3, help="Chips whose mean counts. [3]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Of search, chips. [0]")
@click.option(
    "--methods",
    metavar="NAMES",
    help="How weights may be programmed: published,gdp,verify,oneshot,ideal. [published, and on "
    "up to 4 cores gdp and verify]",
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "nsga2", "nsga3", "random", "gp"]),
    default="tpe",
    help="Optuna's sampler. [tpe]",
)
@click.option(
    "--pruning",
    type=click.Choice(["dominated", "none"]),
    default="dominated",
    help="Leave a point after its first chip if that is clearly dominated. [dominated]",
)
@click.option(
    "--storage",
    metavar="FILE",
    help="Optuna's study: SQLite, a journal (.log), or a database's address. [MODEL.tune.db]",
)
@click.option(
    "--cells",
    type=FILE,
    default=Path("hermesc-cells"),
    help="Folder of finished readings. [hermesc-cells]",
)
@table_options
@json_option
def tune_command(
    model: str,
    chip_name: str,
    methods: str | None,
    files: StudyFiles,
    as_json: bool,
    **said: Any,
) -> None:
    """Search for settings of MODEL that are best for several objectives at once.

    \b
      hermesc tune model.py --budget 10m --objective accuracy,energy --plot front.svg
      hermesc tune model.py --inputs test.npz --age 30d --objective accuracy,latency,cores
      optuna-dashboard sqlite:///model.tune.db                the study in Optuna's own pages

    It varies what --set does: the aim of the placement, copies, ranges, slices, and for each layer
    its read mode, its slices, and whether it stays digital; and how weights are programmed. The
    defaults and every preset come first, so that nothing found is worse than they are.

    Each point is the mean of --draws chips; "fresh chips" are others, which the search has not
    seen. The table's last column repeats a point on its first chip. A search that was stopped, by
    kill -9 too, goes on from --storage; several processes may share one.
    """
    from hermesc.studies.tune.study import tune

    given = None if methods is None else [m.strip() for m in methods.split(",") if m.strip()]
    with counting("searching") as progress:
        report = tune(model, chip=chip_name, methods=given, progress=progress, **files, **said)
    show(report, as_json=as_json)
