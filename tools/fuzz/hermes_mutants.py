"""Valid programs changed at some places and signed again, one of each number."""

import json
import random
import warnings
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.export import Dim

import hermesc
from hermesrt.artifact import io
from hermesrt.files.container import pack
from hermesrt.ops.call import resolve
from hermesrt.ops.table import ROWS, SIZE_ROWS

PARTS = ("program.json", "weights.safetensors", "examples.safetensors")
NUMBERS = [
    99, -1, 0, 1, 2, 3, 7, 2**16, 2**31 - 1, 2**31, 2**40, 2**63 - 1, -(2**63), -(2**31), 2**63,
    10**30, 0.5, -0.0, 1e-320, 1e308, -1e308, {"float": "inf"}, {"float": "nan"},
]  # fmt: skip
OTHERS = [
    None, True, False, "", "x", "none", "mean", "reflect", "bilinear", "ij,jk->ik", "a" * 3000,
    [], [0], [1, 1], [-1, -1], [2**40], [2**31, 2**31], [0.5], [None], [True], ["x"], [[1]],
    [1] * 70, {"dtype": "complex64"}, {"dtype": "bool"}, {"dtype": "int8"}, {"dtype": "float16"},
    {"dtype": "bfloat16"}, {"dtype": "float64"}, {"dtype": "quint8"}, {"ref": "nobody"}, {"ref": 3},
]  # fmt: skip
KEYWORDS = [
    "dtype", "layout", "device", "memory_format", "pin_memory", "dim", "keepdim", "out", "self",
    "non_blocking", "rounding_mode", "alpha", "value", "mode", "correction",
]  # fmt: skip


class Model(nn.Module):
    """Operations of many kinds around three matrices, of sizes that stay free."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 6)
        self.words = nn.Embedding(5, 6)
        self.norm = nn.LayerNorm(6)

    def forward(self, x: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Two outputs, one of which mixes tokens."""
        h = self.norm(x + self.words(ids))
        h = self.first(h).view(x.shape[0], x.shape[1], 2, 4).transpose(1, 2)
        scores = (h @ h.transpose(-1, -2)).to(torch.float64).log_softmax(-1)
        mixed = torch.cat([(scores.float().exp() @ h), h.cos()], 1)
        mixed = torch.where(mixed > 0.1, mixed, mixed.cumsum(2)).sum(1).clamp(-3.0, 3.0)
        left, right = torch.nn.functional.pad(mixed, (2, 2)).chunk(2, -1)
        y = self.second(torch.stack([left, right], -1).flatten(2)[..., :8])
        return y, torch.einsum("btd,bsd->bts", y, x).argmax(-1)


class Loops(nn.Module):
    """Loops on the host within each other, one of them with a counter, and a scan."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A loop's result, and all of a scan's."""

        def step(y: Tensor) -> tuple[Tensor]:
            inner = while_loop(lambda i, z: z.sum() < i, lambda i, z: (i + 1, z + 0.5), (2, y))
            return (inner[1] + 1,)

        last, sums = scan(lambda h, p: ((h + p).cos(), 2 * h), x.sum(1), x, dim=1)
        return while_loop(lambda y: y.sum() < 20, step, (self.first(last),))[0], sums


class Steps(nn.Module):
    """Recurrent layers with a second product in each time step."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LSTM(6, 8, proj_size=4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """The states of all steps."""
        return self.first(x.cos())[0].sin()


def valid_programs() -> list[bytes]:
    """The programs that mutants come from, in turn."""
    torch.manual_seed(0)
    x, ids = torch.randn(3, 4, 6), torch.randint(0, 5, (3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about its scan
        made = [
            hermesc.compile(Model().eval(), (x, ids)),
            hermesc.compile(Loops().eval(), x, dynamic_shapes=({1: Dim.AUTO},), batch_dim=0),
            hermesc.compile(Steps().eval(), x),
        ]
    return [io.to_bytes(program.artifact) for program in made]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed program, and in words what was changed."""

    data: bytes
    changes: tuple[str, ...]


def mutant(parts: dict[str, bytes], seed: int) -> Mutant:
    """The mutant of that number; the same number gives the same mutant."""
    draw = random.Random(seed)
    manifest = json.loads(parts[PARTS[0]])
    ways = (
        [_argument] * 3
        + [_like] * 6
        + [_new_step] * 8
        + ([_in_loop] * 12 if _loops(manifest) else [])
        + [_operation, _keyword, _keyword, _field, _shape]
    )
    chosen = [draw.choice(ways) for _ in range(draw.choice([1, 1, 2, 3]))]
    last = [_field] if _field in chosen else []  # the others need a sound manifest
    changes = tuple(way(manifest, draw) for way in [w for w in chosen if w is not _field] + last)
    text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":")).encode()
    return Mutant(pack("program", {**parts, PARTS[0]: text}), changes)


def _hosts(manifest: Any) -> list[Any]:
    return [s for s in manifest["steps"] if s["type"] == "host"]


def _loops(manifest: Any) -> list[Any]:
    return [s for s in _hosts(manifest) if s["op"].startswith("loop.")]


def _value(manifest: Any, draw: random.Random) -> Any:
    names = [s["name"] for s in manifest["steps"]] + [i["name"] for i in manifest["inputs"]]
    chosen = draw.choice([NUMBERS, OTHERS, [{"ref": name} for name in names]])
    return deepcopy(draw.choice(chosen))


def _argument(manifest: Any, draw: random.Random) -> str:
    """One argument, or a part of one, becomes something else; or one comes to it."""
    step = draw.choice(_hosts(manifest))
    holder, value = step["args"], _value(manifest, draw)
    while holder and isinstance(holder, list):
        at = draw.randrange(len(holder))
        if not isinstance(holder[at], list) or draw.random() < 0.5:
            break
        holder = holder[at]
    if isinstance(holder, list) and holder and draw.random() < 0.8:
        holder[at] = value
    elif isinstance(holder, list):
        holder.append(value)
    return f"{step['name']} {step['op']}: {value!r}"


def _like(manifest: Any, draw: random.Random) -> str:
    """A number or a reference becomes another one, so that the schema has nothing against it."""
    step = draw.choice(_hosts(manifest))
    places: list[tuple[Any, Any]] = [(step["args"], i) for i in range(len(step["args"]))]
    places += [(a, i) for a in step["args"] if isinstance(a, list) for i in range(len(a))]
    if not places:
        return f"nothing in {step['name']}"
    holder, at = draw.choice(places)
    old, at_step = holder[at], manifest["steps"].index(step)
    names = [i["name"] for i in manifest["inputs"]]
    names += [s["name"] for s in manifest["steps"][:at_step]]
    if isinstance(old, dict):
        holder[at] = {"ref": draw.choice(names)}
    elif isinstance(old, list):
        holder[at] = [draw.choice([*range(-3, 9), 2**31, 2**40]) for _ in range(draw.randint(0, 5))]
    else:
        integers = [n for n in NUMBERS if isinstance(n, int) and abs(n) < 2**63]
        holder[at] = draw.choice(integers if isinstance(old, int) else NUMBERS)
    return f"{step['name']} {step['op']}: {holder[at]!r} for {old!r}"


def _overload(draw: random.Random) -> str:
    if draw.random() < 0.1:
        return f"size.{draw.choice(sorted(SIZE_ROWS))}"
    name = draw.choice(sorted(ROWS))
    found = [o for o in getattr(torch.ops.aten, name).overloads() if resolve(f"aten.{name}.{o}")]
    return f"aten.{name}.{draw.choice(found or ['default'])}"


def _operation(manifest: Any, draw: random.Random) -> str:
    """Another operation, of the same arguments."""
    step = draw.choice(_hosts(manifest))
    step["op"] = _overload(draw)
    return f"{step['name']} becomes {step['op']}"


def _keyword(manifest: Any, draw: random.Random) -> str:
    step, name = draw.choice(_hosts(manifest)), draw.choice(KEYWORDS)
    step["kwargs"][name] = _value(manifest, draw)
    return f"{step['name']} {step['op']}: {name}={step['kwargs'][name]!r}"


def _new_step(manifest: Any, draw: random.Random) -> str:
    """A step with arguments that fit its schema, of hostile values, before one that takes it."""
    step = draw.choice(_hosts(manifest))
    op, at = _overload(draw), manifest["steps"].index(step)
    before = [i["name"] for i in manifest["inputs"]]
    before += [s["name"] for s in manifest["steps"][:at]]
    function: Any = resolve(op)
    schema = getattr(function, "_schema", None)
    kinds = [str(a.real_type) for a in schema.arguments] if schema else ["int", "int"]
    needed = sum(not a.has_default_value() for a in schema.arguments) if schema else 2
    args = [_fitting(kind, before, draw) for kind in kinds[: draw.randint(needed, len(kinds))]]
    new = {**step, "name": "new", "op": op, "args": args, "kwargs": {}}
    manifest["steps"].insert(at, new)
    taker = draw.choice([step["args"], manifest["outputs"]])
    if taker is manifest["outputs"]:
        taker[draw.randrange(len(taker))] = "new"
    elif taker:
        taker[draw.randrange(len(taker))] = {"ref": "new"}
    return f"new {op} {args!r}"


def _fitting(kind: str, before: list[str], draw: random.Random) -> Any:
    if kind.startswith("Optional["):
        return draw.choice([None, _fitting(kind[9:-1], before, draw)])
    if kind.startswith("List["):
        return [_fitting(kind[5:-1], before, draw) for _ in range(draw.randint(0, 3))]
    match kind:
        case "Tensor":
            return {"ref": draw.choice(before)}
        case "int":
            return draw.choice([*range(-2, 4), *[n for n in NUMBERS if isinstance(n, int)]])
        case "bool":
            return draw.random() < 0.5
        case "str":
            return draw.choice(["", "none", "tanh", "sum", "reflect", "i,j->ij", "ij"])
        case "ScalarType":
            return (
                {"dtype": draw.choice(["float32", "int64", "bool", "complex64"])}
                if draw.random() < 0.7
                else 99
            )
    return draw.choice(NUMBERS)


def _field(manifest: Any, draw: random.Random) -> str:
    """Any place in the manifest."""
    holder, key = draw.choice(_places(manifest))
    holder[key] = _value(manifest, draw)
    return f"field {key!r} = {holder[key]!r}"


def _in_loop(manifest: Any, draw: random.Random) -> str:
    """A place in a loop takes what stands elsewhere in it, twice or not at all, or a new value."""
    places = _places(draw.choice(_loops(manifest))["args"])
    (holder, key), (source, other) = draw.choice(places), draw.choice(places)
    alike = [p for p in places if type(p[0][p[1]]) is type(holder[key])]
    match draw.randrange(4):
        case 0 if isinstance(holder, list):
            return f"in a loop without {holder.pop(key)!r}"
        case 1 if isinstance(holder, list):
            holder.append(deepcopy(source[other]))
        case 2:
            source, other = draw.choice(alike)
            holder[key] = deepcopy(source[other])
        case _:
            holder[key] = _value(manifest, draw)
    return f"in a loop {key!r} = {str(holder)[-200:]}"


def _places(data: Any) -> list[tuple[Any, Any]]:
    """All places in JSON: what holds each, and its key there."""
    places: list[tuple[Any, Any]] = []
    layer: list[Any] = [data]
    while layer:
        holder = layer.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            places.append((holder, key))
            if isinstance(holder[key], dict | list):
                layer.append(holder[key])
    return places


def _shape(manifest: Any, draw: random.Random) -> str:
    """An input's dtype or sizes, the outputs, or what is said about rows."""
    spec = draw.choice(manifest["inputs"])
    match draw.randrange(4):
        case 0:
            spec["dtype"] = draw.choice(["float64", "bool", "complex64", "bfloat16", "uint8"])
        case 1 if spec["dims"]:
            spec["dims"][draw.randrange(len(spec["dims"]))] = draw.choice(["s9", 0, 1, 4, 2**40])
        case 2:
            manifest["streams"] = not manifest["streams"]
        case _:
            manifest["outputs"].append(draw.choice(manifest["steps"])["name"])
    return f"inputs {manifest['inputs']!r}, outputs {manifest['outputs']!r}"
