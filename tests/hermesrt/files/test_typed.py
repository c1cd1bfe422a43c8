"""Plain data to dataclasses and back."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermesrt.errors import ArtifactError
from hermesrt.files.typed import decode, encode


@dataclass(frozen=True)
class Dot:
    tag: ClassVar[str] = "dot"
    size: int


@dataclass(frozen=True)
class Line:
    tag: ClassVar[str] = "line"
    ends: tuple[float, float]


@dataclass(frozen=True)
class Page:
    name: str
    shapes: tuple[Dot | Line, ...]
    kind: Literal["a", "b"]
    sizes: tuple[int | str, ...]
    title: str | None
    shown: bool
    free: Any
    share: float = field(default=0.5, metadata={"low": 0.0, "high": 1.0})


GOOD = {
    "name": "n",
    "shapes": [{"type": "dot", "size": 3}, {"type": "line", "ends": [0, 1.5]}],
    "kind": "a",
    "sizes": [1, "s0"],
    "title": None,
    "shown": True,
    "free": {"x": [1]},
}


def _decode(**changes):
    return decode(Page, GOOD | changes, "file", ArtifactError)


def test_good_data_becomes_the_dataclass():
    page = _decode()
    assert page == Page("n", (Dot(3), Line((0.0, 1.5))), "a", (1, "s0"), None, True, {"x": [1]})
    assert isinstance(page.shapes[1].ends[0], float)


PRINTABLE = st.text().filter(str.isprintable)


@given(
    PRINTABLE,
    st.lists(
        st.integers(-(2**62), 2**62).map(Dot)
        | st.tuples(st.floats(-9, 9), st.floats(-9, 9)).map(Line)
    ),
    st.sampled_from("ab"),
    st.lists(st.integers(0, 9) | PRINTABLE),
    st.none() | PRINTABLE,
    st.booleans(),
    st.floats(0, 1),
)
def test_any_object_survives_the_way_there_and_back(name, shapes, kind, sizes, title, shown, share):
    page = Page(name, tuple(shapes), kind, tuple(sizes), title, shown, None, share)
    assert decode(Page, encode(page), "file", ArtifactError) == page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": 1}, "file: `extra` is not a known key; known are free, kind, name"),
        ({"name": 3}, "`name` must be a str, not 3"),
        ({"name": None}, "`name` must be a str, not None"),
        ({"name": "x" * 0, "shown": 1}, "`shown` must be a bool, not 1"),
        ({"kind": "c"}, "`kind` is 'c'; it must be one of a, b"),
        ({"kind": []}, r"`kind` is \[\]"),
        ({"kind": True}, "`kind` is True"),
        ({"shapes": "xy"}, "`shapes` must be a list, not 'xy'"),
        ({"shapes": {}}, "`shapes` must be a list"),
        ({"shapes": [{"size": 3}]}, r"`shapes\[0\].type` must be one of dot, line"),
        ({"shapes": [{"type": "disk"}]}, r"`shapes\[0\].type` must be one of"),
        ({"shapes": [{"type": "dot"}]}, r"`shapes\[0\].size` is missing"),
        ({"shapes": [{"type": "dot", "size": 1.0}]}, "must be a whole number, not 1.0"),
        ({"shapes": [{"type": "dot", "size": True}]}, "must be a number, not True"),
        ({"shapes": [{"type": "dot", "size": 2**63}]}, "is too large a number"),
        ({"shapes": [{"type": "line", "ends": [1]}]}, "must hold 2 values, not 1"),
        ({"shapes": [{"type": "line", "ends": [1, float("nan")]}]}, r"ends\[1\]` is nan"),
        ({"sizes": [1.5]}, r"`sizes\[0\]` must be a whole number"),
        ({"sizes": [None]}, r"`sizes\[0\]` must be a number, not None"),
        ({"title": 3}, "`title` must be a str, not 3"),
        ({"share": 1.5}, "`share` is 1.5; it must lie between 0 and 1"),
        ({"share": "1"}, "`share` must be a number"),
        ({"name": ["x" * 99]}, r"not \['x+\.\.\.$"),
    ],
)
def test_bad_data_is_refused_with_its_key(changes, message):
    with pytest.raises(ArtifactError, match=message):
        _decode(**changes)


def test_missing_key_is_refused():
    with pytest.raises(ArtifactError, match="`shown` is missing"):
        decode(Page, {k: v for k, v in GOOD.items() if k != "shown"}, "file", ArtifactError)


@pytest.mark.parametrize("data", [None, [], 3, "x"])
def test_what_is_no_table_is_refused(data):
    with pytest.raises(ArtifactError, match="must be a table"):
        decode(Page, data, "file", ArtifactError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(set(GOOD) - {"free"})), JSON)
def test_any_junk_is_decoded_or_refused_as_asked(key, junk):
    try:
        page = _decode(**{key: junk})
    except ArtifactError:
        return
    assert isinstance(page, Page)


@dataclass(frozen=True)
class Renamed:
    rows_independent: bool = field(metadata={"key": "streams"})


def test_a_file_may_have_another_key_for_a_field():
    assert encode(Renamed(True)) == {"streams": True}
    assert decode(Renamed, {"streams": True}, "f", ArtifactError) == Renamed(True)
    with pytest.raises(ArtifactError, match="`rows_independent` is not a known key"):
        decode(Renamed, {"rows_independent": True}, "f", ArtifactError)
