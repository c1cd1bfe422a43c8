"""Which statistics a chip's cells follow, and how noise and drift are taken."""

from dataclasses import dataclass

from hermesrt.chip.fields import Pedigree, limits, one_of

STATISTICS = ("hermes", "hermes-msf", "pcm-like", "adc-count", "reram", "gaussian")  # shipped
STATISTICS_GROUP = "hermesc.statistics"  # entry points of packages that add others


@dataclass(frozen=True, slots=True)
class Statistics:
    """Which device statistics the cells follow; see the `pcm_*` tables.

    model: one of these, or one that an installed package adds (entry point `hermesc.statistics`).
        `hermes`: the chip's published fits, the devices of a polarity as one.
        `hermes-msf`: two devices that drift each for itself, one fully SET or RESET (max-SET-fill).
        `pcm-like`: an array of one million devices.
        `adc-count`: weight errors of the chip in ADC counts.
        `reram`: resistive devices as published, scaled to the largest conductance.
        `gaussian`: errors of one size.
    """

    pedigree: Pedigree
    model: str


@dataclass(frozen=True, slots=True)
class ReadStatistics:
    """How read noise and programming noise go together.

    read_noise: one of three.
        `split`: a slow part, drawn once for an age, and a fast one for each MVM (`fast_noise`);
        what lies before t0 is in the published programming spread, which is that of a first read.
        `added`: all noise since programming at every read, beside the spread, as the published
        equations are used.
        `within`: the same, but the spread holds the noise up to t0.
    drawn: whether `added` and `within` are drawn for `each` MVM, or `once` for an age, as aihwkit
        does; for each in any case while cells are programmed. A split is drawn for each.
    """

    pedigree: Pedigree
    read_noise: str = one_of("split", "added", "within")
    drawn: str = one_of("each", "once")


@dataclass(frozen=True, slots=True)
class FastNoise:
    """The part of 1/f noise that differs from MVM to MVM, where read noise is split.

    logarithm: its variance in units of (g q)^2.
    """

    pedigree: Pedigree
    logarithm: float = limits(0.0, 100.0)


@dataclass(frozen=True, slots=True)
class DriftReference:
    """What a drift compensation compares at t0 and at an age.

    reference: one of three; the first two give one factor a tile.
        `products`: MVMs of known inputs; the factor makes the error of the later ones least. It is
        blind to what cells gather independently of what they held.
        `magnitude`: the mean |g+ - g-| of all cells, which noise of cells without a weight raises.
        `columns`: gain and zero of every column are fitted again, as the correction of the columns
        was at t0.
    """

    pedigree: Pedigree
    reference: str = one_of("products", "magnitude", "columns")
