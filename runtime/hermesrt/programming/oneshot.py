"""One-shot programming: each tuned device gets one pulse, from its SET level alone."""

from hermesrt.programming.hand import Bench, Hand, correct, missing_counts, places, send


def oneshot(bench: Bench, hand: Hand) -> None:
    """From RESET, the pulse whose current the device's SET level asks for."""
    change = missing_counts(bench, hand)
    send(bench, hand.target, "reset", hand.device, hand.tuned)
    correct(bench, hand, change, places(hand.tuned))
