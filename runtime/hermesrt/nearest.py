"""What a person may have meant by a name that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 200  # of a name that is compared; comparing takes the square of it
_ALIKE = 0.6


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """` (did you mean "x"?)` for the known name that is most alike, and nothing where none is."""
    if not isinstance(name, str) or len(name) > _LONGEST:
        return ""
    names = sorted(known)
    last = {n.rpartition(".")[2]: n for n in names}
    found = get_close_matches(name, names, 1, _ALIKE) or [
        last[n] for n in get_close_matches(name.rpartition(".")[2], last, 1, _ALIKE)
    ]
    return f' (did you mean "{found[0]}"?)' if found else ""
