"""A file is accepted only if it is byte for byte what we would write."""

import hashlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermesrt.errors import ArtifactError
from hermesrt.files.container import (
    SCHEMA_VERSION,
    contents,
    from_json,
    pack,
    pack_into,
    to_json,
    unpack,
)
from hermesrt.files.mapped import Mapped, map_file

PARTS = {"a.json": b"{}", "b.bin": b"\0\1\2"}


def _open(data, kind="program"):
    return unpack(data, kind, tuple(PARTS), "file")


def _zip(entries, compression=zipfile.ZIP_STORED, comment=b""):
    """A zip written as ours is, of any entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.comment = comment
        for name, data in entries:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            info.compress_type = compression
            archive.writestr(info, data)
    return stream.getvalue()


def _header(parts, **changes):
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(parts.items())}
    header = {"kind": "program", "schema_version": SCHEMA_VERSION, "sha256": sums} | changes
    return ("hermesc.json", to_json(header))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_parts_come_back_as_they_went_in(a, b):
    parts = {"a.json": a, "b.bin": b}
    data = pack("program", parts)
    assert _open(data) == parts
    assert pack("program", dict(reversed(parts.items()))) == data


def _spaced(spaces):
    name, header = _header(PARTS)
    return _zip([(name, header + b" " * spaces), *PARTS.items()])


def test_a_file_is_what_zipfile_writes():
    assert pack("program", PARTS) in [_spaced(n) for n in range(64)]


def test_a_file_of_long_entries_is_what_zipfile_writes(monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 40)
    parts = {"a": bytes(50), "b": bytes(8), "c": bytes(60)}
    data = pack("state", parts)
    assert unpack(data, "state", tuple(parts), "test") == parts
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    assert _zip(entries) == data


def test_files_without_spaces_behind_the_header_are_read_and_other_numbers_of_them_refused():
    made = pack("program", PARTS)
    for spaces in range(70):
        data = _spaced(spaces)
        if spaces == 0 or data == made:
            assert _open(data) == PARTS
        else:
            with pytest.raises(ArtifactError, match="more than its parts"):
                _open(data)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=4, unique=True))
def test_the_largest_part_begins_at_a_multiple_of_64_bytes(sizes):
    parts = {f"{i}.bin": bytes([i + 1]) * size for i, size in enumerate(sizes)}
    data = pack("program", parts)
    largest = max(parts.values(), key=len)
    if len(largest) > 64:
        assert data.find(largest) % 64 == 0


def test_the_parts_of_a_mapped_file_are_views_of_it_that_can_be_written_to(tmp_path):
    path = tmp_path / "x.hermes"
    path.write_bytes(pack("program", PARTS))
    found = contents(map_file(path, "program"), "program", tuple(PARTS), "test")
    assert found.parts == PARTS
    assert found.digest.hex == hashlib.sha256(path.read_bytes()).hexdigest()
    view = found.parts["b.bin"]
    assert isinstance(view, memoryview)
    view[0] = 9
    assert path.read_bytes() == pack("program", PARTS)


def test_what_is_written_is_never_held_in_memory_as_a_whole(monkeypatch):
    class Stream(io.BytesIO):
        def write(self, data):
            assert len(data) <= 2**18
            return super().write(data)

    stream, large = Stream(), bytes(2**20)
    digest = pack_into(stream.write, "state", {"x": large})
    assert digest.hex == hashlib.sha256(stream.getvalue()).hexdigest()
    assert digest.hex == pack_into(lambda _: None, "state", {"x": [large[:5], large[5:]]}).hex
    assert unpack(stream.getvalue(), "state", ("x",), "test")["x"] == large


def test_memory_of_a_mapped_file_is_given_back_while_it_is_read(tmp_path):
    path, given_back = tmp_path / "x", []
    path.write_bytes(pack("state", {"x": bytes(2**25)}))
    mapped = map_file(path, "state")
    contents(Mapped(mapped.view, lambda: given_back.append(mapped.release())), "state", ("x",), "t")
    assert len(given_back) == 2


def test_a_header_that_is_too_large_is_refused():
    with pytest.raises(ArtifactError, match="its header is too large"):
        _open(_zip([("hermesc.json", b" " * 2**21), *PARTS.items()]))


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4.0, True, "4", None, [], 10**30])
def test_another_schema_version_is_refused(version):
    with pytest.raises(ArtifactError, match=r"schema version|more than its parts"):
        _open(_zip([_header(PARTS, schema_version=version), *PARTS.items()]))


def test_the_message_on_another_version_says_which_one_is_read():
    with pytest.raises(ArtifactError, match="file: schema version 7; this hermesc reads version 4"):
        _open(_zip([_header(PARTS, schema_version=7), *PARTS.items()]))


def test_another_kind_is_refused():
    with pytest.raises(ArtifactError, match="a 'state' file where a 'program' is needed"):
        _open(pack("state", PARTS))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.json", "w", force_zip64=True) as entry,
    ):
        for _ in range(256):
            entry.write(bytes(2**22))
    data = stream.getvalue()
    assert len(data) < 2**23
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(ArtifactError, match=r"'a.json' is compressed"):
        _open(data)
    assert list(tmp_path.iterdir()) == []


HOSTILE = {
    "a path upwards": [("../x", b"")],
    "an absolute path": [("/tmp/hermesc-test-x", b"")],
    "a backslash": [("..\\x", b"")],
    "a folder": [("a/", b"")],
    "an extra entry": [*PARTS.items(), ("c", b"")],
    "a missing entry": [("a.json", b"{}")],
    "no entry": [],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_other_entries_are_refused_and_nothing_is_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entries = HOSTILE[name]
    with pytest.raises(ArtifactError, match=r"its parts are not a.json, b.bin"):
        _open(_zip([_header(dict(entries)), *entries]))
    assert list(tmp_path.iterdir()) == []


def test_more_than_sixteen_entries_are_refused():
    with pytest.raises(ArtifactError, match="too many or doubled parts"):
        _open(_zip([(f"n{i}", b"") for i in range(17)]))


def test_an_entry_given_twice_is_refused():
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = _zip([_header(PARTS), *PARTS.items(), ("a.json", b"{}")])
    with pytest.raises(ArtifactError, match="too many or doubled parts"):
        _open(data)


def test_a_compressed_entry_is_refused():
    with pytest.raises(ArtifactError, match="is compressed"):
        _open(_zip([_header(PARTS), *PARTS.items()], zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\0",
        lambda data: b"\0" + data,
        lambda data: b"#!/bin/sh\n" + data,
        lambda data: data + data,
        lambda data: _zip([_header(PARTS), *PARTS.items()], comment=b"hello"),
        lambda data: _zip([*PARTS.items(), _header(PARTS)]),
        lambda data: _zip([_header(PARTS, more=1), *PARTS.items()]),
    ],
    ids=["trailing", "leading", "script", "twice", "comment", "other order", "more header"],
)
def test_anything_beside_the_parts_is_refused(change):
    with pytest.raises(ArtifactError, match=r"damaged|refused"):
        _open(change(pack("program", PARTS)))


@pytest.mark.parametrize("header", [b"", b"null", b"[]", b"1", b"{}", b"\xff", b"{", b"[" * 10**5])
def test_a_bad_header_is_refused(header):
    with pytest.raises(ArtifactError):
        _open(_zip([("hermesc.json", header), *PARTS.items()]))


@pytest.mark.parametrize("sums", [None, [], "x", {}, {"a.json": "0"}, {"a.json": None}])
def test_a_wrong_checksum_is_refused(sums):
    with pytest.raises(ArtifactError, match=r"the checksum of .* is wrong"):
        _open(_zip([_header(PARTS, sha256=sums), *PARTS.items()]))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data):
    with pytest.raises(ArtifactError, match="damaged or not a file of hermesc"):
        _open(data)


@pytest.mark.parametrize("data", [b"NaN", b"[Infinity]", b'{"a": -Infinity}'])
def test_json_with_nan_is_refused(data):
    with pytest.raises(ArtifactError, match="not valid JSON"):
        from_json(data, "file")


@pytest.mark.parametrize("depth", [65, 900, 10**5, 10**6])
def test_deeply_nested_json_is_refused(depth):
    with pytest.raises(ArtifactError, match=r"nested too deep|not valid JSON"):
        from_json(b"[" * depth + b"]" * depth, "file")


def test_a_number_of_too_many_digits_is_refused():
    with pytest.raises(ArtifactError, match="not valid JSON"):
        from_json(b"1" + b"0" * 10**5, "file")


def test_json_of_a_value_is_the_same_each_time_and_never_nan():
    assert to_json({"a": [1, 2.5, "µ"]}) == '{"a":[1,2.5,"µ"]}'.encode()
    with pytest.raises(ValueError, match="Out of range"):
        to_json(float("nan"))
