"""hermesc study attention."""

from typing import TYPE_CHECKING, Any, cast

import click

from hermesc.cli.options import FILE
from hermesc.cli.output import show
from hermesc.cli.study_options import (
    ChosenSetup,
    StudyFiles,
    shown,
    study_options,
)
from hermesc.cli.words import one_word, whole_numbers

if TYPE_CHECKING:
    from hermesc.studies.jobs.execution import Execution

_FORMS = ("positive", "hyperbolic", "trigonometric", "relu")


@click.command("attention")
@click.option("--tokens", type=FILE, help="Q, K, V (samples, tokens, size): .npz. [normal]")
@click.option(
    "--deviation", type=float, default=0.5, help="Of normal queries, keys and values. [0.5]"
)
@click.option("--data", type=FILE, help="Folder with chip_measurements.csv to compare.")
@click.option("--form", default="hyperbolic", help="positive, hyperbolic, trigonometric, relu.")
@click.option("--sampler", default="sorf", help="[sorf, the published]; also rff, orf, ...")
@click.option("--ratios", default="1,2,3,4,5,6,7", help="s/d. [1,2,3,4,5,6,7]")
@study_options
def attention_command(
    form: str,
    sampler: str,
    ratios: str,
    chosen: ChosenSetup,
    execution: "Execution",
    files: StudyFiles,
    as_json: bool,
    **others: Any,
) -> None:
    """Error of random-feature attention against s/d, in FP32 and on the chip.

    \b
      hermesc study attention --plot attention.svg
      hermesc study attention --data DIR --tokens qkv.npz
    """
    from hermesc.studies.attention.study import study_attention
    from hermesc.studies.experiment.job import DRAWN_SAMPLERS

    with shown(execution) as watched:
        study = study_attention(
            **chosen,
            **files,
            **others,
            form=cast(Any, one_word("--form", form, _FORMS)),
            sampler=one_word("--sampler", sampler, DRAWN_SAMPLERS),
            ratios=whole_numbers("--ratios", ratios, 1, 100),
            execution=watched,
        )
    show(study, as_json=as_json)
