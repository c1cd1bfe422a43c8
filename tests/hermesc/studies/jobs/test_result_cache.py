"""Finished results on disk."""

from pathlib import Path

import pytest

from hermesc.studies.jobs import result_cache
from hermesc.studies.jobs.result_cache import DamagedResultWarning, Store, software
from hermesrt.errors import InputError

IDENTITY = {"study": "test", "seed": 1, "gamma": 0.05}


def test_what_was_kept_is_found_by_its_identity_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "cells")
    assert store.find(IDENTITY) is None
    store.keep(IDENTITY, [0.1, {"a": 1}])
    assert store.find(dict(reversed(IDENTITY.items()))) == [0.1, {"a": 1}]
    assert store.find(IDENTITY | {"seed": 2}) is None
    assert store.find(IDENTITY | {"gamma": 0.050000000000000003}) == [0.1, {"a": 1}]
    assert store.count([IDENTITY, IDENTITY | {"seed": 2}]) == 1


def test_a_fresh_study_takes_nothing_up_and_keeps_anew(tmp_path: Path) -> None:
    Store(tmp_path).keep(IDENTITY, 1)
    fresh = Store(tmp_path, fresh=True)
    assert fresh.find(IDENTITY) is None
    assert fresh.count([IDENTITY]) == 0
    fresh.keep(IDENTITY, 2)
    assert Store(tmp_path).find(IDENTITY) == 2


@pytest.mark.parametrize("text", ["", '{"identity": {}', "[]", '{"identity": {}, "result": 1}'])
def test_a_damaged_file_is_told_by_name_and_not_taken_up(text: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep(IDENTITY, 1)
    (path,) = tmp_path.iterdir()
    path.write_text(text)
    with pytest.warns(DamagedResultWarning, match=f"{path.name}: .* computed again"):
        assert store.find(IDENTITY) is None
    assert store.count([IDENTITY]) == 0
    store.keep(IDENTITY, 2)
    assert store.find(IDENTITY) == 2


def test_one_changed_digit_of_a_result_is_seen(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep(IDENTITY, {"accuracy": 0.8125, "rows": (1, 2)})
    assert store.find(IDENTITY) == {"accuracy": 0.8125, "rows": [1, 2]}
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text().replace("0.8125", "0.9125"))
    with pytest.warns(DamagedResultWarning, match="changed or damaged"):
        assert store.find(IDENTITY) is None


def test_results_that_are_no_numbers_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep(IDENTITY, [float("nan"), float("inf")])
    assert str(store.find(IDENTITY)) == "[nan, inf]"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="name another folder"):
        Store(tmp_path / "file" / "cells").check()


def test_results_of_other_software_are_not_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(software()) == {"source", "torch", "numpy"}
    assert len(software()["source"]) == 64
    store = Store(tmp_path)
    store.keep(IDENTITY | software(), 1)
    monkeypatch.setattr(result_cache, "source_hash", lambda: "changed")
    assert store.find(IDENTITY | software()) is None


def test_the_source_text_is_what_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = result_cache.source_hash()
    result_cache.source_hash.cache_clear()
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self) + b" ")
    try:
        assert result_cache.source_hash() != whole
    finally:
        result_cache.source_hash.cache_clear()
