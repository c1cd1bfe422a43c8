"""Short names of layers: what most share is dropped, and no two become one."""

from hermesrt.artifact.short_names import short_names


def test_modules_around_most_layers_are_dropped_and_a_number_keeps_its_list() -> None:
    labels = ["embed", "enc.net.layers.0.fn.to_q", "enc.net.layers.1.fn.to_q", "head"]
    assert list(short_names(labels).values()) == [
        "embed", "layers.0.fn.to_q", "layers.1.fn.to_q", "head"
    ]  # fmt: skip


def test_what_was_folded_into_a_weight_is_dropped() -> None:
    labels = ["a.projection~unsqueeze_1", "b.key"]
    assert list(short_names(labels).values()) == ["a.projection", "b.key"]


def test_no_two_layers_are_called_the_same() -> None:
    for labels in (["net.a", "net.b", "a"], ["w~one", "w~two"], ["~a", "~b"], ["x.y", "x.y"]):
        short = short_names(labels)
        assert len(set(short.values())) == len(set(labels))


def test_names_that_share_nothing_stay() -> None:
    assert short_names(["first", "head"]) == {"first": "first", "head": "head"}
    assert short_names([]) == {}
