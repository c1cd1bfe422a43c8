"""Commands of hermesc on files that a fuzzer made, and how they may end."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

MODEL = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3)).eval()
example_inputs = (torch.randn(4, 6),)
"""
SMALL = ("grid.rows=2", "grid.columns=2", "crossbar.rows=16", "crossbar.columns=16")
SET_SMALL = tuple(word for pair in SMALL for word in ("--set", f"chip.{pair}"))


class Finding(Exception):
    """What none of these files may bring about."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def outcome(self) -> str:
        """`taken` or `refused`, for the count."""
        return "taken" if self.code == 0 else "refused"


def command(*words: object) -> Ended:
    """Run a command; raises Finding when it ends otherwise than commands may."""
    from hermesc.cli import main

    out, err = io.StringIO(), io.StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
    ended = Ended(code, out.getvalue(), err.getvalue())
    told = ended.err[-600:]
    if code not in (0, 2, 3) or "Traceback" in ended.err:
        raise Finding(f"exit {code}: {told}")
    if code and not ended.err.startswith(("error: ", "Usage: ")):
        raise Finding(f"exit {code} without a sentence: {told}")
    if code == 0 and "--json" in words:
        _check_json(ended.out)
    return ended


def _check_json(text: str) -> None:
    def refuse(word: str) -> NoReturn:
        raise Finding(f"{word} in the JSON: {text[:1500]}")

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise Finding(f"no JSON ({error}): {text[:500]}") from None


def need(*words: object) -> None:
    """Run a command that has no reason to fail."""
    ended = command(*words)
    assert ended.code == 0, ended.err


def small_program() -> None:
    """net.py, and p.hermes of it for a chip of four cores of 16x16 cells."""
    Path("net.py").write_text(MODEL, encoding="utf-8")
    need("compile", "net.py", "-o", "p.hermes", *SET_SMALL)
