"""JSON of others: what is refused."""

import pytest

from hermesc.frontend.pt2.archive import RefusedPart
from hermesc.frontend.pt2.json_text import read_json


def test_ordinary_json_reads():
    assert read_json(b'{"a": [1, -2.5e3, null, true, "\xc3\xa9"]}', "p") == {
        "a": [1, -2500.0, None, True, "é"]
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1, "a": 2}', "p: an object has the same key twice"),
        (b"9" * 5000, "a number of 5000 digits; the limit is 20"),
        (b"1." + b"9" * 5000, "a number of 5002 characters"),
        (b"NaN", "NaN is no number of JSON"),
        (b"[" * 100_000, "p is no JSON"),
        (b"[" + b"[]," * 2_000_001 + b"[]]", "more than 4000000 values"),
        (b" " * (2**26 + 1), "holds 67108865 bytes; the limit is 67108864"),
        (b"\xff", "p is no JSON"),
    ],
)
def test_bounds(text, message):
    with pytest.raises(RefusedPart, match=message):
        read_json(text, "p")
