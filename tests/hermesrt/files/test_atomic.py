"""A file is written whole or not at all."""

import os
import stat

import pytest

from hermesrt.errors import InputError
from hermesrt.files.atomic import check_writable, read_file, write_atomically


def test_written_bytes_are_read_back_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "x.bin"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert read_file(path, "program") == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_file_gets_an_ordinary_mode(tmp_path):
    path, plain = tmp_path / "x.bin", tmp_path / "y.bin"
    write_atomically(path, b"")
    plain.write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*x.bin: No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_no_file(tmp_path, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x.bin", b"new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("check", [lambda p: write_atomically(p, b""), check_writable])
def test_a_folder_is_no_file(check, tmp_path):
    with pytest.raises(InputError, match="it is a folder; name a file"):
        check(tmp_path)


@pytest.mark.parametrize("check", [lambda p: write_atomically(p, b""), check_writable])
def test_a_missing_folder_is_named(check, tmp_path):
    with pytest.raises(InputError, match=r"cannot write .*none.*x\.bin"):
        check(tmp_path / "none" / "x.bin")


def test_a_place_that_can_be_written_is_left_untouched(tmp_path):
    check_writable(tmp_path / "x.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named_with_what_it_should_be(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the chip .*none.*: No such file"):
        read_file(tmp_path / "none", "chip")


def test_content_may_be_written_to_the_open_file(tmp_path):
    path = tmp_path / "x.bin"
    write_atomically(path, lambda stream: stream.write(b"one") and None)
    assert path.read_bytes() == b"one"

    def failing(stream):
        stream.write(b"half")
        raise ValueError

    with pytest.raises(ValueError):
        write_atomically(path, failing)
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]
