"""Mutations of `.pt2` files: fields, names, sizes, trees, pickles and the zip archive itself."""

import io
import json
import pickle
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from canary import MARK

Parts = list[tuple[str, bytes]]  # in the order of the archive; names may repeat

_CODE = (
    f"z=open('{MARK}','w')",
    f"z=open('{MARK}','w').write('x')",
    f"__import__('os').system('touch {MARK}')",
    f"x): __import__('os').system('touch {MARK}'); return (x\n#",
    f"x\n    open('{MARK}','w')",
    f"*{MARK}",
    f"{MARK}.{MARK}",
    f'eval(\'open("{MARK}","w")\')',
    f"torch.hub.load('{MARK}')",
    f"lambda: {MARK}()",
    f"{MARK}:=1",
    "\uff45\uff56\uff41\uff4c",
    "__import__",
    "__class__.__base__.__subclasses__",
    "self",
    "torch",
    "import",
    "None",
    "",
    "a" * 5000,
    "x;y",
    "../../etc/passwd",
    "\x00",
    "\u202e",
)
_SIZES = (
    "9**9**9**9",
    "Pow(Integer(9), Pow(Integer(9), Pow(Integer(9), Integer(9))))",
    "Pow(Symbol('s77', positive=True, integer=True), Integer(99999999))",
    "PowByNatural(Integer(7), Integer(10000000))",
    "Mul(" * 300 + "Integer(2)" + ")" * 300,
    "Add(" + ", ".join(["Symbol('s77', integer=True)"] * 5000) + ")",
    f"Symbol('{MARK}')",
    f"Symbol('s77', positive=open('{MARK}','w'))",
    f"Integer(open('{MARK}','w'))",
    f"__import__('os').system('{MARK}')",
    "Integer(" + "9" * 5000 + ")",
    "FloorDiv(Integer(1), Integer(0))",
    "Mod(Symbol('s77', integer=True), Integer(0))",
    "Rational(1, 0)",
    "Float('1e999', precision=53)",
    "Float('1.5', precision=99999999)",
    "Symbol('u99999999999')",
    "Symbol('u5000', integer=True)",
    "Symbol('s1', positive=True, integer=True)",
    "Max()",
    "oo",
    "-int_oo",
    "true",
    "()",
    "[Integer(1)]",
    "Integer(1).__class__",
    "(" * 3000 + ")" * 3000,
    "Where(true, Integer(1), Integer(2))",
    "ModularIndexing(Symbol('s77', positive=True, integer=True), Integer(3), Integer(7))",
    "CeilDiv(Symbol('s77', positive=True, integer=True), Integer(-3))",
)
_TARGETS = (
    "torch.ops.aten.from_file.default",
    "torch.ops.aten.empty.memory_format",
    "torch.ops.aten.rand.default",
    "torch.ops.aten._print.default",
    "torch.ops.aten.add.t",
    "torch.ops.aten.mul.left_t",
    "torch.ops.aten.pow.int",
    "torch.ops.aten.relu.default",
    "torch.ops.aten.log_softmax.int",
    "torch.ops.aten._to_copy.default",
    "torch.ops.aten.add_.Tensor",
    "torch.ops.aten.set_.source_Storage",
    "torch.ops.aten.resize_.default",
    "torch.ops.aten.cos.out",
    "torch.ops.aten.__class__",
    "torch.ops.aten.__init__.__globals__",
    "torch.ops.load_library",
    "torch.ops.higher_order.cond",
    "torch.ops.higher_order.map_impl",
    "torch.ops.higher_order.wrap_with_set_grad_enabled",
    "torch.ops.higher_order.wrap_with_autocast",
    "torch.ops.profiler._record_function_enter.default",
    "torch.load",
    "torch.hub.load",
    "torch.utils.cpp_extension.load_inline",
    "torch.compile",
    "torch.serialization.pickle.loads",
    "_operator.attrgetter",
    "_operator.methodcaller",
    "_operator.call",
    "_operator.pow",
    "_operator.lshift",
    "_operator.mul",
    "_operator.getitem",
    "math.factorial",
    "math.comb",
    "math.trunc",
    "torch.sym_sum",
    "torch.sym_max",
    "#extension:op",
)
_LETTERS = (*"'\"()\n\\,9=#.*:;", "\u0661", "\u00e9", "\x1b[2J", MARK)
_NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 7, 99, 127, 128, 255, 2**15, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63),
    2**63, 10**30, 0.0, -0.0, 1.5, 1e308, 1e-320, "Infinity", "-Infinity", "NaN", True, False, None,
)  # fmt: skip
_OTHER: tuple[Any, ...] = (
    [], {}, [[]], [None], {"": 0}, {"as_int": 1}, {"as_int": 2**62}, {"as_none": True},
    {"as_tensor": {"name": "x"}}, {"as_string": MARK}, {"as_operator": "torch.hub.load"},
    {"as_custom_obj": {"name": "x", "class_fqn": MARK}}, {"as_scalar_type": 7},
    {"as_memory_format": 2}, {"as_ints": [2**40, 2**40]}, {"as_float": 1e300},
    {"as_sym_int": {"as_name": "x"}}, {"as_string_to_argument": {"a": {"as_int": 1}}},
    {"as_device": {"type": "meta", "index": None}}, {"as_device": {"type": "cuda", "index": 5}},
)  # fmt: skip
_TREES = (
    [1, {"type": "builtins.dict", "context": json.dumps(
        {"__enum__": True, "fqn": f"{MARK}:X", "name": "Y"}), "children_spec": []}],
    [1, {"type": "collections.namedtuple", "context": f"{MARK}.X", "children_spec": []}],
    [1, {"type": "collections.defaultdict", "context": "{}", "children_spec": []}],
    [1, {"type": "builtins.dict", "context": f'["{MARK}=1"]', "children_spec": [
        {"type": None, "context": None, "children_spec": []}]}],
    [2, {}], [1], {}, "x",
)  # fmt: skip


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
    new = rng.choice(_SIZES if "Symbol(" in old or "Integer(" in old else _CODE)

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
        holder[key] = rng.choice(_SIZES) if rng.random() < 0.7 else _spoiled(old, rng)
    elif key == "target" and action < 0.7:
        holder[key] = rng.choice(_TARGETS)
    elif key in ("in_spec", "out_spec") and action < 0.7:
        holder[key] = json.dumps(rng.choice(_TREES))
    elif key == "guards_code" and action < 0.7:
        holder[key] = [rng.choice(_CODE)]
    elif action < 0.25 and isinstance(old, str):
        holder[key] = rng.choice(_CODE)
    elif action < 0.35 and isinstance(old, str) and old:
        holder[key] = _spoiled(old, rng)
    elif action < 0.45 and isinstance(holder, dict):
        holder[rng.choice(_CODE)] = holder.pop(key) if rng.random() < 0.7 else old
    elif action < 0.6:
        other, at = rng.choice(holders)
        holder[key] = json.loads(json.dumps(other[at]))
    elif action < 0.7:
        del holder[key]
    elif action < 0.75 and isinstance(holder, list):
        holder.extend(json.loads(json.dumps([old] * rng.choice((1, 3, 2000)))))
    elif action < 0.9:
        holder[key] = rng.choice(_NUMBERS)
    else:
        holder[key] = json.loads(json.dumps(rng.choice(_OTHER)))


def _spoiled(text: Any, rng: random.Random) -> str:
    text = str(text)
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(_LETTERS) + text[at + 1 :]


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
