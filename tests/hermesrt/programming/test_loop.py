"""Programming that is stopped and taken up again ends with the same bits."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import hermesc
from hermesrt import writing
from hermesrt.chip.defects import DefectMap
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import ArtifactError, OptionError
from hermesrt.files.container import pack, unpack
from hermesrt.files.tensors import tensor_chunks, tensors_from_bytes
from hermesrt.program import Chip, Program
from hermesrt.programming import loop as drive
from hermesrt.programming.gdp import GdpOptions
from hermesrt.programming.loop import ProgrammingOptions, ProgrammingProgress, phases_of

PARTS = ("state.json", "cells.safetensors", "cores.safetensors")
SMALL = {"programming_pulses.iterations": "6"}
OPTIONS = ProgrammingOptions(gdp=GdpOptions(verify_iterations=3, iterations=5, batch=32))

Compiled = Callable[[Tensor, ChipSpec], Program]


class StopError(Exception):
    """Raised in the middle, as ctrl-C is."""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every iteration, which all cores do before the next."""
    monkeypatch.setattr(
        writing, "program", partial(drive.program, keep_seconds=0.0, keep_share=1e9, rounds=1)
    )


@pytest.fixture(scope="module")
def program(
    chip_of: Callable[..., ChipSpec], compiled: Compiled, matrices: dict[str, Tensor]
) -> Program:
    """Four cores of 32 x 32."""
    return compiled(matrices["with zeros"], chip_of(32, 32, SMALL))


def blank(program: Program, seed: int = 0) -> Chip:
    return Chip(program, hermesc.simulate(program.artifact.chip, seed))


def stop_after(phases: int) -> Callable[[ProgrammingProgress], None]:
    def observe(progress: ProgrammingProgress) -> None:
        if progress.done == phases:
            raise StopError

    return observe


def stopped(program: Program, path: Path, method: Any, phases: int, **more: Any) -> None:
    """A checkpoint of one phase less: that of the last was not written any more."""
    with pytest.raises(StopError):
        blank(program, more.get("seed", 0)).program(
            method, more.get("options", OPTIONS), stop_after(phases), path
        )
    assert path.is_file()


def bits(chip: Chip) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in chip.device.state().arrays.items()}


def first_seen(chip: Chip, method: Any, path: Path, options: ProgrammingOptions = OPTIONS) -> int:
    """The number of the first phase that is made, and the rest of them."""
    seen: list[int] = []
    chip.program(method, options, lambda progress: seen.append(progress.done), path)
    return seen[0]


@pytest.fixture(scope="module")
def whole(program: Program) -> dict[str, Chip]:
    """The uninterrupted runs."""
    made = {}
    for method in ("verify", "gdp"):
        made[method] = blank(program)
        made[method].program(method, OPTIONS)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("method", ["verify", "gdp"])
@pytest.mark.parametrize("phases", [2, 4, 6])
def test_a_stopped_run_goes_on_to_the_same_bits(
    program: Program, whole: dict[str, Chip], tmp_path: Path, method: Any, phases: int
) -> None:
    path = tmp_path / "chip.state.part"
    stopped(program, path, method, phases)
    again = blank(program)
    assert first_seen(again, method, path) == phases
    assert bits(again) == bits(whole[method])
    assert again.iterations == whole[method].iterations
    x = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(x), blank_with(whole[method])(x))
    assert list(tmp_path.iterdir()) == []


def blank_with(chip: Chip) -> Chip:
    """A new chip of the same cells, whose reads begin at the first."""
    made = blank(chip.compiled, seed=77)
    made.device.restore(chip.device.state())
    return made


def test_a_run_may_be_stopped_many_times(
    program: Program, whole: dict[str, Chip], tmp_path: Path
) -> None:
    path = tmp_path / "part"
    for phases in (2, 3, 5, 8):
        stopped(program, path, "gdp", phases)
    again = blank(program)
    assert first_seen(again, "gdp", path) == 8
    assert bits(again) == bits(whole["gdp"])


def test_a_generator_that_is_closed_leaves_what_can_go_on(
    program: Program, whole: dict[str, Chip]
) -> None:
    """The phases themselves, without files: the same device and progress go on."""
    chip = program.artifact.chip
    device = hermesc.simulate(chip)
    device.load(program.artifact)
    progress = ProgrammingProgress("gdp", phases_of("gdp", chip, OPTIONS))
    for rounds, done in ((1, 3), (4, 8)):  # the turns that a core began are ended
        steps = drive.program(device, program.artifact, progress, OPTIONS, rounds=rounds)
        for _ in range(3):
            next(steps)
        steps.close()
        assert progress.done == done
    list(drive.program(device, program.artifact, progress, OPTIONS))
    assert progress.done == len(progress.phases) == 1 + 3 + 5
    made = {name: array.tobytes() for name, array in device.state().arrays.items()}
    assert made == bits(whole["gdp"])


def test_rounds_of_a_turn_change_neither_bits_nor_history(
    program: Program, whole: dict[str, Chip]
) -> None:
    """Nor does which cores there are beside it."""
    device = hermesc.simulate(program.artifact.chip)
    device.load(program.artifact)
    progress = ProgrammingProgress("gdp", phases_of("gdp", device.chip, OPTIONS))
    rest = drive.program(device, program.artifact, progress, OPTIONS, rounds=3, cores=(1, 3))
    for made, wanted in zip(rest, whole["gdp"].iterations, strict=True):
        assert made.phase == wanted.phase
        assert made.mvm_errors == wanted.mvm_errors[1::2]
    held, cells = bits(whole["gdp"]), device.state().arrays
    for name in (f"{core}.{field}" for core in (1, 3) for field in ("conductance", "nu")):
        assert cells[name].tobytes() == held[name]


def test_who_looks_on_sees_every_iteration(
    program: Program, whole: dict[str, Chip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "program", drive.program)  # many rounds in a turn
    seen: list[tuple[int, Any]] = []
    blank(program).program("gdp", OPTIONS, lambda p: seen.append((p.done, p.iterations[-1])))
    assert seen == list(enumerate(whole["gdp"].iterations, 1))


def test_programming_again_begins_anew(program: Program, whole: dict[str, Chip]) -> None:
    chip = blank(program)
    chip.program("published")
    chip.program("gdp", OPTIONS)
    assert bits(chip) == bits(whole["gdp"])
    chip.program("gdp", OPTIONS)
    assert bits(chip) == bits(whole["gdp"])
    chip.program("ideal")
    assert chip.iterations == ()


def test_a_second_programming_of_a_chip_goes_on_too(
    program: Program, whole: dict[str, Chip], tmp_path: Path
) -> None:
    path = tmp_path / "part"
    chip = blank(program)
    chip.program("gdp", OPTIONS)
    with pytest.raises(StopError):
        chip.program("gdp", OPTIONS, stop_after(6), path)
    again = blank(program)
    assert first_seen(again, "gdp", path) == 6
    assert bits(again) == bits(whole["gdp"])


def test_the_age_in_force_does_not_change_programming(
    program: Program, whole: dict[str, Chip]
) -> None:
    chip = blank(program).configure(age_s=1e6, mode="1-phase")
    chip.program("gdp", OPTIONS)
    assert bits(chip) == bits(whole["gdp"])
    assert chip.settings.age_s == 1e6
    x = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(chip(x), blank_with(whole["gdp"]).configure(age_s=1e6, mode="1-phase")(x))


def test_without_a_path_nothing_is_written(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blank(program).program("verify", OPTIONS)
    assert list(tmp_path.iterdir()) == []


def other_method(program: Program, path: Path) -> tuple[Chip, Any, ProgrammingOptions]:
    stopped(program, path, "verify", 3)
    return blank(program), "gdp", OPTIONS


def other_seed(program: Program, path: Path) -> tuple[Chip, Any, ProgrammingOptions]:
    stopped(program, path, "gdp", 3, seed=5)
    return blank(program), "gdp", OPTIONS


def other_options(program: Program, path: Path) -> tuple[Chip, Any, ProgrammingOptions]:
    stopped(
        program,
        path,
        "gdp",
        3,
        options=ProgrammingOptions(gdp=GdpOptions(3, 5, 32, learning_rate=0.06)),
    )
    return blank(program), "gdp", OPTIONS


def other_program(program: Program, path: Path) -> tuple[Chip, Any, ProgrammingOptions]:
    shifted = {n: t if t.dtype == np.int8 else t + 1 for n, t in program.artifact.tensors.items()}
    stopped(Program.of(replace(program.artifact, tensors=shifted)), path, "gdp", 3)
    return blank(program), "gdp", OPTIONS


def other_numbers(program: Program, path: Path) -> tuple[Chip, Any, ProgrammingOptions]:
    """The same program on a chip whose pulses err more."""
    chip = program.artifact.chip
    noisy = replace(chip, write_noise=replace(chip.write_noise, step_share=0.5))
    with pytest.raises(StopError):
        Chip(program, hermesc.simulate(noisy)).program("gdp", OPTIONS, stop_after(3), path)
    return blank(program), "gdp", OPTIONS


def other_defects(program: Program, path: Path) -> tuple[Chip, str, Any]:
    """The rest of the work would go to another chip."""
    chip = program.artifact.chip
    stopped(program, path, "gdp", 3)
    broken = DefectMap(
        chip.name, chip.cores, chip.crossbar.rows, chip.crossbar.columns,
        stuck=np.array([[0, 1, 1, 0]], np.int32), siemens=np.array([1e-6], np.float32),
    )  # fmt: skip
    return Chip(program, hermesc.simulate(chip, 0, broken)), "gdp", OPTIONS


@pytest.mark.parametrize(
    "other",
    [other_method, other_seed, other_options, other_program, other_numbers, other_defects],
)
def test_a_checkpoint_of_something_else_is_refused_and_kept(
    program: Program, tmp_path: Path, other: Callable[..., Any]
) -> None:
    """It may be hours of someone's work."""
    path = tmp_path / "part"
    chip, method, options = other(program, path)
    held = path.read_bytes()
    with pytest.raises(OptionError, match="repeat that command to finish it, or delete the file"):
        first_seen(chip, method, path, options)
    assert path.read_bytes() == held


def edited(path: Path, part: str, edit: Callable[[Any], None]) -> None:
    """Change a part of a checkpoint, with right checksums."""
    parts = unpack(path.read_bytes(), "checkpoint", PARTS, "test")
    if part == "state.json":
        header = json.loads(parts[part])
        edit(header)
        parts[part] = json.dumps(header).encode()
    else:
        tensors = dict(tensors_from_bytes(parts[part], "test"))
        edit(tensors)
        parts[part] = tensor_chunks(tensors)
    path.write_bytes(pack("checkpoint", parts))


DAMAGE: dict[str, Callable[[Path], None]] = {
    "cut": lambda p: p.write_bytes(p.read_bytes()[:-100]) and None,
    "empty": lambda p: p.write_bytes(b"") and None,
    "flipped": lambda p: p.write_bytes(p.read_bytes().replace(b"pending", b"bending")) and None,
    "core lost": lambda p: edited(p, PARTS[2], lambda t: t.pop("0.device")),
    "core of another type": lambda p: edited(
        p, PARTS[2], lambda t: t.update({"0.slope": t["0.slope"].astype(np.float64)})
    ),
    "core of another shape": lambda p: edited(
        p, PARTS[2], lambda t: t.update({"0.open": np.zeros((3, 3), np.uint8)})
    ),
    "cells lost": lambda p: edited(p, PARTS[1], lambda t: t.pop("0.conductance")),
    "cells below zero": lambda p: edited(
        p, PARTS[1], lambda t: t.update({"0.conductance": t["0.conductance"] - 1})
    ),
    "cells of NaN": lambda p: edited(
        p, PARTS[1], lambda t: t.update({"0.conductance": t["0.conductance"] * np.float32("nan")})
    ),
    "numbers lost": lambda p: edited(p, PARTS[0], lambda h: h["indices"].pop()),
    "numbers below zero": lambda p: edited(p, PARTS[0], lambda h: h.update(indices=[-1] * 4)),
    "header": lambda p: edited(p, PARTS[0], lambda h: h.pop("indices")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused_by_name(
    program: Program, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "chip.state.part"
    stopped(program, path, "gdp", 3)
    DAMAGE[damage](path)
    with pytest.raises(ArtifactError) as caught:
        blank(program).program("gdp", OPTIONS, checkpoint=path)
    assert str(path) in str(caught.value)
    assert path.exists(), "nothing of the user's is removed"


def test_a_state_is_no_checkpoint(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "chip.state.part"
    blank(program).save(path)
    with pytest.raises(ArtifactError, match="a 'state' file where a 'checkpoint' is needed"):
        blank(program).program("gdp", OPTIONS, checkpoint=path)


KILLED = """
import os, signal, sys
from functools import partial
import torch
import hermesc
from hermesrt import writing
from hermesrt.program import Chip
from hermesrt.programming import loop as drive
from hermesrt.programming.loop import ProgrammingOptions
from hermesrt.programming.gdp import GdpOptions
from pathlib import Path

torch.set_num_threads(1)  # the last bits of a sum depend on it
writing.program = partial(drive.program, keep_seconds=0.0, keep_share=1e9, rounds=1)
program = hermesc.load(sys.argv[1])
chip = Chip(program, hermesc.simulate(program.artifact.chip))

def observe(progress):
    if progress.done == 5:
        os.kill(os.getpid(), signal.SIGKILL)

chip.program("gdp", ProgrammingOptions(gdp=GdpOptions(3, 5, 32)), observe, Path(sys.argv[2]))
"""


def test_a_killed_process_leaves_a_checkpoint_to_go_on_from(
    program: Program, whole: dict[str, Chip], tmp_path: Path
) -> None:
    program.save(tmp_path / "p.hermes")
    path = tmp_path / "part"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "p.hermes"), str(path)]
    run = subprocess.run(command, capture_output=True, check=False)
    assert run.returncode == -9, run.stderr
    again = blank(program)
    assert first_seen(again, "gdp", path) == 5
    assert bits(again) == bits(whole["gdp"])


def test_moves_of_each_method(program: Program) -> None:
    chip = program.artifact.chip
    assert phases_of("published", chip, OPTIONS) == phases_of("ideal", chip, OPTIONS) == ()
    assert phases_of("oneshot", chip, OPTIONS) == ("start", "pulse")
    assert phases_of("verify", chip, OPTIONS) == ("start", *["verify"] * 6)
    assert phases_of("gdp", chip, OPTIONS) == ("start", *["verify"] * 3, *["descend"] * 5)


def test_errors_fall_and_effort_grows(whole: dict[str, Chip]) -> None:
    for chip in whole.values():
        means = [sum(i.mvm_errors) / len(i.mvm_errors) for i in chip.iterations]
        assert all(len(i.mvm_errors) == 4 for i in chip.iterations)
        assert means[-1] < 0.3 * means[0]
        pulses = [i.counts.pulses for i in chip.iterations]
        assert pulses == sorted(pulses)


def test_checkpoints_take_a_small_share_of_the_time(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that only moves with the phases (1 s) and with keeping (0.5 s)."""
    clock = [0.0]
    monkeypatch.setattr(drive.time, "monotonic", lambda: clock[0])
    kept: list[int] = []

    def keep(progress: ProgrammingProgress) -> None:
        kept.append(progress.done)
        clock[0] += 0.5

    device = blank(program).device
    progress = ProgrammingProgress("verify", ("start", *["verify"] * 20))
    for _ in drive.program(device, program.artifact, progress, OPTIONS, keep, 2.5, rounds=1):
        clock[0] += 1.0
    assert kept == [3, 9, 15, 21]
