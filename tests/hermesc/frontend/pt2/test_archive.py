"""Zip archives that two readers would read differently, or that hold more than they say."""

import io
import warnings
import zipfile

import pytest

from hermesc.frontend.pt2.archive import RefusedPart, read_parts


def archive(*parts, method=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as new:
        warnings.simplefilter("ignore")  # of names written twice
        for name, data in parts:
            new.writestr(name, data)
    return stream


def test_parts_come_without_their_folder():
    assert read_parts(archive(("größe 1/a/b.json", b"1"), ("größe 1/.data/v", b"2"))) == {
        "a/b.json": b"1",
        ".data/v": b"2",
    }


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([("m/a", b"1"), ("m/a", b"2")], "it holds m/a twice"),
        ([("m/a", b"1"), ("m/A", b"2")], "it holds m/A twice"),
        ([("m/a", b"1"), ("n/a", b"2")], "lie in 2 folders"),
        ([("m/a", b"1"), ("M/a", b"2")], "lie in 2 folders"),
        ([("a", b"1")], "is called 'a'"),
        ([("m/../a", b"1")], "is called 'm/../a'"),
        ([("m/./a", b"1")], "which no .pt2 file holds"),
        ([("m//a", b"1")], "which no .pt2 file holds"),
        ([("m/a\\b", b"1")], "which no .pt2 file holds"),
        ([("m/é", b"1")], "which no .pt2 file holds"),
    ],
)
def test_names_that_two_readers_read_differently_are_refused(parts, message):
    with pytest.raises(RefusedPart, match=message):
        read_parts(archive(*parts))


def test_a_local_name_other_than_the_directory_s_is_refused():
    data = archive(("m/abc", b"1")).getvalue()
    with pytest.raises(zipfile.BadZipFile, match="differ"):
        read_parts(io.BytesIO(data.replace(b"m/abc", b"m/abd", 1)))


def test_what_is_deflated_is_bounded_before_it_is_unpacked():
    bomb = archive(("m/a", bytes(2**28)), ("m/b", b"1"), method=zipfile.ZIP_DEFLATED)
    assert len(bomb.getvalue()) < 2**19
    with pytest.raises(RefusedPart, match="hold 268435457 bytes; the limit is 268435456"):
        read_parts(bomb)


def test_other_compression_is_refused():
    with pytest.raises(RefusedPart, match="parts are stored or deflated"):
        read_parts(archive(("m/a", bytes(100)), method=zipfile.ZIP_LZMA))


def test_parts_that_overlap_declare_more_than_the_file_has():
    stream = archive(("m/a", bytes(1000)))
    with zipfile.ZipFile(stream, "a") as new:
        twin = new.infolist()[0]
        other = zipfile.ZipInfo("m/b")
        other.header_offset = twin.header_offset
        other.file_size = other.compress_size = 1000
        other.CRC = twin.CRC
        new.filelist.append(other)
        new.NameToInfo["m/b"] = other
        new._didModify = True
    with pytest.raises(RefusedPart, match="declare more bytes than the 10"):
        read_parts(stream)
