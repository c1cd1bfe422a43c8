"""One-shot programming: each tuned device gets one pulse, from its SET level alone."""

from hermesrt.programming.session import (
    CoreProgramming,
    ProgrammingSession,
    correct,
    missing_counts,
    places,
    send,
)


def oneshot(session: ProgrammingSession, core: CoreProgramming) -> None:
    """From RESET, the pulse whose current the device's SET level asks for."""
    change = missing_counts(session, core)
    send(session, core.target, "reset", core.device, core.tuned)
    correct(session, core, change, places(core.tuned))
