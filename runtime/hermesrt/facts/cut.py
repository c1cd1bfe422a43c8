"""How a model is cut over chips, in words. Needs no torch."""

from hermesrt.artifact.schema import Artifact, ChipCut
from hermesrt.facts.fact import Fact


def cut_facts(artifact: Artifact) -> tuple[Fact, ...]:
    """One fact where a model is cut over chips; none on one."""
    cut = artifact.manifest.cut
    return () if cut is None else (Fact("Cut", cut_text(cut), cut.chosen),)


def cut_text(cut: ChipCut) -> str:
    """How a model is cut over chips, and what either way would let cross."""
    ways = {
        "whole layers in a pipeline": cut.pipeline_bytes,
        "shares of columns": cut.columns_bytes,
    }
    told = ", ".join(
        f"{way} do not fit" if count is None else f"{way} let {count:,} bytes a sample cross"
        for way, count in ways.items()
    )
    how = {"anywhere": "tiles wherever there is room"}.get(cut.chosen, cut.chosen)
    return f"{how}{', as asked for' if cut.asked else ''}: {told}"
