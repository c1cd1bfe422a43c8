"""Give names that mislead to models, modules, weights, classes, files and ONNX nodes.

What `compile` takes, every later command reads, and no view prints a character without ink.

python tools/fuzz/names.py --seconds 60 --seed 0

Each mutant goes through compile, inspect, run, view, cost, diff and the trace in this process.
"""

import argparse
import contextlib
import io
import json
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from budget import Budget, add_budget

_SLOW_S = 20.0  # of processor time, for all commands of one mutant
_PIECES = (
    "\u00a0", "\u3000", "\u2003", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\n", "\r\n", "\t",
    "\u202e", "\u2066", "\u200f", "\ufeff", "\x1b[2J", "\x1b]0;x\x07", "\x9b31m", "\x7f", "\x00",
    "\ud800", "\udc80", "\ufffe", "\U000e0041", "\u2028", "\u0301", "a", "B", "_", "1", " ", "'",
    '"', "<", "&", "</script>", "]]>", "{{7*7}}", "%s", "\\", "/", ":", "[red]", "é", "\u212b",
    "ﬁ", "self", "None", "x" * 300,
)  # fmt: skip
_MADE = ("o.hermes", "p.html", "q.html", "t.json", "r.npz")


def hostile_name(rng: random.Random, without: str = "") -> str:
    """A few pieces; at least one that has no ink or a meaning somewhere."""
    name = "".join(rng.choice(_PIECES) for _ in range(rng.randint(1, 4)))
    return "".join(c for c in name if c not in without) or "\u00a0"


def main() -> int:
    """Try mutants until the time is over; print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_budget(parser)
    parser.add_argument("--first", type=int, default=0, help="begin with this mutant")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    budget, number, longest = Budget(options, options.first), options.first, 0.0
    while budget.left(number):
        start = time.process_time()
        outcome, text = tried(random.Random(f"{options.seed} {number}"))
        seconds = time.process_time() - start
        longest = max(longest, seconds)
        counts[outcome] += 1
        counts["slow"] += seconds > _SLOW_S
        if outcome not in ("read", "refused") or seconds > _SLOW_S:
            print(json.dumps({"number": number, "outcome": outcome, "text": text[-1500:]}))
        number += 1
    print(
        f"{number - options.first} mutants of seed {options.seed}: {counts['read']} read by every "
        f"command, {counts['refused']} refused by compile in one sentence, {counts['unread']} "
        f"refused later, {counts['ink']} shown raw, {counts['traceback']} tracebacks, "
        f"{counts['slow']} above {_SLOW_S:g} s; longest {longest:.1f} s of processor time"
    )
    return int(any(counts[k] for k in ("unread", "ink", "traceback", "slow")))


def tried(rng: random.Random) -> tuple[str, str]:
    """The outcome of one mutant: read, refused, unread, ink or traceback; and what was said."""
    make: Callable[[random.Random], Any] = rng.choice((_torch, _onnx, _classes, _file))
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return _through_all(make(rng))
        except Exception:
            return "traceback", f"{make.__name__} {traceback.format_exc()}"
        finally:
            os.chdir(home)


def _through_all(given: Any) -> tuple[str, str]:
    model, inputs, name = given
    import hermesc
    from hermesrt.errors import HermescError, InternalError

    try:
        if isinstance(model, Path):
            program = hermesc.compile(model, inputs)
        else:
            program = hermesc.compile(model, inputs, name=name)
        program.save("o.hermes")
    except InternalError as error:
        return "traceback", repr(error)
    except HermescError as error:
        return "refused", str(error)
    for words in _COMMANDS:
        code, text = command(words)
        if code:
            return "traceback" if code == 70 else "unread", f"{words} {text}"
        if raw := without_ink(text):
            return "ink", f"{words} {raw}"
    for made in _MADE[1:-1]:
        if raw := without_ink(Path(made).read_text(encoding="utf-8")):
            return "ink", f"{made} {raw}"
    return "read", ""


_COMMANDS: Sequence[tuple[str, ...]] = (
    ("inspect", "o.hermes"),
    ("inspect", "o.hermes", "--stage", "all"),
    ("inspect", "o.hermes", "--json"),
    ("run", "o.hermes", "--ideal", "--trace", "t.json", "--report", "p.html", "--outputs", "r.npz"),
    ("run", "o.hermes", "--ideal", "--json"),
    ("view", "o.hermes", "-o", "q.html"),
    ("cost", "o.hermes"),
    ("cost", "o.hermes", "--json"),
    ("diff", "o.hermes", "o.hermes"),
)


def command(words: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command, and all that it prints."""
    from hermesc.cli import main as run

    stream = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        try:
            run(list(words))
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, stream.getvalue()


def without_ink(text: str) -> str:
    """The characters of a view that could mislead; line breaks are ours."""
    return repr(sorted({c for c in text if not c.isprintable() and c not in "\n\t"}))[1:-1]


def _torch(rng: random.Random) -> Any:
    """Modules and buffers."""
    import torch
    from torch import nn

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.omega = hostile_name(rng, "."), hostile_name(rng, ".")
            self.add_module(self.inner, nn.Linear(4, 3))
            self.register_buffer(self.omega, torch.randn(3, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return getattr(self, self.inner)(x).relu() @ getattr(self, self.omega)

    return Outer().eval(), torch.randn(4, 4), hostile_name(rng)


def _onnx(rng: random.Random) -> Any:
    """Values, nodes, weights and the graph."""
    import numpy as np
    import torch
    from onnx import TensorProto, helper, numpy_helper

    x, w, t, y, node, graph, size = (
        hostile_name(rng, "".join(map(chr, range(0xD800, 0xE000)))) for _ in range(7)
    )
    x, w, t, y = (f"{name}{i}" for i, name in enumerate((x, w, t, y)))
    nodes = [
        helper.make_node("MatMul", [x, w], [t], name=node),
        helper.make_node("Cos", [t], [y], name=f"{node}.2"),
    ]
    made = helper.make_graph(
        nodes,
        graph,
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [size, 4])],
        [helper.make_tensor_value_info(y, TensorProto.FLOAT, [size, 2])],
        [numpy_helper.from_array(np.ones((4, 2), np.float32), w)],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)])
    return model, torch.randn(3, 4), hostile_name(rng)


def _classes(rng: random.Random) -> Any:
    """The labels of classes."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    x = np.random.default_rng(0).normal(size=(30, 4))
    classes = sorted({hostile_name(rng, "\ud800\udc80\x00") for _ in range(3)} | {"a", "b"})
    y = np.array([classes[i % len(classes)] for i in range(30)])
    return LogisticRegression().fit(x, y), x, hostile_name(rng)


def _file(rng: random.Random) -> Any:
    """The file's name and a line of its code."""
    name = hostile_name(rng, "/\x00\ud800")[:40]  # at most 160 bytes
    quoted = json.dumps(hostile_name(rng))
    path = Path(f"{name}.py")
    path.write_text(
        "import torch\nclass M(torch.nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.w = torch.nn.Linear(4, 2)\n"
        f"    def forward(self, x):\n        return self.w(x).cos() if {quoted} else x  # \u202e\n"
        "model = M()\nexample_inputs = (torch.randn(4, 4),)\n",
        encoding="utf-8",
    )
    return path, None, None


if __name__ == "__main__":
    sys.exit(main())
