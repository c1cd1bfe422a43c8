"""Draw the README's picture of the page: the upper part of that of an eight-layer Performer.

python tools/picture.py        writes docs/figures/page.png; needs a Chromium on the PATH
"""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs/figures/page.png"
SIZE = {"width": 1440, "height": 1000}
PART = {"x": 0, "y": 0, "width": 1440, "height": 1960}
MOST_BYTES = 300_000
MODEL = f"""
import sys
sys.path.insert(0, {str(ROOT / "tools/bench")!r})
import torch
from timing import WIDTH, Layer
torch.manual_seed(0)
model = torch.nn.Sequential(*(Layer() for _ in range(8))).eval()
example_inputs = (torch.randn(2, 64, WIDTH),)
"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Compile, view, draw."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print(f"no browser, {TARGET.name} stays as it is")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        hermesc = str(Path(sys.executable).parent / "hermesc")
        (Path(folder) / "performer.py").write_text(MODEL)
        for words in (("compile", "performer.py"), ("view", "performer.hermes")):
            subprocess.run([hermesc, *words], cwd=folder, check=True, capture_output=True)
        picture = drawn(browser, Path(folder) / "performer.html")
    if len(picture) > MOST_BYTES:
        raise SystemExit(f"{TARGET.name} would have {len(picture):,} bytes")
    TARGET.write_bytes(picture)
    return 0


def drawn(browser: str, page: Path) -> bytes:
    """The upper part of the page, in 256 colours."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        context = running.new_context(viewport=SIZE, reduced_motion="reduce")
        opened = context.new_page()
        opened.goto(page.as_uri())
        pixels = opened.screenshot(full_page=True, clip=PART)
        running.close()
    stream = io.BytesIO()
    image = Image.open(io.BytesIO(pixels)).convert("RGB")
    colours = sorted(image.getcolors(1 << 24), reverse=True)[:256]  # those of most pixels
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for _, colour in colours for value in colour])
    few = image.quantize(palette=palette, dither=Image.Dither.NONE)
    few.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


if __name__ == "__main__":
    raise SystemExit(main())
