"""IBM's 64-core HERMES project chip as it was built, as data with sources."""

from pathlib import Path


def chip() -> Path:
    """The folder of the chip's TOML files."""
    return Path(__file__).parent
