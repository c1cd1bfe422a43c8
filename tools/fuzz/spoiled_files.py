"""Files with something wrong in them: arrays, headers of arrays, zip archives, containers."""

import io
import json
import random
import zipfile
from typing import Any

import numpy as np
from mutations import spoiled_bytes, spoiled_tree


def spoiled_array(array: Any, rng: random.Random) -> Any:
    """Another dtype, shape or number somewhere."""
    match rng.randrange(6):
        case 0:
            kinds = ("f8", ">f8", "f2", "g", ">i4", "u8", "i1", "c16", "?", "U4", "S3", "M8[s]")
            return array.astype(rng.choice(kinds)) if array.dtype.kind in "fiub" else array
        case 1:
            shapes = (array[None], array[..., None], array[:0], array.ravel()) if array.ndim else ()
            return rng.choice((*shapes, np.zeros(()), np.zeros((3, 0))))
        case 2:
            return np.concatenate([array] * 2) if array.ndim else np.array([array] * 3)
        case 3:
            return np.array([], array.dtype)
    new = array.copy()
    values = (np.nan, np.inf, -1, 3e38, 1e-40, 2**31 - 1, -(2**31), 127, 0, 1e300)
    if new.size and new.dtype.kind in "fiu":
        with np.errstate(all="ignore"):
            flat = new.reshape(-1)
            flat[rng.randrange(flat.size)] = np.asarray(rng.choice(values)).astype(new.dtype)
    return new


def spoiled_header(data: bytes, rng: random.Random) -> bytes:
    """The text in an array's header says something else; its length is kept up."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    name, part = parts[0]
    length = int.from_bytes(part[8:10], "little")
    text = part[10 : 10 + length].decode("latin1").rstrip()
    old, new = rng.choice((
        ("(5, 6)", rng.choice(("(10**9, 6)", "(99999999999, 6)", "(-5, 6)", "(5,6,)" * 99, "5"))),
        ("'<f4'", rng.choice(("'|O'", "'>f4'", "'<f16'", "'<U999999999'", "[('a','<f4')]"))),
        ("False", rng.choice(("True", "None", "2", "(" * 300))),
        ("{", rng.choice(("{'x': 1, ", "[", "open('pwned','w')", "{" * 100))),
    ))  # fmt: skip
    changed = text.replace(old, new).encode("latin1") + b"\n"
    magic = part[:8] if len(changed) < 2**16 else part[:6] + b"\x02\x00"
    size = len(changed).to_bytes(2 if magic[6] == 1 else 4, "little")
    parts[0] = (name, magic + size + changed + part[10 + length :])
    return _zip(parts)


def _zip(parts: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return stream.getvalue()


def spoiled_zip(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, or parts doubled, dropped, renamed, exchanged or compressed."""
    if rng.random() < 0.5:
        return spoiled_bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    at = rng.randrange(len(parts))
    name, part = parts[at]
    match rng.randrange(7):
        case 0:
            parts.insert(rng.randrange(len(parts) + 1), (name, b"" if rng.random() < 0.5 else part))
        case 1:
            del parts[at]
        case 2:
            parts[at] = (
                rng.choice((f"../{name}", name.upper(), f"{name}\x00", "", "a" * 999)),
                part,
            )
        case 3:
            parts[at] = (name, parts[at - 1][1])
        case 4:
            parts[at] = (name, spoiled_bytes(part, rng) if part else b"x")
        case 5:
            parts.append((f"more{rng.randrange(9)}", rng.choice((b"", b"x", bytes(2**20)))))
        case _:
            return _zip(
                parts, rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            )
    if rng.random() < 0.2:
        parts.reverse()
    return _zip(parts)


def resigned(data: bytes, kind: str, names: tuple[str, ...], rng: random.Random) -> bytes:
    """The container with a part changed and checksums that are right again."""
    from hermesrt.files.container import pack, unpack
    from hermesrt.files.tensors import tensor_chunks, tensors_from_bytes

    parts = unpack(data, kind, names, "whole")
    name = rng.choice(names)
    if name.endswith(".json"):
        text = json.dumps(spoiled_tree(json.loads(parts[name]), rng)).encode()
        parts[name] = spoiled_bytes(text, rng) if rng.random() < 0.1 else text
    elif rng.random() < 0.2:
        parts[name] = spoiled_bytes(parts[name], rng)
    else:
        arrays = tensors_from_bytes(parts[name], "whole")
        chosen = rng.choice(sorted(arrays))
        new = spoiled_array(arrays[chosen], rng)
        if new.dtype.kind in "fiub" and new.dtype.isnative and new.dtype.itemsize <= 8:
            arrays[chosen] = new
        if rng.random() < 0.2:
            arrays[rng.choice(("9.nu", "x", chosen + "x"))] = arrays.pop(chosen)
        parts[name] = tensor_chunks(arrays)
    return pack(kind, parts)
