"""The one place where counts become energy: counts x the chip's table."""

from dataclasses import dataclass

from hermesc.target.spec import ChipSpec, Mode

_PJ_PER_NJ = 1000.0
_PJ_PER_MW_PS = 1e-3  # 1 mW x 1 ps = 1e-15 J = 1e-3 pJ


@dataclass(slots=True)
class Counts:
    """What was done, for one run of the program."""

    core_mvms: int = 0
    ldpu_outputs: int = 0
    host_bytes: int = 0
    host_operations: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.core_mvms + other.core_mvms,
            self.ldpu_outputs + other.ldpu_outputs,
            self.host_bytes + other.host_bytes,
            self.host_operations + other.host_operations,
        )


def mvm_energy_nj(chip: ChipSpec, mode: Mode) -> float:
    """Energy of one core's MVM in that mode."""
    return chip.mvm_energy.one_phase_nj if mode == "1-phase" else chip.mvm_energy.four_phase_nj


def energy_pj(
    chip: ChipSpec, counts: Counts, mode: Mode, cores: int, time_ps: int
) -> dict[str, float]:
    """Energy by cause; `cores` in use idle for `time_ps`.

    Source: tables `*_energy` and `idle_power` of the chip (Le Gallo 2023, Table I, decomposed).
    """
    return {
        "array": counts.core_mvms * mvm_energy_nj(chip, mode) * _PJ_PER_NJ,
        "ldpu": counts.ldpu_outputs * chip.ldpu_energy.output_nj * _PJ_PER_NJ,
        "idle": cores * time_ps * chip.idle_power.core_mw * _PJ_PER_MW_PS,
        "host_link": counts.host_bytes * chip.host_link_energy.byte_pj,
        "host": counts.host_operations * chip.host_energy.op_pj,
    }


def assumed_causes(chip: ChipSpec) -> tuple[str, ...]:
    """Causes whose price is assumed."""
    pedigrees = {
        "array": chip.mvm_energy.pedigree,
        "ldpu": chip.ldpu_energy.pedigree,
        "idle": chip.idle_power.pedigree,
        "host_link": chip.host_link_energy.pedigree,
        "host": chip.host_energy.pedigree,
    }
    return tuple(cause for cause, p in pedigrees.items() if p.kind == "assumed")
