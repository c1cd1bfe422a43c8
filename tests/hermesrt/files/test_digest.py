"""The sha256 of a file is taken once, if ever."""

import hashlib
import pickle

from hermesrt.files.container import contents, pack, pack_into
from hermesrt.files.digest import Digest, sha256_of
from hermesrt.files.mapped import Mapped

PARTS = {"x": bytes(2**20)}


def test_it_is_that_of_all_blocks_one_after_the_other():
    assert sha256_of([b"ab", memoryview(b"c")]) == hashlib.sha256(b"abc").hexdigest()


def test_it_is_worked_out_once_and_not_before_it_is_asked_for():
    asked = []
    digest = Digest(lambda: asked.append(1) or "d")
    assert asked == []
    assert (digest.hex, digest.hex, asked) == ("d", "d", [1])


def test_it_goes_to_other_processes_without_what_it_is_worked_out_from():
    assert pickle.loads(pickle.dumps(Digest(lambda: "d"))).hex == "d"


def test_writing_and_reading_take_the_checksum_of_each_byte_once(monkeypatch):
    taken = []

    class Counted:
        def __init__(self, data=b""):
            self._found = hashlib.new("sha256", data)

        def update(self, data):
            taken.append(len(data))
            self._found.update(data)

        def hexdigest(self):
            return self._found.hexdigest()

    whole = pack("state", PARTS)
    monkeypatch.setattr(hashlib, "sha256", Counted)
    digest = pack_into(lambda _: None, "state", PARTS)
    assert 2**20 <= sum(taken) < 2**20 + 1000
    taken.clear()
    found = contents(Mapped(memoryview(whole)), "state", ("x",), "test")
    assert 2**20 <= sum(taken) < 2**20 + 1000
    assert digest.hex == found.digest.hex == hashlib.new("sha256", whole).hexdigest()
