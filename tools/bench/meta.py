"""Cost of a decoder of 1.24 billion weights from its shapes alone: time, memory, and the answer.

One process, from the command line's own call on: capture, placement on as many chips as it needs,
prefill and decode. CPU seconds, and peak memory with torch in it.
"""

import resource
import time
from pathlib import Path

import clock  # noqa: F401  first: it sets the number of threads

EXAMPLE = Path(__file__).parents[2] / "examples/decoder.py"


def main() -> None:
    """The report, then what it took."""
    import hermesc

    shapes = hermesc.shaped(EXAMPLE)
    report = hermesc.cost(shapes, tokens=True)
    cost = report.to_json()
    tiles, chips = shapes.artifact.tiles, shapes.artifact.manifest.chips
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{tiles} tiles on {chips} chips, {cost['cores_used']} cores")
    for phase, found in cost["tokens"].items():
        print(
            f"{phase}: {found['tokens_per_s']:.0f} tokens/s, {found['joules_per_token']:.3g} J "
            f"a token, {found['assumed_share']['latency']:.0%} of the time assumed"
        )
    print(f"{time.process_time():.1f} s of CPU, {memory:.0f} MiB")


if __name__ == "__main__":
    main()
