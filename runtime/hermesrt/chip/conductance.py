"""From weights to conductances: each column has a scale of its own, g = w / max|w_column| * g_max.

Its largest weight gets the largest conductance of its row block; a column of zeros gets none.
Source: Le Gallo 2023, Methods.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.chip.spec import ChipSpec


def column_max(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, " columns"]:
    """Largest magnitude of each column, without a copy of the matrix."""
    return torch.maximum(matrix.amax(0), -matrix.amin(0)).abs()  # a zero of either sign is +0


def g_shares(
    block: Float[Tensor, "rows columns"],
    largest: Float[Tensor, " columns"],
    out: Tensor | None = None,
) -> Float[Tensor, "rows columns"]:
    """What each weight takes of g_max, from -1 to 1; `largest` are its columns' largest magnitudes
    in the whole matrix. A column of zeros takes nothing. `out` is memory for the result."""
    shares = torch.div(block, largest, out=out)
    sound = not largest.numel() or 0 < float(largest.amin()) <= float(largest.amax()) < math.inf
    return shares if sound else shares.nan_to_num_(0.0)


def g_max_siemens(chip: ChipSpec, line_max: float) -> float:
    """g_max of a row block: the devices' limit, or the largest that keeps every line's current
    below the converter's saturation; `line_max` is the largest sum of shares on one line, in units
    of g_max."""
    limited = line_max > 0 and chip.effects.current_limit
    allowed = chip.line_siemens / line_max if limited else chip.pcm.g_max_siemens
    return min(chip.pcm.g_max_siemens, allowed)
