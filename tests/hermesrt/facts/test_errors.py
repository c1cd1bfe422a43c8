"""Layers that drown are named with their cause and what helps; a root cause is told once."""

from dataclasses import replace

import pytest

from hermesrt.artifact.schema import Artifact, PredictedError
from hermesrt.facts.errors import drowned, error_warnings, layer_errors
from hermesrt.facts.program import program_facts
from hermesrt.program import Program


def _with(program: Program, *found: tuple[float, ...]) -> Artifact:
    """The program with such errors of its steps: own, total, and the parts."""
    artifact = program.artifact
    steps = [step.name for step in artifact.mvms]
    entries = tuple(PredictedError(n, *f) for n, f in zip(steps, found, strict=True))
    return replace(artifact, manifest=replace(artifact.manifest, predicted=entries))


FINE = (0.1, 0.2, 0.1, 0.0, 0.0, 0.0)


def test_nothing_is_said_of_layers_below_their_signal(program):
    artifact = _with(program, FINE, (0.5, 0.99, 0.5, 0.1, 0.1, 0.1))
    assert drowned(artifact) == error_warnings(artifact) == ()
    assert [layer.label for layer in layer_errors(artifact)] == ["omega", "head"]


CAUSES = {
    "programming": ((2.0, 2.1, 1.9, 0.3, 0.1, 0.1), "programming", "--method gdp"),
    "reading": ((2.0, 2.1, 0.3, 1.9, 0.1, 0.1), "the noise of reading", "keeps it exact"),
    "inputs": ((2.0, 2.1, 0.3, 0.1, 1.9, 0.1), "rounding of its inputs", "quantize.range=percent"),
    "codes": ((2.0, 2.1, 0.3, 0.1, 0.1, 1.9), "counts and output codes", "partition.bias=host"),
    "incoming": ((0.2, 2.1, 0.1, 0.1, 0.1, 0.1), "errors of its inputs", "and the layers before"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_a_layer_that_drowns_is_told_with_its_cause_and_what_helps(program, name):
    errors, cause, help = CAUSES[name]
    (told,) = error_warnings(_with(program, FINE, errors))
    assert told.startswith("head drowns: its outputs are expected to be off by 2.1 times")
    assert cause in told
    assert help in told
    assert "--set partition.digital=head" in told


def test_what_only_follows_from_a_root_cause_is_counted(program):
    first, rest = error_warnings(_with(program, (3.0, 3.0, 3.0, 0, 0, 0), (0.1, 2.0, 0.1, 0, 0, 0)))
    assert first.startswith("omega drowns")
    assert rest == "the error is larger than the signal in 1 more layer, by this or behind it"


def test_both_are_told_where_both_drown_by_themselves(program):
    bad = (3.0, 3.0, 3.0, 0.0, 0.0, 0.0)
    assert len(error_warnings(_with(program, bad, bad))) == 2


def test_summaries_hold_the_warning_and_old_files_have_none(program):
    artifact = _with(program, FINE, (2.0, 2.1, 1.9, 0.3, 0.1, 0.1))
    facts = [f for f in program_facts(artifact, "p.hermes") if f.name == "Warning"]
    assert len(facts) == 1
    old = replace(artifact, manifest=replace(artifact.manifest, predicted=()))
    assert layer_errors(old) == error_warnings(old) == ()
