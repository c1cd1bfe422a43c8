"""hermesc study kernels, end to end."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from ....command_line import HERMESC, exit_code

SHORT = ("--datasets", "wine", "--ratios", "1,2", "--seeds", "2", "--jobs", "1")


def study(*words: object) -> int:
    return exit_code("study", "kernels", *words)


def studied(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, object]:
    assert study(*words, "--json") == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_the_study_tells_writes_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, picture = tmp_path / "runs.csv", tmp_path / "kernels.png"
    assert study(*SHORT, "-o", runs, "--plot", picture) == 0
    text = capsys.readouterr().out
    assert "wine: 178 rows, half for training, permuted by seed, gamma 0.0769" in text
    assert "Runs         24 (12 cells, 2 seeds)" in text
    assert "wine, arccos0:" in text
    with runs.open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 24
    assert {int(line["features"]) for line in lines} == {25, 50}
    assert all(float(line["accuracy_chip"]) > 0.7 for line in lines)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_every_sampler_and_kernel_runs_and_what_does_not_exist_is_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = studied(
        capsys, "--datasets", "wine", "--ratios", "1", "--seeds", "1", "--jobs", "1",
        "--kernels", "rbf,arccos0,arccos1,arccos2,laplacian,polynomial,softmax,ntk",
        "--samplers", "rff,sorf,fastfood,halton,ssf,quadrature,leverage,nystroem,rademacher,"
        "spherical",
    )  # fmt: skip
    cells = found["cells"]
    assert isinstance(cells, list)
    pairs = {(c["kernel"], c["sampler"]) for c in cells}
    assert len(pairs) == len(cells) == 46
    assert {("ntk", "nystroem"), ("polynomial", "spherical"), ("laplacian", "leverage")} <= pairs
    assert all(0 < c["error"]["fp"]["mean"] < 20 for c in cells)
    assert all(c["accuracy"]["fp"]["mean"] > 0.6 for c in cells)
    assert "laplacian by sorf: there are no such features" in found["left_out"]  # type: ignore[operator]
    assert len(found["left_out"]) == 80 - 46  # type: ignore[arg-type]


def test_more_landmarks_than_rows_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--datasets", "wine", "--ratios", "2,3", "--samplers", "nystroem", "--jobs", "1")
    found = studied(capsys, *words, "--seeds", "1", "--kernels", "rbf")
    assert found["left_out"] == [
        "wine by nystroem, log2(s/d) = 3: 101 landmarks of 89 training rows"
    ]


def test_published_values_stand_beside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--data", folder, "--ratios", "2", "--seeds", "2", "--jobs", "1")
    found = studied(capsys, *words)
    (first, second) = found["agreement"]  # type: ignore[misc]
    assert (first["dataset"], first["kernel"], first["cells"]) == ("ijcnn1", "rbf", 3)
    assert first["error_published"] == pytest.approx(0.205)
    assert first["error_measured"] == pytest.approx(0.255)
    assert second["accuracy_measured"] == pytest.approx(0.805)
    assert study(*words) == 0
    text = capsys.readouterr().out
    assert "within two standard errors" in text
    assert "Runs         12 (6 cells, 2 seeds); 6 jobs kept from before" in text


def test_own_data_and_gamma_are_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--data", folder, "--datasets", "toy", "--kernels", "rbf", "--samplers", "rff")
    short = (*words, "--ratios", "1", "--seeds", "1", "--jobs", "1")
    errors = []
    for more in (
        (),
        ("--gamma", "3"),
        ("--age", "30d"),
        ("--mode", "1-phase"),
        ("--set", "quantize.range=percentile", "--set", "quantize.percentile=90"),
    ):
        found = studied(capsys, *short, *more)
        assert found["kept"] == 0
        errors.append(found["cells"][0]["error"])  # type: ignore[index]
    assert errors[1]["fp"] != errors[0]["fp"] == errors[2]["fp"] == errors[3]["fp"]
    assert len({error["chip"]["mean"] for error in errors}) == 5


def test_kept_results_are_the_same_bits_and_fresh_ones_are_computed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = studied(capsys, *SHORT)
    again = studied(capsys, *SHORT)
    fresh = studied(capsys, *SHORT, "--fresh")
    assert (first["kept"], again["kept"], fresh["kept"]) == (0, 12, 0)
    assert first["cells"] == again["cells"] == fresh["cells"]


def test_a_cluster_gives_the_same_bits(capsys: pytest.CaptureFixture[str]) -> None:
    distributed = pytest.importorskip("distributed")
    here = studied(capsys, *SHORT)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        words = (*SHORT[:-2], "--scheduler", cluster.scheduler_address, "--cells", "others")
        there = studied(capsys, *words)
    assert there["cells"] == here["cells"]


# A runner in the background may hand down that SIGINT is ignored; a terminal does not.
AS_FROM_A_TERMINAL = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@contextmanager
def started(*words: str, cwd: Path) -> "Iterator[subprocess.Popen[str]]":
    """A study of two processes in a session of its own, once it has kept a result."""
    study = [str(HERMESC), "study", "kernels", "--datasets", "wine", "--jobs", "2", *words]
    process = subprocess.Popen(
        [sys.executable, "-c", AS_FROM_A_TERMINAL, *study],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    cells = cwd / "hermesc-cells"
    with process:
        try:
            while not (cells.is_dir() and any(cells.glob("*.json"))):
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.05)
                    pytest.fail(f"it ended before: {process.communicate()}")
            yield process
        finally:
            process.kill()


def nobody_is_left(group: int) -> bool:
    """Whether all processes of a group end within a minute: those that were told to a moment ago,
    and those that look for their parent now and then. One that ended and that nobody asked about
    counts as gone."""
    members = [p for p in psutil.process_iter() if group_of(p) == group]
    _, alive = psutil.wait_procs(members, timeout=60)
    return all(is_over(process) for process in alive)


def group_of(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def is_over(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_ctrl_c_ends_all_at_once_and_leaves_whole_results(tmp_path: Path) -> None:
    with started("--seeds", "40", "--ratios", "1", cwd=tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)  # all processes get it, as from a terminal
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, errors.strip()) == ("", "stopped")
    assert nobody_is_left(process.pid)
    files = sorted((tmp_path / "hermesc-cells").iterdir())
    assert files
    assert all(path.suffix == ".json" and json.loads(path.read_text()) for path in files)


def test_a_killed_study_goes_on_with_the_same_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--seeds", "6", "--ratios", "1", "--kernels", "rbf", "--samplers", "rff")
    with started(*words, cwd=tmp_path) as process:
        process.kill()
        process.communicate(timeout=60)
    assert nobody_is_left(process.pid)
    cells = tmp_path / "hermesc-cells"
    before = {path.name: path.read_bytes() for path in cells.glob("*.json")}
    resumed = studied(capsys, "--datasets", "wine", "--jobs", "1", *words)
    assert resumed["kept"] == len(before) > 0
    after = {path.name: path.read_bytes() for path in cells.glob("*.json")}
    assert before.items() <= after.items()
    whole = studied(capsys, "--datasets", "wine", "--jobs", "1", *words, "--cells", "elsewhere")
    assert whole["cells"] == resumed["cells"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--kernels", "cubic"), "--kernels cubic: give some of rbf, arccos0"),
        (("--samplers", "dice"), "--samplers dice: give some of rff, orf"),
        (("--samplers", "spherical"), "nothing is left to run: rbf by spherical"),
        (("--datasets", "mnist"), "--datasets mnist: without --data there are digits"),
        (("--datasets", "../x"), "give the name of a file"),
        (("--ratios", "1,x"), "--ratios 1,x: give whole numbers from 0 to 10"),
        (("--ratios", "11"), "from 0 to 10"),
        (("--seeds", "0"), "--seeds"),
        (("--gamma", "-1"), "--gamma -1.0: it must be a number above 0"),
        (("--gamma", "nan"), "--gamma nan"),
        (("--data", "nowhere"), "--data nowhere: there is no such folder"),
        (("--data", "."), "none of letter, ijcnn1, skin"),
        (("--plot", "k.gif"), ".svg, .png, .pdf"),
        (("-o", "nowhere/k.csv"), "there is no folder nowhere"),
        (("--set", "quantize.range=best"), "--set quantize.range=best: must be one of"),
        (("--cells", __file__), "name another folder"),
        (("--jobs", "1", "--scheduler", "tcp://x:1"), "give one of them"),
        (("--age", "soon"), "soon"),
    ],
)
def test_a_wrong_option_is_told(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study(*words) == 2
    assert message in capsys.readouterr().err


def test_data_without_labels_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    np.savez(tmp_path / "mine.npz", X=np.ones((8, 3)))
    assert study("--data", tmp_path, "--datasets", "mine") == 2
    assert "there is no array 'y'" in capsys.readouterr().err
