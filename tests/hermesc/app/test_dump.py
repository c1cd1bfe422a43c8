"""Every step of a compilation has a text, of what it adds alone."""

from hermesc.app.dump import dump_text


def test_every_step_has_a_text(stages):
    for name, seen in stages.items():
        assert dump_text(seen).endswith("\n"), name


def test_a_stage_does_not_print_the_one_before(stages):
    names = ["partition", "tile", "quantize", "place", "remap", "route", "schedule"]
    texts = [dump_text(stages[name]) for name in names]
    for name, before, after in zip(names[1:], texts, texts[1:], strict=False):
        assert not {line for line in before.splitlines() if line} & set(after.splitlines()), name
    assert all(len(text.splitlines()) <= 20 for text in texts[1:])


def test_the_captured_program_and_the_artifact_are_named(stages):
    assert "torch.ops.aten.linear.default" in dump_text(stages["capture"])
    assert "golden" in dump_text(stages["emit"])
