"""Keep README.md and docs/ true: scripts write what they measure, and their Python runs.

    python tools/docs.py                        check; exit 1 and say what differs
    python tools/docs.py --write                write all blocks that need no data of others
    python tools/docs.py --write demo bench     write these
    python tools/docs.py --write --data DIR     the studies with DIR's measurements too (an hour)

The block `zoo` is written where it is named alone, by a Python that has the packages.
A block stands between `<!-- NAME -->` and `<!-- end -->`; one name may stand on several pages. The
block `python` is what the Python of its own page prints. Numbers may differ by 2 % and one in the
last digit (another processor rounds otherwise); all else must be the same.
"""

import re
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs/figures"
PCM_14NM = ROOT / "targets/hermes/hermes_chip/pcm-14nm.toml"
# the same on every machine, in seconds
QUICK = (
    "arena", "defects", "demo", "goals", "kernels", "lra", "mapping", "processors", "published",
    "table1", "walk",
)  # fmt: skip
BLOCK = re.compile(r"(<!-- (\w+) -->\n```text)(.*?)(\n```\n<!-- end -->)", re.DOTALL)
ASKED = {"zoo"}  # written where they are named alone, for they need packages that are not ours
PYTHON = "python"
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


def goals() -> str:
    """The goals of the study of the chip, out of its block."""
    study = marked(ROOT / "docs/validation.md")["study"]
    lines = study.partition("\nGoals:\n")[2].splitlines()
    return "\n".join(line[2:] for line in takewhile(lambda line: line.startswith("  "), lines))


def script(name: str, *words: str) -> str:
    """What one of our scripts prints."""
    return output(sys.executable, str(ROOT / "tools" / name), *words)


def example(name: str) -> str:
    """What an example prints."""
    return output(sys.executable, str(ROOT / "examples" / name))


def study_output(*words: str) -> str:
    """A study's text; not checked, for it takes minutes or data that is not ours."""
    return output(str(Path(sys.executable).parent / "hermesc"), "study", *words)


def output(*command: str) -> str:
    """What a command prints."""
    with tempfile.TemporaryDirectory() as folder:  # studies keep their results in it
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} failed:\n{run.stderr}")
    return run.stdout.rstrip()


def pages() -> list[Path]:
    """All pages that may hold blocks or Python."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def marked(page: Path) -> dict[str, str]:
    """What stands in each block of a page."""
    text = page.read_text(encoding="utf-8")
    found = {match[2]: match[3].strip("\n") for match in BLOCK.finditer(text)}
    if len(found) != text.count("<!-- end -->"):
        raise SystemExit(f"{page.name}: a block is not closed, or stands twice")
    return found


def fill(page: Path, name: str, fresh: str) -> None:
    """Write the block of that name."""

    def filled(match: re.Match[str]) -> str:
        return f"{match[1]}\n{fresh}{match[4]}" if match[2] == name else match[0]

    page.write_text(BLOCK.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")


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


def python_output(page: Path) -> str:
    """What the Python blocks of a page print, one after another in a folder of their own."""
    text = page.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    return output(sys.executable, "-W", "error", "-c", code) if code else ""


def after(text: str, words: str) -> str:
    """What stands behind the last occurrence of some words."""
    return text.rpartition(words)[2]


def blocks(data: str | None) -> dict[str, Callable[[], str]]:
    """How each block is made; those of measurements need the folder that holds them."""
    made: dict[str, Callable[[], str]] = {
        "demo": demo_output,
        "kernels": kernels_table,
        "table1": lambda: script("table1.py"),
        "lra": lambda: script("lra.py"),
        "arena": lambda: script("lra.py", "--short"),
        "published": lambda: script("published.py"),
        "walk": lambda: script("walk.py"),
        "processors": lambda: script("bench/table.py"),
        "networks": lambda: after(study_output("networks", "--epochs", "30"), "not levels:\n"),
        "mapping": lambda: after(study_output("networks", "--only", "mapping"), "weights:\n"),
        "bench": lambda: "\n\n".join(
            script(f"bench/{name}.py") for name in ("mvm", "models", "programming")
        ),
        "timing": lambda: script("bench/timing.py"),
        "programming": lambda: study_output("programming"),
        "ageing": lambda: study_output("ageing", "--seeds", "2", "--chip", str(PCM_14NM)),
        "defects": lambda: script("defects.py"),
        "compile": lambda: script("bench/compile.py"),
        "training": lambda: script("bench/training.py"),
        "meta": lambda: script("bench/meta.py"),
        "trained": lambda: "\n".join(example(f"{n}.py") for n in ("deep_kernel", "option_price")),
        "spread": lambda: script("spread.py"),
        "design": lambda: script("design_space.py"),
        "slices": lambda: script("slices.py"),
        "tune": lambda: script("tune.py"),
        "onnx": lambda: script("onnx_nodes.py"),
        "input_ranges": lambda: script("input_ranges.py"),
        "accelerators": lambda: study_output(
            "accelerators", "--plot", str(FIGURES / "accelerators.svg")
        ),
        "zoo": lambda: script("zoo_packages.py", "--docs"),
    }
    last: dict[str, Callable[[], str]] = {"goals": goals}  # out of another block
    if data is None:
        return made | last
    words = ("--fresh", "--data", str(Path(data).resolve()))
    chip_svg, kernels_svg = (str(FIGURES / f"study_{n}.svg") for n in ("chip", "kernels"))
    kernels = ("kernels", *words, "--plot", kernels_svg)
    explain = ("chip", *words, "--seeds", "5", "--explain")
    converters = ("chip", *words, "--seeds", "1", "--errors-only", "--explain", "converters")
    mappings = str(Path(data).resolve() / "hermes_mappings")
    larger = ("networks", *words, "--hidden", "256")
    studies: dict[str, Callable[[], str]] = {
        "networks_data": lambda: after(study_output(*larger), "not levels:\n"),
        "mappings": lambda: script("bench/mappings.py", "--data", mappings),
        "agreement": lambda: "Against" + after(study_output(*kernels), "\nAgainst"),
        "attention": lambda: "Relative" + after(study_output("attention", *words), "\nRelative"),
        "study": lambda: study_output("chip", *words, "--plot", chip_svg),
        "explain": lambda: after(study_output(*explain), "with one thing changed:\n"),
        "converters": lambda: after(study_output(*converters), "RBF / ArcCos0:\n"),
    }
    return made | studies | last


def write(names: Sequence[str], data: str | None) -> None:
    """Fill blocks on all pages, and draw the demo's pictures with the demo."""
    made = blocks(data)
    unknown = [name for name in names if name not in (*made, PYTHON)]
    if unknown:
        raise SystemExit(f"no block {', '.join(unknown)}; there are {', '.join(made)}, {PYTHON}")
    for name in names or [name for name in made if name not in ASKED]:
        if name == PYTHON:
            continue
        fresh = made[name]()
        for page in pages():
            fill(page, name, fresh)
        if name == "demo":
            picture = (ROOT / "build/demo/rbf_ridge.svg").read_bytes()
            (FIGURES / "rbf_ridge.svg").write_bytes(picture)
            script("picture.py")
    if not names or PYTHON in names:
        for page in pages():
            if PYTHON in marked(page):
                fill(page, PYTHON, python_output(page))


def check() -> int:
    """The quick blocks of all pages, and their Python."""
    found, written = {page: marked(page) for page in pages()}, {PYTHON, *blocks("")}
    made = {name: blocks(None)[name]() for name in QUICK}
    problems = [
        f"{page.name}: no script writes the block {name}"
        for page, texts in found.items()
        for name in sorted(set(texts) - written)
    ]
    unused = written - {name for texts in found.values() for name in texts}
    problems += [f"no page has the block {name}" for name in sorted(unused)]
    for page, texts in found.items():
        fresh = made | {PYTHON: python_output(page)}
        for name in sorted(set(texts) & set(fresh)):
            problem = differs(texts[name], fresh[name])
            if problem is not None:
                problems.append(f"{page.name}'s {name}: {problem}; run `make docs`")
    print("\n".join(problems) if problems else "README.md and docs/ are true")
    return min(1, len(problems))


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
