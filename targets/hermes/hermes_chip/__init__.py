"""Chips as data with sources: two of IBM's that were built, and two that were not."""

from pathlib import Path

_HERE = Path(__file__).parent


def chip() -> Path:
    """The folder of the HERMES project chip's TOML files."""
    return _HERE / "hermes"


def dpu() -> Path:
    """Hypothetical: the same array with an on-chip vector unit and on-chip transport."""
    return _HERE / "hermes-dpu.toml"


def mesh2d() -> Path:
    """Hypothetical: the 2-D mesh of 512x512 tiles and compute cores of Jain et al. 2023."""
    return _HERE / "mesh2d.toml"


def pcm_14nm() -> Path:
    """The 34-tile chip on which ALBERT ran (Chen et al. 2025), as far as it is published."""
    return _HERE / "pcm-14nm.toml"


def machines() -> Path:
    """Digital machines to compare with."""
    return _HERE / "machines.toml"
