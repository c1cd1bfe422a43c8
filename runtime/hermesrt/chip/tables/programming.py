"""Pulses and reads of programming: what they do, and what they take."""

from dataclasses import dataclass

from hermesrt.chip.fields import Pedigree, limits


@dataclass(frozen=True, slots=True)
class ProgrammingPulses:
    """Pulses and reads of the chip's own program-and-verify.

    set_ampere: current of a SET pulse, in A.
    set_ns: its duration.
    reset_ampere: current of a RESET pulse, in A.
    reset_ns: its duration.
    pulse_low_ampere: the least current of a programming pulse, in A.
    pulse_high_ampere: the largest current of a programming pulse, in A.
    pulse_ns: its duration.
    verify_ns: duration of a verify read.
    write_heads: columns of a core that are pulsed at once.
    margin_counts: error, in counts of a verify read, up to which a device is left as it is.
    iterations: reads and pulses of a device at most.
    """

    pedigree: Pedigree
    set_ampere: float = limits(0.0, 1.0)
    set_ns: float = limits(0.0, 1e9)
    reset_ampere: float = limits(0.0, 1.0)
    reset_ns: float = limits(0.0, 1e9)
    pulse_low_ampere: float = limits(0.0, 1.0)
    pulse_high_ampere: float = limits(0.0, 1.0)
    pulse_ns: float = limits(0.0, 1e9)
    verify_ns: float = limits(0.0, 1e9)
    write_heads: int = limits(1, 65536)
    margin_counts: float = limits(0.0, 1e4)
    iterations: int = limits(1, 10000)


@dataclass(frozen=True, slots=True)
class VerifyCount:
    """Conductance that one count of a verify read stands for.

    count_siemens: that conductance, in S.
    """

    pedigree: Pedigree
    count_siemens: float = limits(1e-12, 1e-3)


@dataclass(frozen=True, slots=True)
class ProgrammingEnergy:
    """Price of programming: the pulses' supply, and a verify read of one diagonal.

    supply_volt: voltage of the pulses' supply, in V.
    verify_read_nj: energy of a verify read of one diagonal.
    """

    pedigree: Pedigree
    supply_volt: float = limits(0.0, 100.0)
    verify_read_nj: float = limits(0.0, 1e9)


@dataclass(frozen=True, slots=True)
class SetStatistics:
    """Conductance of a SET device, log-normal over devices, and of a RESET one, half-normal.

    set_median_siemens: median over SET devices, in S.
    set_log_spread: standard deviation of the logarithm over SET devices.
    reset_spread_siemens: spread over RESET devices, in S.
    """

    pedigree: Pedigree
    set_median_siemens: float = limits(1e-9, 1.0)
    set_log_spread: float = limits(0.0, 1.5)
    reset_spread_siemens: float = limits(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class WriteNoise:
    """Error of one pulse: a share of the wanted step, and a floor.

    step_share: standard deviation as a share of the step.
    floor_siemens: standard deviation without a step, in S.
    verify_counts: noise of a verify read, standard deviation in its counts.
    """

    pedigree: Pedigree
    step_share: float = limits(0.0, 2.0)
    floor_siemens: float = limits(0.0, 1.0)
    verify_counts: float = limits(0.0, 1e3)
