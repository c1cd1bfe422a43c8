"""JSON of others, read with bounds: no key twice, no number longer than a size, no flood."""

import json
from typing import Any, NoReturn

from hermesc.frontend.pt2.archive import RefusedPart

_MOST_BYTES = 64 * 2**20
_MOST_VALUES = 4_000_000  # lists, objects and items together
_MOST_DIGITS = 20  # of whole numbers; 64 bits need 19 and a sign
_MOST_FLOAT_CHARACTERS = 40


def read_json(data: bytes | str, what: str) -> Any:
    """The value that the text writes; `what` says in messages which part it is.

    Raises: RefusedPart.
    """
    text = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    if len(text) > _MOST_BYTES:
        raise RefusedPart(f"{what} holds {len(text)} bytes; the limit is {_MOST_BYTES}")
    if sum(text.count(mark) for mark in (b"{", b"[", b",")) > _MOST_VALUES:
        raise RefusedPart(f"{what} holds more than {_MOST_VALUES} values")
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_float,
            parse_constant=_constant,
        )
    except RefusedPart as error:
        raise RefusedPart(f"{what}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise RefusedPart(f"{what} is no JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusedPart("an object has the same key twice")
    return found


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise RefusedPart(f"a number of {len(text)} digits; the limit is {_MOST_DIGITS}")
    return int(text)


def _float(text: str) -> float:
    if len(text) > _MOST_FLOAT_CHARACTERS:
        raise RefusedPart(f"a number of {len(text)} characters")
    return float(text)


def _constant(text: str) -> NoReturn:
    raise RefusedPart(f"{text} is no number of JSON")
