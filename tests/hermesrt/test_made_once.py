"""What was made lately is shared, by threads too."""

from hermesrt.made_once import once


def test_the_same_is_made_once_and_the_oldest_is_forgotten() -> None:
    known: dict[int, int] = {}
    made: list[int] = []
    for key in (*range(17), 16, 0):
        assert once(known, key, lambda key=key: made.append(key) or -key) == -key
    assert made == [*range(17), 0]
    assert len(known) == 16


def test_what_others_make_and_forget_meanwhile_does_no_harm() -> None:
    """As other threads do, which come in while something is made."""
    known: dict[int, int] = {}

    def make() -> int:
        for other in range(1, 40):
            once(known, other, lambda: 0)
        known.clear()
        return 7

    assert once(known, 0, make) == 7
    assert once({0: 1}, 0, make) == 1


def test_what_was_made_while_it_was_made_is_the_same() -> None:
    known: dict[int, list[int]] = {}
    first: list[list[int]] = []

    def make() -> list[int]:
        first.append(once(known, 0, list))
        return []

    assert once(known, 0, make) is first[0]
