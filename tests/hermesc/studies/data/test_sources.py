"""Where data comes from: scikit-learn, .npz files, the public originals."""

import bz2
from pathlib import Path

import numpy as np
import pytest
import torch

from hermesc.studies.data.datasets import prepare
from hermesc.studies.data.sources import PACKAGED, DataSource, is_there
from hermesrt.errors import InputError, OptionError


@pytest.mark.parametrize(
    ("name", "rows", "inputs", "classes"),
    [("digits", 1797, 64, 10), ("breast_cancer", 569, 30, 2), ("wine", 178, 13, 3)],
)
def test_sets_of_scikit_learn_need_no_folder(
    name: str, rows: int, inputs: int, classes: int
) -> None:
    data = DataSource(name).read()
    assert (tuple(data.rows.shape), data.classes) == ((rows, inputs), classes)
    prepared = prepare(data, 3)
    assert prepared.classes == classes
    assert data.training_rows == len(prepared.train) == rows // 2
    assert set(prepared.test_labels.tolist()) == set(range(classes))
    assert name in PACKAGED


def test_a_set_that_no_package_holds_is_told_with_its_download() -> None:
    with pytest.raises(OptionError, match=r"without --data there are digits.*archive\.ics\.uci"):
        DataSource("letter").read()


def letter(folder: Path) -> None:
    lines = ["ABMNZ"[i % 5] + "," + ",".join(str((i + k) % 16) for k in range(16))
             for i in range(16_050)]  # fmt: skip
    (folder / "letter-recognition.data").write_text("\n".join(lines) + "\n")


def ijcnn1(folder: Path) -> None:
    for name, rows, active in (("ijcnn1.tr", 6, 3), ("ijcnn1.val", 4, 10), ("ijcnn1.t", 5, 1)):
        lines = [f"{1 if i % 2 else -1} {active}:1 11:0.{i} 22:-0.5" for i in range(rows)]
        packed = name == "ijcnn1.t"
        data = ("\n".join(lines) + "\n").encode()
        path = folder / (f"{name}.bz2" if packed else name)
        path.write_bytes(bz2.compress(data) if packed else data)


def skin(folder: Path) -> None:
    lines = [f"{i}\t{2 * i}\t{3 * i}\t{1 if i < 3 else 2}" for i in range(8)]
    (folder / "Skin_NonSkin.txt").write_text("\n".join(lines) + "\n")


def test_the_letter_original_has_the_customary_parts(tmp_path: Path) -> None:
    letter(tmp_path)
    data = DataSource("letter", tmp_path).read()
    assert tuple(data.rows.shape) == (16_050, 16)
    assert data.labels[:5].tolist() == [1, 1, 1, 0, 0]
    assert data.training_rows == 16_000
    assert data.rows[1].tolist() == [(1 + k) % 16 for k in range(16)]


def test_the_ijcnn1_originals_have_the_number_of_the_indicator(tmp_path: Path) -> None:
    ijcnn1(tmp_path)
    data = DataSource("ijcnn1", tmp_path).read()
    assert data.rows[:, 0].tolist() == [3] * 6 + [10] * 4 + [1] * 5
    assert data.rows[2].tolist() == pytest.approx([3, 0.2, *[0] * 10, -0.5])
    assert data.labels[:4].tolist() == [0, 1, 0, 1]
    assert data.parts is not None
    assert torch.bincount(data.parts).tolist() == [6, 4, 5]


def test_the_skin_original_calls_skin_1(tmp_path: Path) -> None:
    skin(tmp_path)
    data = DataSource("skin", tmp_path).read()
    assert data.rows[2].tolist() == [2, 4, 6]
    assert data.labels.tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert data.parts is None


def test_magic_and_cod_rna_are_read(tmp_path: Path) -> None:
    lines = [",".join([*map(str, range(10)), "gh"[i % 2]]) for i in range(6)]
    (tmp_path / "magic04.data").write_text("\n".join(lines) + "\n")
    assert DataSource("magic", tmp_path).read().labels.tolist() == [1, 0] * 3
    for name, rows in (("cod-rna", 4), ("cod-rna.t", 2)):
        text = "".join(f"{-1 if i % 2 else 1} 1:{i} 8:0.5\n" for i in range(rows))
        (tmp_path / name).write_text(text)
    data = DataSource("cod-rna", tmp_path).read()
    assert data.rows[3].tolist() == [3, 0, 0, 0, 0, 0, 0, 0.5]
    assert data.training_rows == 4


@pytest.mark.parametrize(
    ("name", "file", "text", "message"),
    [
        ("skin", "Skin_NonSkin.txt", "1\t2\t3\t1\n1\t2\n", "line 2: 2 values; there must be 4"),
        ("skin", "Skin_NonSkin.txt", "1\t2\tx\t1\n" * 4, "not all numbers"),
        ("letter", "letter-recognition.data", "A,1\n", "line 1: 2 values; there must be 17"),
        ("ijcnn1", "ijcnn1.tr", "1 1:1\n", "there is no ijcnn1.val beside the others; see https"),
        ("cod-rna", "cod-rna", "1 1:1\n1 9:1\n", "line 2: '1 9:1'; it must be a label and index"),
        ("cod-rna", "cod-rna", "1 one\n", "line 1: '1 one'"),
    ],
)
def test_a_damaged_original_is_told_by_its_line(
    name: str, file: str, text: str, message: str, tmp_path: Path
) -> None:
    if name == "cod-rna":
        (tmp_path / "cod-rna.t").write_text("1 1:1\n")
    (tmp_path / file).write_text(text)
    with pytest.raises(InputError, match=message):
        DataSource(name, tmp_path).read()


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "Skin_NonSkin.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a readable text file; download it again"):
        DataSource("skin", tmp_path).read()


def test_what_is_missing_says_where_it_is(tmp_path: Path) -> None:
    assert not is_there(tmp_path, "skin")
    with pytest.raises(InputError, match=r"no skin\.npz, nor Skin_NonSkin\.txt; download"):
        DataSource("skin", tmp_path).read()
    with pytest.raises(InputError, match=r"no mine\.npz; write one with X"):
        DataSource("mine", tmp_path).read()
    skin(tmp_path)
    assert is_there(tmp_path, "skin")


def test_rows_beyond_the_published_file_are_taken_when_asked_for(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, size=(175_400, 3)).astype(np.uint8)
    np.savez(tmp_path / "skin.npz", X=x, y=x[:, 0] > 99)
    assert len(DataSource("skin", tmp_path).read().rows) == 175_394
    assert len(DataSource("skin", tmp_path, all_rows=True).read().rows) == 175_400


def test_other_data_than_at_the_start_is_refused(tmp_path: Path) -> None:
    skin(tmp_path)
    source = DataSource("skin", tmp_path)
    source = source.of(source.read())
    assert source.read().digest == source.digest
    (tmp_path / "Skin_NonSkin.txt").write_text("1\t2\t3\t1\n9\t9\t9\t2\n" * 4)
    with pytest.raises(InputError, match="other data than where the study was started"):
        source.read()
