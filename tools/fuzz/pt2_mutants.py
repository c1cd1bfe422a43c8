"""Mutations of `.pt2` files: fields, names, sizes, trees, pickles and the zip archive itself."""

import io
import json
import pickle
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from canary import MARK
from pt2_words import CODE, LETTERS, NUMBERS, OTHER, SIZES, TARGETS, TREES

Parts = list[tuple[str, bytes]]  # in the order of the archive; names may repeat


class Evil:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (MARK, "w"))


def mutant(parts: Parts, rng: random.Random) -> bytes:
    """Another archive, by one to three mutations."""
    changed = list(parts)
    writer = _write
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.random()
        if kind < 0.7:
            changed = _json_mutated(changed, rng)
        elif kind < 0.85:
            changed = rng.choice(_PARTS)(changed, rng)
        else:
            writer = rng.choice(_WRITERS)
    return writer(changed, rng)


def _json_mutated(parts: Parts, rng: random.Random) -> Parts:
    places = [i for i, (name, _) in enumerate(parts) if name.endswith(".json")]
    place = max(places, key=lambda i: rng.random() * (6 if "models/" in parts[i][0] else 1))
    name, data = parts[place]
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return parts
    holders = list(_holders(value))
    if not holders:
        return parts
    new = list(parts)
    if rng.random() < 0.3:
        new[place] = (name, json.dumps(_renamed(value, holders, rng)).encode())
        return new
    if rng.random() < 0.3:  # one of a rare key, so that long graphs do not hide them
        key = rng.choice(sorted({str(k) for _, k in holders if isinstance(k, str)}))
        holders = [h for h in holders if h[1] == key] or holders
    _change(*rng.choice(holders), holders, rng)
    new[place] = (name, json.dumps(value).encode())
    return new


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of the tree."""
    stack = [value]
    while stack:
        item = stack.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item))
        for key in keys:
            yield item, key
            if isinstance(item[key], dict | list):
                stack.append(item[key])


def _renamed(value: Any, holders: list[tuple[Any, Any]], rng: random.Random) -> Any:
    """One text replaced wherever it stands, so that the names still agree."""
    texts = sorted({h[k] for h, k in holders if isinstance(h[k], str)})
    if not texts:
        return value
    old = rng.choice(texts)
    new = rng.choice(SIZES if "Symbol(" in old or "Integer(" in old else CODE)

    def rename(item: Any) -> Any:
        if isinstance(item, dict):
            return {new if key == old else key: rename(below) for key, below in item.items()}
        if isinstance(item, list):
            return [rename(below) for below in item]
        return new if item == old and isinstance(item, str) else item

    return rename(value)


def _change(holder: Any, key: Any, holders: list[tuple[Any, Any]], rng: random.Random) -> None:
    old = holder[key]
    action = rng.random()
    if key == "expr_str" and action < 0.7:
        holder[key] = rng.choice(SIZES) if rng.random() < 0.7 else _spoiled(old, rng)
    elif key == "target" and action < 0.7:
        holder[key] = rng.choice(TARGETS)
    elif key in ("in_spec", "out_spec") and action < 0.7:
        holder[key] = json.dumps(rng.choice(TREES))
    elif key == "guards_code" and action < 0.7:
        holder[key] = [rng.choice(CODE)]
    elif action < 0.25 and isinstance(old, str):
        holder[key] = rng.choice(CODE)
    elif action < 0.35 and isinstance(old, str) and old:
        holder[key] = _spoiled(old, rng)
    elif action < 0.45 and isinstance(holder, dict):
        holder[rng.choice(CODE)] = holder.pop(key) if rng.random() < 0.7 else old
    elif action < 0.6:
        other, at = rng.choice(holders)
        holder[key] = json.loads(json.dumps(other[at]))
    elif action < 0.7:
        del holder[key]
    elif action < 0.75 and isinstance(holder, list):
        holder.extend(json.loads(json.dumps([old] * rng.choice((1, 3, 2000)))))
    elif action < 0.9:
        holder[key] = rng.choice(NUMBERS)
    else:
        holder[key] = json.loads(json.dumps(rng.choice(OTHER)))


def _spoiled(text: Any, rng: random.Random) -> str:
    text = str(text)
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(LETTERS) + text[at + 1 :]


def _flipped(parts: Parts, rng: random.Random) -> Parts:
    """Some bytes of one part changed."""
    new = list(parts)
    at = rng.randrange(len(new))
    data = bytearray(new[at][1] or b"x")
    for _ in range(rng.choice((1, 2, 8))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    new[at] = (new[at][0], bytes(data))
    return new


def _cut(parts: Parts, rng: random.Random) -> Parts:
    new = list(parts)
    at = rng.randrange(len(new))
    name, data = new[at]
    new[at] = (name, rng.choice((b"", data[: len(data) // 2], data * 2, b"[" * 100_000)))
    return new


def _samples_changed(parts: Parts, rng: random.Random) -> Parts:
    """The pickle inside the example inputs: hostile, or with bytes changed."""
    return [
        (name, _hostile_samples(data, rng) if name.endswith("sample_inputs/model.pt") else data)
        for name, data in parts
    ]


def _hostile_samples(data: bytes, rng: random.Random) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(data)) or rng.random() < 0.2:
        return pickle.dumps(Evil(), protocol=rng.choice((0, 2, 4)))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inner = [(name, archive.read(name)) for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return data  # an earlier mutation broke it
    at = next((i for i, (name, _) in enumerate(inner) if name.endswith("data.pkl")), 0)
    text = bytearray(inner[at][1])
    if rng.random() < 0.3:
        text = bytearray(pickle.dumps(Evil(), protocol=2))
    elif rng.random() < 0.5:
        globals_ = (b"ctorch._utils _rebuild_tensor_v2", b"cos\nsystem\n", b"cbuiltins\neval\n")
        text = text.replace(b"ctorch._utils\n_rebuild_tensor_v2\n", rng.choice(globals_[1:]))
    else:
        for _ in range(rng.choice((1, 2, 5))):
            text[rng.randrange(len(text))] = rng.randrange(256)
    inner[at] = (inner[at][0], bytes(text))
    return _write(inner, rng)


def _added(parts: Parts, rng: random.Random) -> Parts:
    """One more part: a second of a name, in other capitals, in another folder, of code."""
    name, data = rng.choice(parts)
    root, _, rest = name.partition("/")
    names = (
        name, name.upper(), f"{root}2/{rest}", f"{root}/./{rest}", f"{root}//{rest}",
        f"{root}/data/aotinductor/model/{MARK}.so", f"{root}/data/constants/opaque_obj_0",
        f"{root}/data/constants/custom_obj_0", f"{root}/extra/{MARK}", f"{root}/models/{MARK}.json",
        f"../{rest}", rest, f"{root}\\{rest}", f"{root}/data/weights/model.pt",
        f"{root}/data/constants/model.pt", f"{root}/{rest}\x00", f"{root}/serialized_state_dict.pt",
        f"{root}/version",
    )  # fmt: skip
    extra = rng.choice((data, pickle.dumps(Evil()), b"{}", b"x" * 100))
    new = (rng.choice(names), extra)
    return [new, *parts] if rng.random() < 0.5 else [*parts, new]


def _doubled(parts: Parts, rng: random.Random) -> Parts:
    """A pickle that another reader of the archive would take, before or behind the good one."""
    name = next((n for n, _ in parts if n.endswith("model.pt")), parts[0][0])
    root, _, rest = name.partition("/")
    twin = (rng.choice((name, f"{root}/{rest.upper()}", f"b/{rest}")), pickle.dumps(Evil(), 2))
    return [twin, *parts] if rng.random() < 0.5 else [*parts, twin]


def _dropped(parts: Parts, rng: random.Random) -> Parts:
    at = rng.randrange(len(parts))
    return parts[:at] + parts[at + 1 :]


_PARTS: tuple[Callable[[Parts, random.Random], Parts], ...] = (
    _flipped, _cut, _samples_changed, _samples_changed, _added, _added, _doubled, _dropped,
)  # fmt: skip


def _write(parts: Parts, _: random.Random) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts:
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def _write_deflated(parts: Parts, rng: random.Random) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts:
            method = rng.choice((0, 8, 8, 12, 14))
            archive.writestr(name, data, compress_type=method)
        if rng.random() < 0.3:
            root = parts[0][0].partition("/")[0]
            archive.writestr(f"{root}/data/weights/weight_9", bytes(2**26), compress_type=8)
    return stream.getvalue()


def _write_broken(parts: Parts, rng: random.Random) -> bytes:
    """Bytes of the finished archive changed, most of them in its directory."""
    data = bytearray(_write(parts, rng))
    start = data.rfind(b"PK\x01\x02") if rng.random() < 0.7 else 0
    for _ in range(rng.choice((1, 2, 6))):
        data[rng.randrange(start, len(data))] = rng.choice((0, 1, 255, rng.randrange(256)))
    return bytes(data[: rng.randrange(len(data))] if rng.random() < 0.1 else data)


def _write_renamed(parts: Parts, rng: random.Random) -> bytes:
    """Another name in the local header than in the directory."""
    data = _write(parts, rng)
    name = rng.choice(parts)[0].encode()
    other = name[:-1] + b"Z"
    at = data.find(name) if rng.random() < 0.5 else data.rfind(name)
    return data[:at] + other + data[at + len(name) :] if at >= 0 else data


_WRITERS: tuple[Callable[[Parts, random.Random], bytes], ...] = (
    _write_deflated, _write_broken, _write_broken, _write_renamed,
)  # fmt: skip
