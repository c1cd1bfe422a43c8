"""Converters' bits, array size and read mode on two models: the best points, and their picture.

python tools/design_space.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES, FIGURES = ROOT / "examples", ROOT / "docs/figures"
HERMESC = str(Path(sys.executable).parent / "hermesc")
MODELS = ("rbf_ridge", "favor_attention")


def main() -> None:
    """Sweep each model, print its front, and draw it into the figures of the docs."""
    for model in MODELS:
        figure = FIGURES / f"design_space_{model}.svg"
        words = ("sweep", f"{model}.py", "--grid", "design_space.toml")
        with tempfile.TemporaryDirectory() as cells:
            files = ("--cells", cells, "--plot", str(figure))
            run = subprocess.run(
                [HERMESC, *words, *files], cwd=EXAMPLES, capture_output=True, text=True, check=True
            )
        print(f"$ hermesc {' '.join(words)}")
        print(run.stdout)


if __name__ == "__main__":
    main()
