"""Kernels and their random features, in torch: to build models with, and to check them against."""

from hermesc.kernels.arccos import ArcCosine0
from hermesc.kernels.rbf import Rbf

__all__ = ["ArcCosine0", "Rbf"]
