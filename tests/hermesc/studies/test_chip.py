"""The experiment on the simulated chip."""

from dataclasses import replace
from pathlib import Path

import pytest

from hermesc.studies.chip import plan, run, simulate
from hermesc.studies.measurements import read_measurements
from hermesc.target.load import load_chip

FINE = [
    ("ldpu.output_bits", "16"), ("input.input_bits", "16"), ("adc_count.count_siemens", "1e-12"),
    ("adc.saturation_ampere", "1.0"), ("adc.counter_bits", "32"),
]  # fmt: skip


def test_one_job_serves_all_kernels_of_a_projection(folder: Path) -> None:
    jobs = plan(read_measurements(folder), folder, [1], load_chip("hermes"))
    assert len(jobs) == 6
    assert [job.seed for job in jobs] == [1] * 6
    assert [c.kernel for c in jobs[0].cells] == ["rbf", "arccos0"]
    assert [job.dataset for job in jobs] == ["ijcnn1"] * 3 + ["toy"] * 3


def test_the_chip_adds_an_error_and_keeps_the_features(folder: Path) -> None:
    job = plan(read_measurements(folder), folder, [0], load_chip("hermes"))[0]
    for scores in simulate(job):
        assert 0.05 < scores.error_fp < 0.6
        assert scores.error_chip != scores.error_fp
        assert abs(scores.error_chip - scores.error_fp) < 0.1
        assert scores.accuracy_fp > 0.8
        assert abs(scores.accuracy_chip - scores.accuracy_fp) < 0.1


def test_results_depend_on_seed_alone(folder: Path) -> None:
    job = plan(read_measurements(folder), folder, [0], load_chip("hermes"))[0]
    assert simulate(job) == simulate(job)
    other = simulate(replace(job, seed=1))
    assert all(a.error_chip != b.error_chip for a, b in zip(simulate(job), other, strict=True))


@pytest.mark.parametrize("count", [1, 2])
def test_jobs_come_back_in_their_order(folder: Path, count: int) -> None:
    jobs = plan(read_measurements(folder), folder, [0], load_chip("hermes"))[:count]
    assert [job for job, _ in run(jobs, workers=1)] == list(jobs)


def test_a_job_may_be_programmed_by_another_method(folder: Path) -> None:
    job = plan(read_measurements(folder), folder, [0], load_chip("hermes"))[0]
    found = [simulate(replace(job, method=method)) for method in ("published", "ideal", "gdp")]
    assert len({s[0].error_chip for s in found}) == 3
    assert len({s[0].error_fp for s in found}) == 1
