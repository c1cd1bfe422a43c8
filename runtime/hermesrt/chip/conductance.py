"""From weights to conductances: each column has a scale of its own, g = w / max|w_column| * g_max.

Its largest weight gets the largest conductance of its row block; a column of zeros gets none.
Source: Le Gallo 2023, Methods.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hermesrt.chip.spec import ChipSpec

_CELLS = 2**16  # whose magnitudes are taken together


def column_max(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, " columns"]:
    """Largest magnitude of each column; some rows after the others, so that a copy of the matrix
    takes little memory and stays in the processor's cache."""
    rows = max(1, _CELLS // max(1, matrix.shape[1]))
    return torch.stack([part.abs().amax(0) for part in torch.split(matrix, rows)]).amax(0)


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
