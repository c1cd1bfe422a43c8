"""Two processes on one file, and a disk without room."""

import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from processes import HERMESC, STUDY, Told, finish, start, timed, write_model


def one_file(_rng: random.Random, rounds: int) -> Told:
    """Two processes write one file at the same time: it is that of one of them, whole."""
    told, wins = Told(), [0, 0]
    models = ("a", "b")
    for name, seed in zip(models, (0, 1), strict=True):
        write_model(f"{name}.py", seed)
        timed("compile", f"{name}.py", "-o", f"{name}.hermes")
    whole = [Path(f"{name}.hermes").read_bytes() for name in models]
    for _ in range(rounds):
        both = [start("compile", f"{name}.py", "-o", "p.hermes") for name in models]
        codes = [process.wait() for process in both]
        told.need(codes == [0, 0], f"exit codes {codes}")
        found = Path("p.hermes").read_bytes()
        told.need(found in whole, "a mixture of both programs")
        wins[found == whole[1]] += 1
    left = [p.name for p in Path().glob(".p.hermes.*")]
    told.need(not left, f"left over: {left}")
    two = [start(*STUDY, "--cells", "cells", "--jobs", "1") for _ in models]
    codes = [process.wait() for process in two]
    told.need(codes == [0, 0], f"two studies on one folder of results: exit codes {codes}")
    told.figures = f"{rounds} times two processes: {wins[0]} and {wins[1]} won, whole each time"
    return told


def full_disk(_rng: random.Random, _rounds: int) -> Told:
    """A disk without room: one sentence, exit 2, nothing left behind."""
    told = Told()
    write_model("p.py", 0)
    timed("compile", "p.py", "-o", "p.hermes")
    timed("program", "p.hermes", "-o", "p.state")
    tried = 0
    with small_disk() as disk:
        if disk is None:
            told.figures = "skipped: only root mounts a small disk; "
        else:
            commands = (
                ("compile", "p.py", "-o", f"{disk}/p.hermes"),
                ("program", "p.hermes", "-o", f"{disk}/p.state"),
                ("view", "p.hermes", "-o", f"{disk}/p.html"),
                ("run", "p.hermes", "--outputs", f"{disk}/y.npz"),
                ("run", "p.hermes", "--trace", f"{disk}/t.json"),
                (*STUDY[:-1], f"{disk}/runs.csv", "--cells", f"{disk}/cells"),
            )
            for words in commands:
                tried += 1
                _refused(told, *words)
                left = [p for p in disk.rglob("*") if p.is_file() and p.name != "full"]
                told.need(not left, f"{words[0]} left {left}")
    for words in (("inspect", "p.hermes", "--json"), ("chips",), ("run", "p.hermes")):
        tried += 1
        with open("/dev/full", "w") as full:  # noqa: PTH123
            run = subprocess.run([*HERMESC, *words], stdout=full, stderr=subprocess.PIPE, text=True)
        _one_sentence(told, words, run.returncode, run.stderr)
    told.figures += f"{tried} commands on a full disk, each with one sentence and exit 2"
    return told


def _refused(told: Told, *words: str) -> None:
    _one_sentence(told, words, *finish(*words))


def _one_sentence(told: Told, words: tuple[str, ...], code: int, err: str) -> None:
    clear = code == 2 and err.startswith("error: ") and "Traceback" not in err
    told.need(clear, f"{' '.join(words)}: exit {code}: {err[-400:]}")


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A disk of 16 kB with no room left; None where nobody may mount one."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder]
        if os.geteuid() or subprocess.run(words, capture_output=True).returncode:
            yield None
            return
        try:
            with suppress(OSError), Path(folder, "full").open("wb", buffering=0) as full:
                while full.write(bytes(2**10)):
                    pass
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)
