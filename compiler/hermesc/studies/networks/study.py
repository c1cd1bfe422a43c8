"""The study of the chip's own networks from its data to its report."""

import time
from pathlib import Path

from hermesc.pipeline import Options
from hermesc.studies.experiment.measure import Setup
from hermesc.studies.jobs.execution import Execution, check_outputs
from hermesc.studies.networks.accuracy import WORK, NetworkJob, Task, examples_of
from hermesc.studies.networks.mapping import NETWORKS, mapped
from hermesc.studies.networks.report import NetworksStudy, accuracy_line, scores_csv
from hermesrt.chip.load import load_chip
from hermesrt.files.atomic import write_atomically

TASKS: tuple[Task, ...] = ("images", "characters")
WIDTHS = {"images": 14, "characters": 128}  # of the trained networks; 56 and 504 are the chip's


def study_networks(
    *,
    data: Path | None = None,
    tasks: tuple[Task, ...] = TASKS,
    width: int | None = None,
    hidden: int | None = None,
    epochs: int = 20,
    seeds: int = 1,
    chips: int = 5,
    setup: Setup | None = None,
    settings: tuple[str, ...] = (),
    execution: Execution | None = None,
    output: Path | None = None,
) -> NetworksStudy:
    """ResNet-9 and two LSTMs on the chip: cores, time, energy; two of them trained, with accuracy.

    data: folder with larger examples; scikit-learn's, if not given.
    tasks: networks to train; none for the mapping alone.
    width: channels of the trained ResNet's first layer, 14 if not given; 56 is the chip's own.
    hidden: units of the trained LSTM, 128 if not given; 504 is the chip's own.
    epochs: of training in FP32; half as many follow for the chip.
    seeds: trainings.
    chips: simulated for each training and kind of cell.
    setup: the chip and its state; the chip `hermes`, newly programmed, if not given.
    settings: words that the report shows after the chip's name.
    execution: where trainings run.
    output: a CSV of every chip is written to this file.
    Raises: OptionError, InputError, ChipError, CapacityError.
    """
    setup, execution = setup or Setup(load_chip("hermes")), execution or Execution()
    check_outputs(output, None)
    start = time.perf_counter()
    widths = {"images": width or WIDTHS["images"], "characters": hidden or WIDTHS["characters"]}
    jobs, names = [], {}
    for task in tasks:
        first = NetworkJob(task, data, "", widths[task], epochs, 0, chips, setup)
        examples = examples_of(first)
        names[task] = examples.name
        jobs += [
            NetworkJob(task, data, examples.digest, widths[task], epochs, seed, chips, setup)
            for seed in range(seeds)
        ]
    networks = tuple(mapped(n, setup.chip, setup.mode, Options()) for n in NETWORKS)
    results, kept = execution.finished(WORK, jobs) if jobs else ({}, 0)
    by_task = {t: [s for job, s in results.items() if job.task == t] for t in tasks}
    if output is not None:
        write_atomically(output, scores_csv(results))
    return NetworksStudy(
        chip=setup.chip.name,
        settings=settings,
        mode=setup.mode,
        networks=networks,
        accuracy=tuple(accuracy_line(t, names[t], by_task[t]) for t in tasks),
        epochs=epochs,
        seeds=seeds,
        chips=chips,
        kept=kept,
        seconds=time.perf_counter() - start,
    )
