"""The arena's public files, small ones of their kind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hermesc.studies.lra.files import read_rows
from hermesc.studies.lra.listops import NUMBERS
from hermesrt.errors import InputError


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def lists(_: Path) -> dict[str, str | bytes]:
    row = "Source\tTarget\n( ( [MAX 1 ) 2 ) ]\t2\n"
    return {"listops-1000/basic_train.tsv": row + "[SM 5 6 ]\t1\n",
            "listops-1000/basic_test.tsv": row}  # fmt: skip


def test_lists_lose_their_round_brackets(tmp_path: Path) -> None:
    found = read_rows("listops", write(tmp_path, lists(tmp_path)), 3)
    assert found.inputs[0][0].tolist() == [NUMBERS[word] for word in ("[MAX", "1", "2")]
    assert found.labels.tolist() == [2, 1, 2]
    assert found.tested == 1


def test_reviews_are_cut_and_labelled_by_their_folder(tmp_path: Path) -> None:
    texts = {("train", "pos"): "good film", ("train", "neg"): "bad", ("test", "pos"): "fine",
             ("test", "neg"): "dull"}  # fmt: skip
    write(tmp_path, {f"aclImdb/{a}/{b}/0_1.txt": t for (a, b), t in texts.items()})
    found = read_rows("text", tmp_path, 4)
    read = [bytes(row).decode() for row in found.inputs[0]]
    assert dict(zip(read[:2], found.labels[:2].tolist(), strict=True)) == {"good": 1, "bad": 0}
    assert sorted(read[2:]) == ["dull", "fine"]
    assert found.tested == 2


def test_pairs_of_papers_have_two_texts(tmp_path: Path) -> None:
    line = "1.0\tA\tB\tabc\tdef\n"
    write(tmp_path, {f"tsv_data/new_aan_pairs.{p}.tsv": line for p in ("train", "test")})
    found = read_rows("retrieval", tmp_path, 2)
    assert [bytes(part[0]) for part in found.inputs] == [b"ab", b"de"]
    assert found.labels.tolist() == [1, 1]


def test_colours_become_grey(tmp_path: Path) -> None:
    row = bytes([7]) + bytes([255]) * 1024 + bytes(2048)
    batches = "cifar-10-batches-bin"
    write(tmp_path, {f"{batches}/data_batch_1.bin": row * 2, f"{batches}/test_batch.bin": row})
    found = read_rows("images", tmp_path, 1024)
    assert set(found.inputs[0][0].tolist()) == {76}
    assert found.labels.tolist() == [7, 7, 7]
    assert found.tested == 1


def npz(folder: Path, **changed: np.ndarray) -> Path:
    arrays = {"text": np.arange(9, dtype=np.uint8), "offsets": np.array([0, 3, 5, 9]),
              "y": np.array([0, 1, 1]), "split": np.array([1, 0, 0])}  # fmt: skip
    np.savez(folder / "imdb.npz", **(arrays | changed))
    return folder


def test_rows_for_training_come_first(tmp_path: Path) -> None:
    found = read_rows("text", npz(tmp_path), 3)
    assert [row.tolist() for row in found.inputs[0]] == [[3, 4], [5, 6, 7], [0, 1, 2]]
    assert found.labels.tolist() == [1, 1, 0]
    assert found.tested == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": np.array([0, 1, 2])}, "labels must lie from 0 to 1"),
        ({"y": np.array([0.5, 1, 1])}, "whole numbers y"),
        ({"offsets": np.array([0, 3, 5, 99])}, "within the 9 values"),
        ({"offsets": np.array([0, 5, 3, 9])}, "must rise"),
        ({"text": np.zeros(9)}, "uint8"),
        ({"split": np.array([0, 0, 0])}, "are of the test; each row"),
        ({"X": np.zeros((3, 4))}, "rows of pixels"),
    ],
)
def test_arrays_that_do_not_fit_are_told(
    changed: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read_rows("text", npz(tmp_path, **changed), 3)


def broken(name: str, content: str | bytes) -> Callable[[Path], dict[str, str | bytes]]:
    return lambda folder: lists(folder) | {name: content}


@pytest.mark.parametrize(
    ("task", "files", "message"),
    [
        ("text", lambda _: {}, "there is no imdb.npz nor aclImdb for text"),
        ("listops", broken("listops-1000/basic_test.tsv", "[AVG 1 ]\t1\n"), "'\\[AVG' is no word"),
        ("listops", broken("listops-1000/basic_test.tsv", "1\n"), "line 1: 1 fields instead of 2"),
        ("listops", broken("listops-1000/basic_train.tsv", "1\tx\n"), "'x' is no word"),
        ("images", broken("cifar-10-batches-bin/test_batch.bin", b"x"), "rows of 3073 bytes"),
    ],
)
def test_wrong_files_are_told(
    task: str, files: Callable[[Path], dict[str, str | bytes]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read_rows(task, write(tmp_path, files(tmp_path)), 100)  # type: ignore[arg-type]
