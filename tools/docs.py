"""Keep the README true: the demo's output in it is a script's, and its Python runs.

    python tools/docs.py           check; exit 1 and say what differs
    python tools/docs.py --write   write the demo's output, its picture, the benchmarks' tables and
                                   the study of programming
    python tools/docs.py --write DIR   the same, the published mappings of DIR/hermes_mappings, and
                                       the studies of the chip with DIR's measurements (half an
                                       hour)

Numbers may differ by 2 % and one in the last digit (another processor rounds otherwise); all else
must be the same.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
TOLERANCE = 0.02
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e-?\d+)?")


def demo_output() -> str:
    """What `make demo` prints, without the environment's part."""
    return output(str(ROOT / "tools/demo.sh"), str(Path(sys.executable).parent))


def bench_output(*names: str) -> str:
    """The tables of benchmarks; not checked, for times are the machine's."""
    return "\n\n".join(
        output(sys.executable, str(ROOT / f"tools/bench/{name}.py")) for name in names
    )


def study_output(*words: str) -> str:
    """A study's text; not checked, for it takes minutes or data that is not ours."""
    return output(str(Path(sys.executable).parent / "hermesc"), "study", *words)


def output(*command: str) -> str:
    """What a command prints."""
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout.rstrip()


def section(text: str, name: str) -> re.Match[str]:
    """The block of the README between the markers of that name."""
    pattern = rf"(<!-- {name} -->\n```text)(.*?)(\n```\n<!-- end -->)"
    match = re.search(pattern, text, re.DOTALL)
    if match is None:
        raise SystemExit(f"README.md has no block marked {name}")
    return match


def differs(written: str, fresh: str) -> str | None:
    """The first line that says something else, or None."""
    old, new = written.splitlines(), fresh.splitlines()
    for a, b in zip(old, new, strict=False):
        if NUMBER.sub("#", a) != NUMBER.sub("#", b):
            return f"{a!r} is now {b!r}"
        for x, y in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True):
            u, v = (float(n.replace(",", "")) for n in (x, y))
            last_digit = 10.0 ** -len(x.partition(".")[2])
            if abs(u - v) > TOLERANCE * max(abs(u), abs(v)) + last_digit:
                return f"{a!r} is now {b!r}"
    return None if len(old) == len(new) else "it has another number of lines"


def run_python(text: str) -> None:
    """Run the README's Python blocks in a folder of their own."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, check=True)


def main() -> int:
    """Check, or write."""
    text = README.read_text(encoding="utf-8")
    fresh = demo_output()
    if "--write" in sys.argv:
        blocks = {
            "demo": fresh,
            "bench": bench_output("mvm", "programming"),
            "timing": bench_output("timing"),
            "table1": output(sys.executable, str(ROOT / "tools/table1.py")),
            "programming": study_output("programming"),
            "defects": output(sys.executable, str(ROOT / "tools/defects.py")),
            "compile": output(sys.executable, str(ROOT / "tools/bench/compile.py")),
        }
        if data := sys.argv[sys.argv.index("--write") + 1 :]:
            picture = str(ROOT / "examples/study_chip.svg")
            words = ("chip", "--data", data[0])
            mappings = str(Path(data[0]) / "hermes_mappings")
            bench = str(ROOT / "tools/bench/mappings.py")
            blocks["mappings"] = output(sys.executable, bench, "--data", mappings)
            blocks["study"] = study_output(*words, "--plot", picture)
            explained = study_output(*words, "--seeds", "5", "--explain")
            blocks["explain"] = explained.rpartition("The same cells with one thing changed:\n")[2]
        for name, fresh_text in blocks.items():
            block = section(text, name)
            text = f"{text[: block.start(2)]}\n{fresh_text}{text[block.end(2) :]}"
        README.write_text(text, encoding="utf-8")
        picture = (ROOT / "build/demo/rbf_ridge.svg").read_bytes()
        (ROOT / "examples/rbf_ridge.svg").write_bytes(picture)
        return 0
    problem = differs(section(text, "demo")[2].strip("\n"), fresh)
    if problem is not None:
        print(f"README.md's demo is out of date: {problem}; run `make docs`")
        return 1
    run_python(text)
    print("README.md is true")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
