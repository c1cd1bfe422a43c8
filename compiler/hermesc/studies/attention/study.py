"""The study of attention from its tokens to its report."""

import time
from collections.abc import Sequence
from math import inf
from pathlib import Path

from hermesc.kernels.attention import FavorForm
from hermesc.studies.attention.plan import WORK, TokenSource, lines, plan
from hermesc.studies.attention.report import AttentionStudy, attention_runs_csv
from hermesc.studies.data.measurements import FILE, read_attention
from hermesc.studies.experiment.measure import Setup
from hermesc.studies.jobs.execution import Execution, check_outputs
from hermesrt.chip.load import load_chip
from hermesrt.errors import OptionError
from hermesrt.files.atomic import write_atomically

RATIOS = (1, 2, 3, 4, 5, 6, 7)


def study_attention(
    *,
    tokens: Path | None = None,
    deviation: float = 0.5,
    data: Path | None = None,
    form: FavorForm = "hyperbolic",
    sampler: str = "sorf",
    ratios: Sequence[int] = RATIOS,
    seeds: int = 10,
    setup: Setup | None = None,
    settings: Sequence[str] = (),
    execution: Execution | None = None,
    output: Path | None = None,
    plot: Path | None = None,
) -> AttentionStudy:
    """Error of random-feature attention against s/d, in FP32 and on the chip.

    tokens: an .npz file of Q, K and V [samples, tokens, size]; normal draws, if not given.
    deviation: of normal queries, keys and values.
    data: folder of the measurements to compare with.
    form, sampler: of the features.
    ratios: s/d.
    seeds: draws of features, and chips.
    setup: the chip and its state; the chip `hermes`, newly programmed, if not given.
    settings: words that the report shows after the chip's name.
    execution: where jobs run.
    output: a CSV of every run is written to this file.
    plot: the picture is written to this file.
    Raises: OptionError, InputError, ChipError.
    """
    setup, execution = setup or Setup(load_chip("hermes")), execution or Execution()
    check_outputs(output, plot, measurements=data and data / FILE, tokens=tokens)
    if not 0 < deviation < inf:
        raise OptionError(f"--deviation {deviation}: it must be a number above 0")
    start = time.perf_counter()
    source = TokenSource(tokens, deviation).with_digest()
    theirs = {} if data is None else read_attention(data)
    samples, count, size = source.read()[0][0].shape
    jobs = plan(source, tuple(ratios), seeds, form, sampler, setup)
    results, kept = execution.finished(WORK, jobs)
    origin = str(tokens) if tokens else f"normal draws of the deviation {deviation:g}"
    study = AttentionStudy(
        chip=setup.chip.name,
        settings=tuple(settings),
        tokens=f"{samples} samples of {count} tokens of the size {size}; {origin}",
        features=f"{form}, {sampler}",
        lines=lines(results, theirs, size),
        seeds=seeds,
        runs=len(results),
        kept=kept,
        place=execution.where(len(jobs)),
        seconds=time.perf_counter() - start,
    )
    if output is not None:
        write_atomically(output, attention_runs_csv(results))
    if plot is not None:
        from hermesc.studies.attention.report import attention_picture

        write_atomically(plot, attention_picture(study.lines, plot.suffix.removeprefix(".")))
    return study
