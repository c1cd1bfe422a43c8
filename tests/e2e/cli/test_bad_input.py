"""Bad input is one clear error, and nothing is half-written."""

from pathlib import Path

import numpy as np
import pytest

from ...command_line import hermesc, succeed

BAD = {
    "missing file": ("compile nofile.py", "there is no such file"),
    "not python": ("compile net.txt", "a model is a .py file"),
    "no such onnx": ("compile net.onnx", "there is no such file"),
    "a pickle": ("compile net.joblib", "a pickle is code that would run on loading"),
    "model raises": ("compile raises.py", "KeyError: 'nope' (line 2"),
    "syntax error": ("compile syntax.py", "SyntaxError"),
    "no model": ("compile empty.py", "defines no `model`"),
    "no examples": ("compile noexamples.py", "defines no `example_inputs`"),
    "not a module": ("compile notmodule.py", "is a int, not an nn.Module"),
    "exits": ("compile exits.py", "SystemExit"),
    "wrong examples": ("compile wrong.py", "fails on its own example_inputs"),
    "control flow": ("compile control.py", "control flow depends on the data (line 6"),
    "unknown chip": ("compile net.py --chip nochip", "there is no chip 'nochip'"),
    "unknown option": ("compile net.py --frobnicate", "No such option"),
    "unknown pass option": ("compile net.py --set place.magic=1", "there is no such option"),
    "bad option value": ("compile net.py --set partition.bias=moon", "must be one of ldpu, host"),
    "unknown layer": ("compile net.py --set partition.digital=x", "there is no such layer"),
    "unknown chip key": ("compile net.py --set chip.adc.x=1", "the chip has no such key"),
    "no folder": ("compile net.py -o no/where.hermes", "there is no folder"),
    "full disk": ("compile net.py -o /dev/full", "No space left"),
    "bad calibration": ("compile net.py --calibration bad.npz", "has the shape (3, 5)"),
    "no calibration": ("compile net.py --calibration none.npz", "cannot read"),
    "missing program": ("run none.hermes", "cannot read the program"),
    "not a program": ("run x.npz", "not a file of hermesc"),
    "missing inputs": ("run net.hermes --inputs none.npz", "cannot read the file of inputs"),
    "wrong shape": ("run net.hermes --inputs bad.npz", "the program takes float32[batch, 6]"),
    "NaN": ("run net.hermes --inputs nan.npz", "NaN or infinite"),
    "unreadable npz": ("run net.hermes --inputs junk.npz", "not an .npz file"),
    "negative age": ("run net.hermes --age -1h", "not a duration"),
    "unknown mode": ("run net.hermes --mode 3-phase", "is not one of"),
    "unknown method": ("run net.hermes --method magic", "is not one of"),
    "negative seed": ("run net.hermes --seed -1", "is not in the range"),
    "pass option at run": ("run net.hermes --set partition.bias=host", "only chip.* here"),
    "compiled-in number": ("run net.hermes --set chip.grid.rows=4", "give it to `hermesc compile`"),
    "compiled-in effect": (
        "run net.hermes --set chip.effects.current_limit=false",
        "was compiled for it; give it to `hermesc compile`",
    ),
    "compiled-in statistics": (
        "run net.hermes --set chip.statistics.model=pcm-like",
        "give it to `hermesc compile`",
    ),
    "unknown effect": ("run net.hermes --set chip.effects.magic=true", "the chip has no such key"),
    "effect of text": ("run net.hermes --set chip.effects.drift=1", "`effects.drift` must be a bo"),
    "age below zero": ("run net.hermes --state net.state --age -1d", "not a duration"),
    "foreign state": ("run net.hermes --state foreign.state", "belongs to another program"),
    "batch below zero": ("compile net.py --batch-dim -1", "is not in the range"),
    "batch of a file": ("compile net.onnx --batch-dim 1", "there is no such file"),
    "bad range": ("compile net.py --set quantize.range=mean", "must be one of max, percentile, de"),
    "percentile above all": ("compile net.py --set quantize.percentile=101", "from 0 to 100"),
    "plot of the published": ("program net.hermes --plot c.svg", "--plot: published weights are"),
    "plot of the exact": ("program net.hermes --method ideal --plot c.svg", "ideal weights are"),
    "plot to text": ("program net.hermes --method gdp --plot c.txt", "a .svg, .png or .pdf file"),
    "plot to nowhere": ("program net.hermes --method gdp --plot no/c.svg", "there is no folder"),
    "pass option at program": (
        "program net.hermes --set partition.bias=host",
        "there are gdp.batch",
    ),
    "program onto itself": ("program net.hermes -o net.hermes", "it is the program itself"),
    "a program's rest": (
        "program net.hermes --method gdp -o damaged.state",
        "damaged.state.part: damaged or not a file of hermesc",
    ),
    "onto itself": ("run net.hermes --outputs net.hermes", "it is the program itself"),
    "onto the model": ("compile net.py -o net.py", "it is the model itself"),
    "labels of text": ("run net.hermes --inputs text.npz", "labels must be numbers"),
    "state and seed": ("run net.hermes --state s.state --seed 1", "leave out --method and --seed"),
    "program as state": ("run net.hermes --state net.hermes", "'program' file where a 'state'"),
    "full disk, outputs": ("run net.hermes --outputs /dev/full", "No space left"),
    "unknown command": ("frobnicate", "No such command"),
    "unknown stage": ("inspect net.hermes --stage magic", "is not one of"),
    "diff of a program and a report": ("diff net.hermes report.json", "give two programs"),
    "diff of nothing": ("diff net.hermes none.hermes", "cannot read the file"),
    "view of nothing": ("view none.hermes", "cannot read the program"),
    "export of nothing": ("export none.hermes", "cannot read the program"),
    "export of another file": ("export x.npz -o x.onnx", "not a file of hermesc"),
    "export to text": ("export net.hermes -o net.txt", "exported to an .onnx file"),
    "export to nowhere": ("export net.hermes -o no/net.onnx", "there is no folder"),
    "view to gif": ("view net.hermes -o v.gif", "the page is an .html file"),
    "view in two formats": ("view net.hermes --format svg -o v.png", "the two differ"),
    "view of one figure as a page": ("view net.hermes --figure plan -o v.html", "the page has all"),
    "view of a core that holds nothing": (
        "view net.hermes --figure core --core 63 -o v.svg",
        "the cores in use are",
    ),
    "view of a core without the figure": ("view net.hermes --core 1", "only --figure core"),
}


@pytest.fixture(scope="module")
def bad_folder(folder: Path) -> Path:
    """net.hermes beside files that are wrong."""
    sources = {
        "raises": "x = {}\nx['nope']\n",
        "syntax": "def f(:\n",
        "empty": "import torch\n",
        "noexamples": "import torch\nmodel = torch.nn.Linear(2, 2)\n",
        "notmodule": "model = 3\nexample_inputs = ()\n",
        "exits": "import sys\nsys.exit(0)\n",
        "wrong": "import torch\nmodel = torch.nn.Linear(2, 2)\n"
        "example_inputs = (torch.ones(4, 3),)\n",
        "control": "import torch\n\n"
        "class M(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        y = x + 1\n"
        "        if y.sum() > 0:\n"
        "            return y\n"
        "        return x\n\n"
        "model = M()\nexample_inputs = (torch.ones(4, 3),)\n",
    }
    for name, text in sources.items():
        (folder / f"{name}.py").write_text(text)
    np.savez(folder / "bad.npz", x=np.zeros((3, 5), np.float32))
    np.savez(folder / "nan.npz", x=np.full((3, 6), np.nan, np.float32))
    np.savez(folder / "text.npz", x=np.zeros((3, 6), np.float32), labels=np.array(list("abc")))
    (folder / "junk.npz").write_bytes(b"junk")
    (folder / "report.json").write_text('{"latency_ns": 1}')
    (folder / "damaged.state.part").write_bytes(b"junk")
    (folder / "foreign.py").write_text(
        "import torch\nmodel = torch.nn.Linear(3, 2)\nexample_inputs = (torch.ones(4, 3),)\n"
    )
    succeed("compile", "foreign.py", cwd=folder)
    succeed("program", "foreign.hermes", cwd=folder)
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(bad_folder: Path, case: str) -> None:
    command, message = BAD[case]
    before = sorted(bad_folder.iterdir())
    run = hermesc(*command.split(), cwd=bad_folder)
    assert run.returncode == 2, run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    assert sorted(bad_folder.iterdir()) == before, "nothing half-written"


def test_debug_shows_where_and_keeps_the_exit_code(folder: Path) -> None:
    run = hermesc("--debug", "compile", "none.py", cwd=folder)
    assert run.returncode == 2
    assert "Traceback" in run.stderr
