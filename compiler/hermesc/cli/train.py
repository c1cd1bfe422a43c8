"""hermesc train."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermesc.cli.options import FILE, chip_option, json_option, set_option
from hermesc.cli.output import show
from hermesc.cli.progress import counting
from hermesc.cli.words import given_chip
from hermesrt.files.atomic import check_writable

if TYPE_CHECKING:
    from hermesc.training.fit import Progress


@click.command("train")
@click.argument("model")
@click.option(
    "--data", type=FILE, required=True, help="Samples (.npz): an array an input, and `labels`."
)
@click.option(
    "--recipe",
    default="rasch",
    help="chip, joshi, rasch, murray, adversarial, paper or none; several with + between. [rasch]",
)
@click.option("-o", "--output", type=FILE, help="The weights. [MODEL's name with .pt]")
@chip_option
@click.option("--epochs", type=click.IntRange(1), default=10, help="Passes over the data. [10]")
@click.option("--batch", type=click.IntRange(1), default=128, help="Samples of a step. [128]")
@click.option(
    "--lr", type=click.FloatRange(0, min_open=True), default=1e-3, help="Learning rate. [0.001]"
)
@click.option(
    "--optimizer", type=click.Choice(("adam", "sgd")), default="adam", help="Its name. [adam]"
)
@click.option(
    "--patience",
    type=click.IntRange(0),
    default=0,
    help="Stop after so many epochs without a smaller held-out loss, and keep the best. [0: never]",
)
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    help="Share of the samples that are not learned from. [0.2]",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Of all of it. [0]")
@click.option(
    "--chips", type=click.IntRange(1, 1000), default=5, help="Simulated chips to test on. [5]"
)
@click.option(
    "--lora",
    type=click.IntRange(0, 2**20),
    default=0,
    help="Rank of adapters that train on the host in place of the weights. [0: none]",
)
@click.option(
    "--redraw-every",
    type=click.IntRange(0, 2**30),
    default=0,
    help="Steps between two draws of random features. [0: never]",
)
@set_option
@json_option
def train_command(
    model: str,
    data: Path,
    recipe: str,
    output: Path | None,
    chip_name: str,
    settings: tuple[str, ...],
    as_json: bool,
    holdout: float,
    chips: int,
    lora: int,
    redraw_every: int,
    **loop: Any,
) -> None:
    """Train MODEL (a model.py) for the chip, and test it on simulated ones.

    Prints the accuracy in FP32 before and after, and on chips fresh, a day and a month old. A run
    that was killed goes on with the same command. `hermesc compile MODEL --weights W.pt` makes the
    program, with the ranges that were learned.
    """
    chip, pass_settings = given_chip(chip_name, settings)
    output = _output(output, model, data)

    from hermesc.app.settings import parse_settings
    from hermesc.training.fit import FitOptions
    from hermesc.training.train import train

    options, _ = parse_settings(pass_settings)
    chosen = FitOptions(learning_rate=loop.pop("lr"), **loop)
    with _steps() as observe:
        report = train(
            model, data, output, recipe=recipe, chip=chip, options=options, settings=chosen,
            holdout=holdout, chips=chips, lora=lora, redraw_every=redraw_every, observe=observe,
        )  # fmt: skip
    show(report, as_json=as_json)


def _output(given: Path | None, model: str, data: Path) -> Path:
    """Where the weights go, which must be a file of its own."""
    file = Path(model.rpartition(":")[0] if ".py:" in model else model)
    output = given or Path(file.stem + ".pt")
    check_writable(output, model=file, data=data)
    return output


@contextmanager
def _steps() -> "Iterator[Any]":
    """A bar of steps; a word when a stopped run is taken up."""
    told = False
    with counting("training steps") as count:

        def observe(progress: "Progress") -> None:
            nonlocal told
            if progress.resumed and not told:
                click.echo(f"went on after step {progress.resumed}", err=True)
            told = True
            count(progress.step, progress.steps)

        yield observe
