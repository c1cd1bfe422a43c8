"""The signal chain's imperfections."""

from dataclasses import dataclass

from hermesrt.chip.fields import Pedigree


@dataclass(frozen=True, slots=True)
class Effects:
    """The signal chain's imperfections; each can be switched off alone to see what it costs.

    input_code: inputs are rounded to codes.
    programming_noise: cells miss the conductance wanted.
    drift: conductances fall with the age.
    drift_compensation: a factor a tile makes up for the drift.
    read_noise: every read differs.
    wire_drop: array lines have resistance.
    current_limit: a converter's current saturates.
    saturation: counters stop at their last count.
    count_code: counts are whole.
    polarity_asymmetry: in a 1-phase read the polarities differ in gain.
    converter_spread: converters differ in gain and zero.
    column_correction: the LDPU corrects that spread.
    output_noise: white noise before the output code.
    output_code: outputs are rounded to codes.
    """

    pedigree: Pedigree
    input_code: bool
    programming_noise: bool
    drift: bool
    drift_compensation: bool
    read_noise: bool
    wire_drop: bool
    current_limit: bool
    saturation: bool
    count_code: bool
    polarity_asymmetry: bool
    converter_spread: bool
    column_correction: bool
    output_noise: bool
    output_code: bool
