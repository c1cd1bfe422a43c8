"""One-shot programming: each tuned device gets one pulse, from its SET level alone."""

from hermesrt.programming.core_programming import CoreProgramming
from hermesrt.programming.session import (
    ProgrammingSession,
    correct,
    missing_counts,
    places,
    send,
)


def oneshot(session: ProgrammingSession, core: CoreProgramming) -> None:
    """From RESET, the pulse whose current the device's SET level asks for."""
    read = session.read(core.target.core, (0, 1))
    change = missing_counts(session.chip, core.target, read)
    send(session, core.target, "reset", core.device, core.tuned)
    correct(session, core, change, places(core.tuned))
