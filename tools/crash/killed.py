"""kill -9 while a file is written, a model compiled, a chip programmed or a study computed."""

import random
import subprocess
import sys
import time
from pathlib import Path

from processes import STUDY, Told, finish, killed, killed_behind, timed, write_model

PROGRAMMING = (
    "program", "p.hermes", "--method", "gdp", "--set", "gdp.iterations=300", "-o", "p.state",
)  # fmt: skip
SIZE = 2**20
WRITER = f"""
from pathlib import Path
from hermesrt.files.atomic import write_atomically
for number in range(10**9):
    write_atomically(Path("file"), bytes([number % 256]) * {SIZE})
"""


def writing_killed(rng: random.Random, rounds: int) -> Told:
    """kill -9 while a file is written over and over: it is whole, and of one writing."""
    told = Told()
    for _ in range(rounds):
        writer = subprocess.Popen([sys.executable, "-c", WRITER])
        while not Path("file").exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        writer.kill()
        writer.wait()
        found = Path("file").read_bytes()
        told.need(found == found[:1] * SIZE, "a half-written file")
    told.figures = f"{rounds} writers killed, the file whole after each"
    return told


def compile_killed(rng: random.Random, rounds: int) -> Told:
    """kill -9 while a program is compiled over an older one: one of the two is there, whole."""
    told, hits = Told(), 0
    write_model("old.py", 0)
    write_model("new.py", 1)
    timed("compile", "old.py", "-o", "old.hermes")
    longest = timed("compile", "new.py", "-o", "new.hermes")
    whole = {Path("old.hermes").read_bytes(), Path("new.hermes").read_bytes()}
    for _ in range(rounds):
        Path("p.hermes").write_bytes(Path("old.hermes").read_bytes())
        hits += killed(rng, longest, "compile", "new.py", "-o", "p.hermes")
        told.need(Path("p.hermes").read_bytes() in whole, "a half-written program")
    told.figures = f"{hits} of {rounds} compilations killed, the file whole after each"
    return told


def programming_killed(rng: random.Random, rounds: int) -> Told:
    """kill -9 while a chip is programmed: it goes on, and ends with the same bits."""
    told, hits = Told(), 0
    write_model("p.py", 0, hidden=400)
    timed("compile", "p.py", "-o", "p.hermes")
    longest = timed(*PROGRAMMING)
    wanted = Path("p.state").read_bytes()
    Path("p.state").unlink()
    for number in range(rounds):
        if number % 2:
            hits += killed(rng, longest, *PROGRAMMING)
        else:
            hits += killed_behind(rng, "p.state.part", *PROGRAMMING)
        half = Path("p.state").exists() and Path("p.state").read_bytes() != wanted
        told.need(not half, "a half-written state")
    went_on = Path("p.state.part").exists()
    code, err = finish(*PROGRAMMING)
    told.need(code == 0, f"going on ended with {code}: {err[-300:]}")
    told.need(not went_on or "went on after iteration" in err, "it began anew")
    same = Path("p.state").exists() and Path("p.state").read_bytes() == wanted
    told.need(same, "another state than without a stop")
    told.need(not Path("p.state.part").exists(), "a checkpoint is left at the end")
    how = err.strip().splitlines()[0] if went_on else "no checkpoint was left"
    told.figures = f"{hits} of {rounds} programmings killed, {how}, the same bits at the end"
    return told


def study_killed(rng: random.Random, rounds: int) -> Told:
    """kill -9 while a study runs: it goes on from what it kept, with the same results."""
    told, hits, cells = Told(), 0, Path("second")
    longest = timed(*STUDY, "--cells", "first", "--jobs", "1")
    wanted = Path("runs.csv").read_bytes()
    Path("runs.csv").unlink()
    for number in range(rounds):
        words = (*STUDY, "--cells", str(cells), "--jobs", rng.choice("12"))
        if number % 2:
            hits += killed(rng, longest, *words)
        else:
            hits += killed_behind(rng, f"{cells}/*.json", *words)
    kept, all_of_them = len(list(cells.glob("*.json"))), len(list(Path("first").glob("*.json")))
    Path("runs.csv").unlink(missing_ok=True)
    code, err = finish(*STUDY, "--cells", str(cells), "--jobs", "1")
    told.need(code == 0, f"going on ended with {code}: {err[-300:]}")
    same = Path("runs.csv").exists() and Path("runs.csv").read_bytes() == wanted
    told.need(same, "other results than without a stop")
    told.figures = (
        f"{hits} of {rounds} studies killed, {kept} of {all_of_them} results kept by then, "
        "the same file at the end"
    )
    return told
