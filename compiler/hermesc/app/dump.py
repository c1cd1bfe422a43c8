"""What an observer of the compiler sees after a step, as text."""

from hermesc.frontend.torch.capture import Capture
from hermesc.ir.text import Stage, stage_text
from hermesrt.artifact.schema import Artifact
from hermesrt.report.text.inspect import inspect_text

Seen = Stage | Capture | Artifact


def dump_text(seen: Seen | tuple[Stage, object]) -> str:
    """What a step added; steps that change weights as well give a stage and its weights."""
    match seen:
        case Capture():
            return f"{seen.exported}\n"
        case Artifact():
            return f"{inspect_text(seen, seen.manifest.name, None)}\n"
        case tuple():
            return stage_text(seen[0])
        case _:
            return stage_text(seen)
