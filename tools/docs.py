"""Keep the README true: the demo's output in it is a script's, and its Python runs.

    python tools/docs.py                        check; exit 1 and say what differs
    python tools/docs.py --write                write all blocks that need no data of others
    python tools/docs.py --write demo bench     write these
    python tools/docs.py --write --data DIR     the studies with DIR's measurements too (an hour)

Numbers may differ by 2 % and one in the last digit (another processor rounds otherwise); all else
must be the same.
"""

import re
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
TOLERANCE = 0.02
ATTENTION_MAPS = {
    "FavorAttention": "softmax by positive, hyperbolic or trigonometric features, or ReLU features",
    "RandomFeatureAttention": "softmax of normalised tokens by Fourier features",
    "LinearAttention": "elu + 1",
    "CosformerAttention": "ReLU, weighted by the distance of tokens",
    "NystroemAttention": "Skyformer's Gaussian kernel, or softmax, by landmarks",
}
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e-?\d+)?")


def demo_output() -> str:
    """What `make demo` prints, without the environment's part."""
    return output(str(ROOT / "tools/demo.sh"), str(Path(sys.executable).parent))


def kernels_table() -> str:
    """What `hermesc.kernels` has, by asking it."""
    from hermesc import kernels
    from hermesc.kernels import attention

    made = (
        kernels.Rbf(1.0), kernels.Laplacian(1.0), kernels.ArcCosine(0), kernels.Polynomial(2),
        kernels.Softmax(), kernels.Ntk(),
    )  # fmt: skip
    lines = [f"{type(k).__name__:<23} {', '.join(kernels.samplers_of(k))}" for k in made]
    kinds = {k.__name__ for k in attention.KernelAttention.__subclasses__()}
    if kinds != set(ATTENTION_MAPS):
        raise SystemExit(f"tools/docs.py does not describe {kinds ^ set(ATTENTION_MAPS)}")
    lines += [f"{name:<23} {what}" for name, what in ATTENTION_MAPS.items()]
    heads = ", ".join(name for name in kernels.__all__ if name.startswith("fit_"))
    return "\n".join([*lines, f"{'heads':<23} {heads}"])


def script(name: str, *words: str) -> str:
    """What one of our scripts prints."""
    return output(sys.executable, str(ROOT / "tools" / name), *words)


def study_output(*words: str) -> str:
    """A study's text; not checked, for it takes minutes or data that is not ours."""
    return output(str(Path(sys.executable).parent / "hermesc"), "study", *words)


def output(*command: str) -> str:
    """What a command prints."""
    with tempfile.TemporaryDirectory() as folder:  # studies keep their results in it
        run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
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


def after(text: str, words: str) -> str:
    """What stands behind the last occurrence of some words."""
    return text.rpartition(words)[2]


def blocks(data: str | None) -> dict[str, Callable[[], str]]:
    """How each block of the README is made; those of measurements need the folder that holds
    them."""
    made: dict[str, Callable[[], str]] = {
        "demo": demo_output,
        "kernels": kernels_table,
        "table1": lambda: script("table1.py"),
        "bench": lambda: script("bench/mvm.py") + "\n\n" + script("bench/programming.py"),
        "timing": lambda: script("bench/timing.py"),
        "programming": lambda: study_output("programming"),
        "defects": lambda: script("defects.py"),
        "compile": lambda: script("bench/compile.py"),
    }
    if data is None:
        return made
    words = ("--fresh", "--data", str(Path(data).resolve()))
    chip_svg, kernels_svg = (str(ROOT / f"examples/study_{n}.svg") for n in ("chip", "kernels"))
    kernels = ("kernels", *words, "--plot", kernels_svg)
    explain = ("chip", *words, "--seeds", "5", "--explain")
    mappings = str(Path(data).resolve() / "hermes_mappings")
    return made | {
        "mappings": lambda: script("bench/mappings.py", "--data", mappings),
        "agreement": lambda: "Against" + after(study_output(*kernels), "\nAgainst"),
        "attention": lambda: "Relative" + after(study_output("attention", *words), "\nRelative"),
        "study": lambda: study_output("chip", *words, "--plot", chip_svg),
        "explain": lambda: after(study_output(*explain), "with one thing changed:\n"),
    }


def write(names: Sequence[str], data: str | None) -> None:
    """Fill blocks, and the demo's picture with the demo."""
    made = blocks(data)
    unknown = [name for name in names if name not in made]
    if unknown:
        raise SystemExit(f"no block {', '.join(unknown)}; there are {', '.join(made)}")
    for name in names or made:
        fresh, text = made[name](), README.read_text(encoding="utf-8")
        block = section(text, name)
        README.write_text(
            f"{text[: block.start(2)]}\n{fresh}{text[block.end(2) :]}", encoding="utf-8"
        )
        if name == "demo":
            picture = (ROOT / "build/demo/rbf_ridge.svg").read_bytes()
            (ROOT / "examples/rbf_ridge.svg").write_bytes(picture)
            script("picture.py")


def check() -> int:
    """Blocks that are the same on every machine, and the Python."""
    text = README.read_text(encoding="utf-8")
    made = blocks(None)
    for name in ("demo", "kernels", "table1"):
        problem = differs(section(text, name)[2].strip("\n"), made[name]())
        if problem is not None:
            print(f"README.md's {name} is out of date: {problem}; run `make docs`")
            return 1
    run_python(text)
    print("README.md is true")
    return 0


def main() -> int:
    """Check, or write."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--write", nargs="*", metavar="BLOCK", help="these blocks, or all")
    parser.add_argument("--data", metavar="DIR", help="measurements, for the blocks of studies")
    given = parser.parse_args()
    if given.write is None:
        return check()
    write(given.write, given.data)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
