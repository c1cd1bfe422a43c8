"""`.npz` files that come from anywhere: read, or refused in one sentence."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hermesrt.errors import InputError
from hermesrt.files.npz import read_arrays

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("kind", [">f4", ">f8", ">i4", ">u2", ">c8"])
def test_arrays_of_the_other_byte_order_are_converted(kind: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X.astype(kind))
    found = read_arrays(tmp_path / "x.npz")["x"]
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, X)


@pytest.mark.parametrize("kind", [np.longdouble, np.clongdouble])
def test_long_doubles_are_refused_by_name(kind: type, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", fine=X, wide=X.astype(kind))
    with pytest.raises(InputError, match=r"x.npz: 'wide' holds c?.*\(long double\)"):
        read_arrays(tmp_path / "x.npz")


def test_a_member_that_is_no_array_is_refused_by_name(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.npz", {"x.npy": npy(X), "readme.txt": b"hello"})
    with pytest.raises(InputError, match=r"'readme\.txt' is not an array"):
        read_arrays(path)


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x.npy", npy(X))
        archive.writestr("x.npy", npy(2 * X))
    with pytest.raises(InputError, match="two arrays named 'x'"):
        read_arrays(path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="plain arrays"):
        read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999, 99999999)}",
        b"{'descr': 'zz', 'fortran_order': False, 'shape': (2,)}",
        b"\xff\xfe\x00",
        b"(" * 5000,
    ],
)
def test_damaged_headers_are_refused(header: bytes, tmp_path: Path) -> None:
    head = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    path = zipped(tmp_path / "x.npz", {"x.npy": head + X.tobytes()})
    with pytest.raises(InputError, match=r"x\.npz: not a readable \.npz file"):
        read_arrays(path)


def test_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.npz", {"x.npy": npy(X)})
    data = bytearray(path.read_bytes())
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    data[local + 8 : local + 10] = data[central + 10 : central + 12] = (77).to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"not a readable \.npz file"):
        read_arrays(path)


@pytest.mark.parametrize("where", range(0, 700, 7))
def test_a_changed_byte_is_read_or_refused(where: int, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.npz", {"x.npy": npy(np.zeros(200))}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= 0x5A
    path.write_bytes(data)
    try:
        assert isinstance(read_arrays(path), dict)
    except InputError as error:
        assert "x.npz" in str(error)


def test_a_large_array_may_not_be_packed_into_almost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermesrt.files.npz.LARGE", 10_000)
    zeros = npy(np.zeros(10_000, np.float32))
    bomb = zipped(tmp_path / "bomb.npz", {"x.npy": zeros}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match=r"'x.npy' unpacks to 40,128 bytes .* than 100 times"):
        read_arrays(bomb)
    assert read_arrays(zipped(tmp_path / "plain.npz", {"x.npy": zeros}))["x"].shape == (10_000,)
