"""What compiling told: the program, the stages' times, layers left digital."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hermesc.app.digital_fallback import DigitalFallback
from hermesc.app.stage_log import StageSeconds
from hermesrt.facts.errors import layer_errors
from hermesrt.facts.placement import placement_json
from hermesrt.program import Program
from hermesrt.report.text.terminal import account_table, compile_summary


@dataclass(frozen=True)
class CompileReport:
    """All that `hermesc compile` reports; `str()` of it is the terminal's text.

    program: what was made.
    output: the file that holds it.
    stages: the compiler's stages and their times.
    fallback: how layers were left digital, where a budget of accuracy was given.
    """

    program: Program
    output: Path
    stages: tuple[StageSeconds, ...]
    fallback: DigitalFallback | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data under the command line's fixed names."""
        artifact, work = self.program.artifact, self.program.workload()
        found = {
            "output": str(self.output),
            "chip": artifact.chip.name,
            "cores_used": len(artifact.cores),
            "tiles": artifact.tiles,
            "utilisation": artifact.utilisation,
            "placement": placement_json(artifact, work),
            "analog_ops": artifact.count("analog"),
            "ldpu_ops": artifact.count("ldpu"),
            "digital_ops": artifact.count("digital"),
            "free_ops": artifact.count("free"),
            "analog_mac_share": work.analog_mac_share,
            "refusals": self._refusals(),
            "stages": [asdict(stage) for stage in self.stages],
            "ranges": [
                {
                    "label": artifact.matrices[step.matrix].label,
                    "input_max": step.input_max,
                    "clipped_share": step.clipped_share,
                }
                for step in artifact.mvms
            ],
            "predicted_errors": [
                {"label": layer.label, "drowns": layer.drowns} | asdict(layer.found)
                for layer in layer_errors(artifact)
            ],
            "defects": [asdict(layer) for layer in artifact.manifest.defects],
            "notes": list(artifact.manifest.notes),
            "sha256": self.program.sha256,
        }
        return found if self.fallback is None else found | self.fallback.to_json()

    def _refusals(self) -> list[dict[str, str]]:
        return [
            {
                "op": a.op,
                "location": str(a.location),
                "module": a.location.module,
                "reason": a.reason,
            }
            for a in self.program.artifact.manifest.account
            if a.unit == "digital"
        ]

    def __str__(self) -> str:
        artifact, work = self.program.artifact, self.program.workload()
        parts = [compile_summary(artifact, work, str(self.output)), account_table(artifact)]
        return "\n".join(parts if self.fallback is None else [*parts, str(self.fallback)])
