"""The measured experiments on the simulated chip."""

from dataclasses import replace
from pathlib import Path

from hermesc.studies.chip.plan import plan
from hermesc.studies.data.measurements import read_measurements
from hermesc.studies.data.sources import DataSource
from hermesc.studies.experiment.job import KernelJob, by_cell, simulate
from hermesc.studies.experiment.measure import Setup
from hermesrt.chip.load import load_chip


def planned(folder: Path, seed: int) -> tuple[KernelJob, ...]:
    measured = read_measurements(folder)
    sources = {name: DataSource(name, folder) for name in measured.datasets}
    return plan(measured, sources, [seed], Setup(load_chip("hermes")), {})


def test_one_job_serves_all_kernels_of_a_projection(folder: Path) -> None:
    jobs = planned(folder, seed=1)
    assert len(jobs) == 6
    assert [job.seed for job in jobs] == [1] * 6
    assert [c.kernel for c in jobs[0].cells] == ["rbf", "arccos0"]
    assert [job.dataset for job in jobs] == ["ijcnn1"] * 3 + ["toy"] * 3


def test_the_chip_adds_an_error_and_keeps_the_features(folder: Path) -> None:
    for scores in simulate(planned(folder, seed=0)[0]):
        assert 0.05 < scores.error_fp < 0.6
        assert scores.error_chip != scores.error_fp
        assert abs(scores.error_chip - scores.error_fp) < 0.1
        assert scores.accuracy_fp > 0.8
        assert abs(scores.accuracy_chip - scores.accuracy_fp) < 0.1


def test_results_depend_on_seed_alone(folder: Path) -> None:
    job = planned(folder, seed=0)[0]
    assert simulate(job) == simulate(job)
    other = simulate(replace(job, seed=1))
    assert all(a.error_chip != b.error_chip for a, b in zip(simulate(job), other, strict=True))


def test_scores_are_sorted_by_cell_and_seed(folder: Path) -> None:
    first, second = planned(folder, seed=0)[3], planned(folder, seed=1)[3]
    scores = simulate(first)
    found = by_cell({second: scores, first: scores}, [first.cells[1]])
    assert list(found) == [first.cells[1], first.cells[0]]
    assert [list(seeds) for seeds in found.values()] == [[0, 1], [0, 1]]


def test_a_job_may_be_programmed_by_another_method(folder: Path) -> None:
    job = planned(folder, seed=0)[0]
    setups = [replace(job.setup, method=method) for method in ("published", "ideal", "gdp")]
    found = [simulate(replace(job, setup=setup)) for setup in setups]
    assert len({s[0].error_chip for s in found}) == 3
    assert len({s[0].error_fp for s in found}) == 1
