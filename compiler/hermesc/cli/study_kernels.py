"""hermesc study kernels and hermesc study attention."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermesc.cli.options import FILE, json_option, plot_option, print_json, set_option
from hermesc.cli.study_options import (
    check_outputs,
    chosen_place,
    chosen_setup,
    finished,
    place_options,
    whole_numbers,
    words_of,
)
from hermesrt.chip.spec import MODES
from hermesrt.errors import InputError, OptionError

if TYPE_CHECKING:
    from hermesc.studies.data.measurements import Cell, Scores
    from hermesc.studies.data.sources import DataSource
    from hermesc.studies.jobs.runner import Workers

_MOST_SEEDS = 1000


@click.command("kernels")
@click.option(
    "--data",
    "folder",
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
@click.option("--seeds", type=click.IntRange(1, _MOST_SEEDS), default=10, help="[10]")
@click.option("--gamma", type=float, help="Of the kernels. [0.05 for published data, 1/inputs]")
@click.option("--all-rows", is_flag=True, help="Also rows that the published file did not hold.")
@click.option("--chip", "chip_name", default="hermes", help="Name, or a TOML file. [hermes]")
@set_option
@click.option("--age", default="0s", help="Time since programming: 60s, 1h, 1d. [0s]")
@click.option("--mode", type=click.Choice(MODES), default="4-phase", help="[4-phase]")
@place_options
@click.option("-o", "--output", type=FILE, help="Write every run here: .csv.")
@plot_option("Write the picture here: .svg, .png or .pdf.")
@json_option
def kernels_command(
    folder: Path | None,
    datasets: str | None,
    kernels: str,
    samplers: str,
    ratios: str,
    seeds: int,
    gamma: float | None,
    all_rows: bool,
    chip_name: str,
    settings: tuple[str, ...],
    age: str,
    mode: Any,
    jobs: int | None,
    scheduler: str | None,
    cells: Path,
    fresh: bool,
    output: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Kernel error and accuracy against the number of features, in FP32 and on the chip.

    \b
      hermesc study kernels --plot kernels.svg
      hermesc study kernels --data DIR --datasets letter,skin --samplers orf,sobol -o runs.csv

    The experiment is the published one: a ridge classifier on random features. Where DIR holds
    chip_measurements.csv, its values stand beside.
    """
    from hermesrt.files.atomic import write_atomically

    setup = chosen_setup(chip_name, settings, mode, age)
    check_outputs(output, plot, measurements=folder and folder / "chip_measurements.csv")
    place = chosen_place(jobs, scheduler)
    if gamma is not None and not 0 < gamma < float("inf"):
        raise OptionError(f"--gamma {gamma}: it must be a number above 0")

    from hermesc.kernels.samplers import NORMAL_SAMPLERS
    from hermesc.studies.experiment.job import KERNEL_NAMES, WORK, by_cell
    from hermesc.studies.kernels.plan import Choice, lines, plan
    from hermesc.studies.kernels.report import (
        KernelStudy,
        kernel_runs_csv,
        kernels_json,
        kernels_text,
    )

    start = time.perf_counter()
    known = (*NORMAL_SAMPLERS, "leverage", "nystroem", "rademacher", "spherical")
    choice = Choice(
        kernels=words_of("--kernels", kernels, KERNEL_NAMES),
        samplers=words_of("--samplers", samplers, [s for s in known if s != "grid"]),
        ratios=whole_numbers("--ratios", ratios, 0, 10),
        seeds=seeds,
        setup=setup,
        gamma=gamma,
    )
    sources = _sources(folder, datasets, all_rows=all_rows)
    data = {source.name: source.read() for source in sources}
    sources = tuple(s.of(data[s.name]) for s in sources)
    planned, left_out = plan(choice, sources, data)
    if not planned:
        raise OptionError("nothing is left to run: " + "; ".join(left_out))
    measured = _measured(folder)
    results, kept = finished(WORK, planned, place, cells, fresh)
    found = by_cell(results)
    study = KernelStudy(
        chip=setup.chip.name,
        settings=settings,
        preparations={name: d.preparation for name, d in data.items()},
        gammas={job.dataset: job.gamma for job in planned},
        left_out=left_out,
        lines=lines(found, measured, data),
        seeds=seeds,
        runs=sum(len(one) for one in found.values()),
        kept=kept,
        place=_where(place, len(planned)),
        seconds=time.perf_counter() - start,
    )
    if output is not None:
        counts = {(n.cell.dataset, n.cell.log2_ratio): n.features for n in study.lines}
        write_atomically(output, kernel_runs_csv(found, counts))
    if plot is not None:
        from hermesc.studies.kernels.plot import kernels_picture

        write_atomically(plot, kernels_picture(study.lines, plot.suffix.removeprefix(".")))
    if as_json:
        print_json(kernels_json(study))
    else:
        click.echo(kernels_text(study))


def _sources(
    folder: Path | None, datasets: str | None, *, all_rows: bool
) -> "tuple[DataSource, ...]":
    """The chosen datasets, or those that are there."""
    from hermesc.studies.data.datasets import RULES
    from hermesc.studies.data.sources import PACKAGED, DataSource, is_there

    if folder is not None and not folder.is_dir():
        raise InputError(f"--data {folder}: there is no such folder")
    if datasets is not None:
        names = words_of("--datasets", datasets)
        for name in names:
            if Path(name).name != name:
                raise OptionError(f"--datasets {name}: give the name of a file without .npz")
    elif folder is None:
        names = PACKAGED
    else:
        names = tuple(name for name in RULES if is_there(folder, name))
        if not names:
            raise InputError(
                f"--data {folder}: none of {', '.join(RULES)} is there; name your own files with "
                "--datasets"
            )
    return tuple(DataSource(name, folder, all_rows) for name in names)


def _measured(folder: Path | None) -> "Mapping[Cell, Mapping[int, Scores]]":
    """What was published and measured, by cell and seed; nothing without the file."""
    from hermesc.studies.data.measurements import FILE, read_measurements

    if folder is None or not (folder / FILE).exists():
        return {}
    return read_measurements(folder).scores


def _where(place: "Workers", jobs: int) -> str:
    from hermesrt.units import plural

    if place.scheduler is not None:
        return f"on the cluster of {place.scheduler}"
    return f"on {plural(min(place.workers, jobs), 'processor')}"


@click.command("attention")
@click.option(
    "--tokens", "tokens_file", type=FILE, help="Q, K, V (samples, tokens, size): .npz. [normal]"
)
@click.option(
    "--deviation", type=float, default=0.5, help="Of normal queries, keys and values. [0.5]"
)
@click.option("--data", "folder", type=FILE, help="Folder with chip_measurements.csv to compare.")
@click.option("--form", default="hyperbolic", help="positive, hyperbolic, trigonometric, relu.")
@click.option("--sampler", default="sorf", help="[sorf, the published]; also rff, orf, ...")
@click.option("--ratios", default="1,2,3,4,5,6,7", help="s/d. [1,2,3,4,5,6,7]")
@click.option("--seeds", type=click.IntRange(1, _MOST_SEEDS), default=10, help="[10]")
@click.option("--chip", "chip_name", default="hermes", help="Name, or a TOML file. [hermes]")
@set_option
@click.option("--age", default="0s", help="Time since programming: 60s, 1h, 1d. [0s]")
@click.option("--mode", type=click.Choice(MODES), default="4-phase", help="[4-phase]")
@place_options
@click.option("-o", "--output", type=FILE, help="Write every run here: .csv.")
@plot_option("Write the picture here: .svg, .png or .pdf.")
@json_option
def attention_command(
    tokens_file: Path | None,
    deviation: float,
    folder: Path | None,
    form: str,
    sampler: str,
    ratios: str,
    seeds: int,
    chip_name: str,
    settings: tuple[str, ...],
    age: str,
    mode: Any,
    jobs: int | None,
    scheduler: str | None,
    cells: Path,
    fresh: bool,
    output: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Error of random-feature attention against s/d, in FP32 and on the chip.

    \b
      hermesc study attention --plot attention.svg
      hermesc study attention --data DIR --tokens qkv.npz
    """
    from hermesrt.files.atomic import write_atomically

    setup = chosen_setup(chip_name, settings, mode, age)
    measurements = folder and folder / "chip_measurements.csv"
    check_outputs(output, plot, measurements=measurements, tokens=tokens_file)
    place = chosen_place(jobs, scheduler)
    if not 0 < deviation < float("inf"):
        raise OptionError(f"--deviation {deviation}: it must be a number above 0")

    from hermesc.kernels.samplers import NORMAL_SAMPLERS
    from hermesc.studies.attention.plan import WORK, TokenSource, lines, plan
    from hermesc.studies.attention.report import (
        AttentionStudy,
        attention_json,
        attention_picture,
        attention_runs_csv,
        attention_text,
    )
    from hermesc.studies.data.measurements import read_attention

    start = time.perf_counter()
    (form,) = _one("--form", form, ("positive", "hyperbolic", "trigonometric", "relu"))
    (sampler,) = _one("--sampler", sampler, [s for s in NORMAL_SAMPLERS if s != "grid"])
    numbers = whole_numbers("--ratios", ratios, 1, 100)
    tokens = TokenSource(tokens_file, deviation).with_digest()
    theirs = {} if folder is None else read_attention(folder)
    shape = tuple(tokens.read()[0][0].shape)
    planned = plan(tokens, numbers, seeds, form, sampler, setup)  # type: ignore[arg-type]
    results, kept = finished(WORK, planned, place, cells, fresh)
    origin = str(tokens_file) if tokens_file else f"normal draws of the deviation {deviation:g}"
    study = AttentionStudy(
        chip=setup.chip.name,
        settings=settings,
        tokens=f"{shape[0]} samples of {shape[1]} tokens of the size {shape[2]}; {origin}",
        features=f"{form}, {sampler}",
        lines=lines(results, theirs, shape[2]),
        seeds=seeds,
        runs=len(results),
        kept=kept,
        place=_where(place, len(planned)),
        seconds=time.perf_counter() - start,
    )
    if output is not None:
        write_atomically(output, attention_runs_csv(results))
    if plot is not None:
        write_atomically(plot, attention_picture(study.lines, plot.suffix.removeprefix(".")))
    if as_json:
        print_json(attention_json(study))
    else:
        click.echo(attention_text(study))


def _one(option: str, word: str, allowed: "Sequence[str]") -> tuple[str]:
    found = words_of(option, word, allowed)
    if len(found) != 1:
        raise OptionError(f"{option} {word}: give one of {', '.join(allowed)}")
    return (found[0],)
