"""The files that hermesc reads beside models, and how each is spoiled and then used.

A kind is prepared once, in a folder that holds net.py and p.hermes; then each mutant is one call
with a generator of its own. It returns `taken` or `refused`, and raises for anything else.
"""

import io
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from commands import SET_SMALL, SMALL, Finding, command, need
from mutations import near, spoiled_bytes, spoiled_text, spoiled_tree, spoiled_word
from spoiled_files import resigned, spoiled_array, spoiled_header, spoiled_zip

Attempt = Callable[[random.Random], str]


def artifact() -> Attempt:
    """Bytes of a program: each carries a checksum, so all but the same file is refused."""
    whole = Path("p.hermes").read_bytes()

    def attempt(rng: random.Random) -> str:
        data = spoiled_zip(whole, rng)
        Path("m.hermes").write_bytes(data)
        ended = command("inspect", "m.hermes", "--json")
        if ended.code == 0 and data != whole:
            raise Finding("a changed program was taken")
        return ended.outcome

    return attempt


def npz() -> Attempt:
    """Inputs and labels in `.npz` files."""

    def attempt(rng: random.Random) -> str:
        arrays = _inputs(rng)
        stream = io.BytesIO()
        rng.choice((np.savez, np.savez_compressed))(stream, **arrays)
        data = stream.getvalue()
        if rng.random() < 0.7:
            data = rng.choice((spoiled_bytes, spoiled_zip, spoiled_header))(data, rng)
        Path("x.npz").write_bytes(data)
        words = ("run", "p.hermes", "--inputs", "x.npz", "--outputs", "y.npz", "--json")
        return command(*words).outcome

    return attempt


def toml() -> Attempt:
    """A chip's description: what is taken also compiles and runs, or is told not to."""
    folder = _hermes_folder()
    whole = "\n".join(p.read_text(encoding="utf-8") for p in _files(folder))

    def attempt(rng: random.Random) -> str:
        text = whole
        for _ in range(rng.choice((1, 1, 2, 3))):
            text = spoiled_text(text, rng)
        data = text.encode("utf-8", "surrogatepass")
        Path("c.toml").write_bytes(spoiled_bytes(data, rng) if rng.random() < 0.1 else data)
        made = command("compile", "net.py", "--chip", "c.toml", "-o", "c.hermes", "--json")
        if made.code == 0:
            command("run", "c.hermes", "--json")
        return made.outcome

    return attempt


def _hermes_folder() -> Path:
    import hermes_chip

    assert hermes_chip.__file__ is not None
    return Path(hermes_chip.__file__).parent / "hermes"


def settings() -> Attempt:
    """`--set` of the chip and of the passes."""
    from hermesrt.chip.load import chip_tables, load_chip

    tables = chip_tables(load_chip("hermes"))
    held = {t: values for t, values in tables.items() if isinstance(values, dict)}
    old = {f"chip.{t}.{f}": value for t, values in held.items() for f, value in values.items()}
    keys = sorted(old)
    keys += [
        "partition.bias",
        "partition.digital",
        "partition.scope",
        "quantize.range",
        "quantize.percentile",
    ]
    keys += ["quantize.deviations", "place.objective", "place.seed", "place.chips", "place.copies"]
    keys += ["chip", "chip.", "chip.name", ".", "=", "x.y", "place.solver"]

    def pair(rng: random.Random) -> str:
        key = rng.choice(keys)
        close = key in old and rng.random() < 0.7
        return f"{key}={near(str(old[key]), rng) if close else spoiled_word(rng)}"

    def attempt(rng: random.Random) -> str:
        words = [w for _ in range(rng.choice((1, 1, 2))) for w in ("--set", pair(rng))]
        if rng.random() < 0.5:
            return command("run", "p.hermes", *words, "--json").outcome
        made = command("compile", "net.py", *SET_SMALL, *words, "-o", "s.hermes", "--json")
        if made.code == 0:
            command("run", "s.hermes", "--json")
        return made.outcome

    return attempt


def defects() -> Attempt:
    """Defect maps as TOML and as arrays."""
    maps = {}
    for suffix in (".toml", ".npz"):
        words = ("defects", "--random", "0.02", "--chip", "small.toml", "-o", f"d{suffix}")
        Path("small.toml").write_text(_small_chip(), encoding="utf-8")
        need(*words)
        maps[suffix] = Path(f"d{suffix}").read_bytes()

    def attempt(rng: random.Random) -> str:
        suffix = rng.choice(sorted(maps))
        data = maps[suffix]
        if suffix == ".toml":
            data = spoiled_text(data.decode(), rng).encode("utf-8", "surrogatepass")
        elif rng.random() < 0.6:
            with np.load(io.BytesIO(data)) as archive:
                arrays = {name: archive[name] for name in archive.files}
            name = rng.choice(sorted(arrays))
            arrays[name] = spoiled_array(arrays[name], rng)
            stream = io.BytesIO()
            np.savez(stream, **arrays)
            data = stream.getvalue()
        else:
            data = spoiled_zip(data, rng)
        Path(f"m{suffix}").write_bytes(data)
        return command("run", "p.hermes", "--defects", f"m{suffix}", "--json").outcome

    return attempt


def _files(folder: Path) -> list[Path]:
    """A chip's files, the one with its name first, which no table may stand before."""
    return sorted(folder.glob("*.toml"), key=lambda p: (p.name != "chip.toml", p.name))


def _small_chip() -> str:
    """The description of the chip of `SMALL`."""
    text = "\n".join(p.read_text(encoding="utf-8") for p in _files(_hermes_folder()))
    table, lines = "", []
    wanted = dict(pair.split("=") for pair in SMALL)
    for line in text.splitlines():
        if line.startswith("["):
            table = line.strip("[] ")
        key = f"{table}.{line.partition('=')[0].strip()}"
        lines.append(f"{key.partition('.')[2]} = {wanted[key]}" if key in wanted else line)
    return "\n".join(lines) + "\n"


def state() -> Attempt:
    """A programmed chip: bytes, and header and cells with the right checksums."""
    need("program", "p.hermes", "--method", "oneshot", "-o", "p.state")
    whole = Path("p.state").read_bytes()
    names = ("state.json", "cells.safetensors")

    def attempt(rng: random.Random) -> str:
        signed = rng.random() < 0.7
        data = resigned(whole, "state", names, rng) if signed else spoiled_zip(whole, rng)
        Path("m.state").write_bytes(data)
        ended = command("run", "p.hermes", "--state", "m.state", "--age", "1h", "--json")
        if ended.code == 0 and not signed and data != whole:
            raise Finding("a changed state was taken")
        return ended.outcome

    return attempt


def checkpoint() -> Attempt:
    """What a stopped `hermesc program` left: bytes, and parts with the right checksums."""
    whole = _stopped()
    names = ("state.json", "cells.safetensors", "cores.safetensors")

    def attempt(rng: random.Random) -> str:
        signed = rng.random() < 0.7
        data = resigned(whole, "checkpoint", names, rng) if signed else spoiled_zip(whole, rng)
        Path("m.state.part").write_bytes(data)
        words = ("program", "p.hermes", "--method", "verify", "-o", "m.state", "--json")
        ended = command(*words)
        if ended.code == 0 and not signed and data != whole:
            raise Finding("a changed checkpoint was taken")
        return ended.outcome

    return attempt


def _stopped() -> bytes:
    """The checkpoint of a programming that ended in its second turn."""
    import hermesc
    from hermesrt.program import Chip, Program

    program, left = Program.load("p.hermes"), Path("stopped.part")

    def stop(progress: Any) -> None:
        if progress.done == 1:
            time.sleep(2.2)  # behind it the next checkpoint is due
        if progress.done == 2:
            raise KeyboardInterrupt

    try:
        Chip(program, hermesc.simulate(program.artifact.chip)).program("verify", None, stop, left)
    except KeyboardInterrupt:
        return left.read_bytes()
    raise AssertionError("programming was not stopped")


def cells() -> Attempt:
    """Kept results of a study: what was changed is never taken for a result."""
    from hermesc.studies.jobs.result_cache import Store
    from hermesrt.errors import InputError

    store = Store(Path("cells"))
    identity = {"job": {"dataset": "letter", "seed": 3, "gamma": 0.25}, "chip": {"rows": 256}}
    result = {"error": 0.0371, "accuracy": 91.25, "rows": [1, 2, 3], "name": "letter"}
    store.keep(identity, result)
    path = next(Path("cells").rglob("*.json"))
    whole = path.read_bytes()

    def attempt(rng: random.Random) -> str:
        tree = rng.random() < 0.6
        spoiled = json.dumps(spoiled_tree(json.loads(whole), rng)).encode() if tree else None
        path.write_bytes(spoiled or spoiled_bytes(whole, rng))
        try:
            found = store.find(identity)
        except InputError:
            return "refused"
        if found is None:
            return "refused"
        if json.dumps(found, sort_keys=True) != json.dumps(result, sort_keys=True):
            raise Finding(f"a changed result was taken: {found!r}")
        return "taken"

    return attempt


def mapping() -> Attempt:
    """A placement in the published format."""
    need("inspect", "p.hermes", "--export", "hermes-json", "-o", "p.json")
    whole = Path("p.json").read_bytes()

    def attempt(rng: random.Random) -> str:
        tree = rng.random() < 0.8
        data = json.dumps(spoiled_tree(json.loads(whole), rng)).encode() if tree else whole
        if not tree:
            text = spoiled_text(whole.decode().replace(":", "=", 3), rng).replace("=", ":")
            data = rng.choice((spoiled_bytes(whole, rng), text.encode("utf-8", "surrogatepass")))
        Path("m.json").write_bytes(data)
        words = ("--mapping", "m.json", "-o", "m.hermes", "--json")
        made = command("compile", "net.py", *SET_SMALL, *words)
        if made.code == 0:
            command("run", "m.hermes", "--json")
        return made.outcome

    return attempt


KINDS: dict[str, Callable[[], Attempt]] = {
    "artifact": artifact, "npz": npz, "toml": toml, "set": settings, "defects": defects,
    "state": state, "checkpoint": checkpoint, "cells": cells, "mapping": mapping,
}  # fmt: skip


def _inputs(rng: random.Random) -> dict[str, Any]:
    """Arrays by the program's names, most of them wrong in one respect."""
    rows = rng.choice((1, 2, 5, 5, 5))
    x: Any = np.random.default_rng(rng.randrange(2**32)).standard_normal((rows, 6))
    x = x.astype(rng.choice(("f4", "f4", "f8", ">f4", "f2", "g", "i8", "u1", "c8", "?", "U3")))
    labels: Any = np.arange(rows) % 3
    if rng.random() < 0.3:
        x = spoiled_array(x, rng)
    if rng.random() < 0.3:
        labels = spoiled_array(labels, rng)
    name = rng.choice(("input", "input", "input", "x", "labels2", "\u202e", ""))
    return {name: x, "labels": labels} if rng.random() < 0.6 else {name: x}
