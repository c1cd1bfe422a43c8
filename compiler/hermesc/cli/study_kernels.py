"""hermesc study kernels."""

from typing import TYPE_CHECKING, Any

import click

from hermesc.cli.options import FILE
from hermesc.cli.output import show
from hermesc.cli.study_options import (
    ChosenSetup,
    StudyFiles,
    shown,
    study_options,
)
from hermesc.cli.words import whole_numbers, words_of

if TYPE_CHECKING:
    from hermesc.studies.jobs.execution import Execution


@click.command("kernels")
@click.option(
    "--data",
    type=FILE,
    help="Folder with NAME.npz (X, y), or the public originals (letter-recognition.data, "
    "ijcnn1.tr, .val and .t, Skin_NonSkin.txt, magic04.data, cod-rna). [scikit-learn's sets]",
)
@click.option(
    "--datasets", help="Names with commas. [digits,breast_cancer,wine; published ones of --data]"
)
@click.option(
    "--kernels",
    default="rbf,arccos0",
    help="rbf, arccos0, arccos1, arccos2, laplacian, polynomial, softmax, ntk. [rbf,arccos0]",
)
@click.option(
    "--samplers",
    default="rff,orf,sorf",
    help="rff, orf, sorf, fastfood, sobol, halton, ssf, quadrature, leverage, nystroem; for "
    "polynomial rademacher, spherical. [rff,orf,sorf]",
)
@click.option("--ratios", default="1,2,3,4,5", help="log2 of features to inputs. [1,2,3,4,5]")
@click.option("--gamma", type=float, help="Of the kernels. [0.05 for published data, 1/inputs]")
@click.option("--all-rows", is_flag=True, help="Also rows that the published file did not hold.")
@study_options
def kernels_command(
    datasets: str | None,
    kernels: str,
    samplers: str,
    ratios: str,
    chosen: ChosenSetup,
    execution: "Execution",
    files: StudyFiles,
    as_json: bool,
    **others: Any,
) -> None:
    """Kernel error and accuracy against the number of features, in FP32 and on the chip.

    \b
      hermesc study kernels --plot kernels.svg
      hermesc study kernels --data DIR --datasets letter,skin --samplers orf,sobol -o runs.csv

    The experiment is the published one: a ridge classifier on random features. Where DIR holds
    chip_measurements.csv, its values stand beside.
    """
    from hermesc.studies.experiment.job import KERNEL_NAMES, SAMPLER_NAMES
    from hermesc.studies.kernels.study import study_kernels

    with shown(execution) as watched:
        study = study_kernels(
            **chosen,
            **files,
            **others,
            datasets=None if datasets is None else words_of("--datasets", datasets),
            kernels=words_of("--kernels", kernels, KERNEL_NAMES),
            samplers=words_of("--samplers", samplers, SAMPLER_NAMES),
            ratios=whole_numbers("--ratios", ratios, 0, 10),
            execution=watched,
        )
    show(study, as_json=as_json)
