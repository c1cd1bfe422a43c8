"""Changes that any file can suffer: bytes, lines of text, places in a tree of plain data."""

import copy
import random
from collections.abc import Iterator
from typing import Any

NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 7, 16, 17, 99, 255, 256, 2**15, 2**31 - 1, 2**31, 2**40, 2**63 - 1, 2**63,
    -(2**63), 10**30, 0.0, -0.0, 0.5, 1.5, 1e-45, 1e-320, 1e-9, 3e38, 1e300, -1e308, True, False,
)  # fmt: skip
TEXTS: tuple[str, ...] = (
    "", "x", "on", "off", "hermes", "ideal", "gdp", "0", "nan", "a" * 5000, "../../etc/passwd",
    "\u00a0", "\u3000", "\u202e", "\u0661", "\x00", "\x1b[2J", "\n", "{}", "[]", "__class__",
    "pwned", "$(touch pwned)", "open('pwned','w')",
)  # fmt: skip
_OTHERS: tuple[Any, ...] = (None, [], {}, [[]], [0], [0, 0], [0, 1], [1, 0], {"": 0}, [None] * 70)
_LITERALS: tuple[str, ...] = (
    "nan", "inf", "-inf", "1e999", "-0.0", "1e-400", "9" * 5000, "0x" + "f" * 5000, "[" * 100_000,
    "{a=" * 3000, "[" * 90 + "]" * 90, '"', "'''", "1979-05-27T07:32:00Z", "07:32:00", "1_0", "0b1",
    "+1", "true", "false", '""', "[]", "{}", "[1, 'a']", '"\\u0000"', '"\\ud800"', "\x00", "= =",
    ".", "1.", "#", "x",
)  # fmt: skip


def spoiled_bytes(data: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut, doubled, moved or put in."""
    new = bytearray(data)
    size = len(new)
    match rng.randrange(8):
        case 0:
            del new[rng.randrange(size) :]
        case 1:
            at = rng.randrange(size)
            del new[at : at + rng.choice((1, 2, 30, 1000))]
        case 2:
            at = rng.randrange(size)
            new[at:at] = rng.randbytes(rng.choice((1, 2, 8, 500)))
        case 3:
            new += rng.choice((b"\x00", b"x" * 100, bytes(new)))
        case 4:
            at, far = rng.randrange(size), rng.choice((4, 8, 64))
            new[at : at + far] = rng.choice((b"\x00", b"\xff", b"\x7f")) * far
        case _:
            for _ in range(rng.choice((1, 1, 2, 8))):
                new[rng.randrange(size)] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
    return bytes(new)


def spoiled_text(text: str, rng: random.Random) -> str:
    """Lines dropped, doubled and swapped; keys renamed; what stands right of `=` replaced."""
    lines = text.splitlines()
    at = rng.randrange(len(lines))
    if rng.random() < 0.6:  # most lines of interest give a key its value
        at = rng.choice([i for i, line in enumerate(lines) if "=" in line] or [at])
    key, equals, value = lines[at].partition("=")
    match rng.randrange(16):
        case 0:
            del lines[at]
        case 1:
            lines.insert(rng.randrange(len(lines)), lines[at])
        case 2:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case 3 if equals:
            lines[at] = f"{rng.choice((key.strip() + 'x', 'x', rng.choice(TEXTS)))} = {value}"
        case 4 if equals:
            lines[at] = f"{key}= {rng.choice(_LITERALS)}"
        case 5 if equals:
            lines[at] = f'{key}= "{rng.choice(TEXTS)}"'
        case _ if equals:
            lines[at] = f"{key}= {near(value, rng)}"
        case _:
            lines[at] = rng.choice(_LITERALS)
    return "\n".join(lines) + "\n"


def near(value: str, rng: random.Random) -> str:
    """Another number of the same kind, or any."""
    plain = value.partition("#")[0].strip()
    try:
        number = float(plain)
    except ValueError:
        return str(rng.choice(NUMBERS)).lower()
    if "." not in plain and "e" not in plain:
        whole = int(number)
        return str(
            rng.choice((0, 1, -1, whole + 1, whole - 1, whole // 2, whole * 2, whole * 1000))
        )
    factor = rng.choice((0, -1, 0.1, 0.5, 0.9, 1.1, 2, 10, 1e-3, 1e3, 1e-30, 1e30))
    return repr(
        rng.choice((number * factor, number * factor, number + 1, float(rng.choice(NUMBERS))))
    )


def spoiled_tree(value: Any, rng: random.Random) -> Any:
    """Plain data with one to three places changed."""
    new = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(new))
        if not places:
            return rng.choice(_OTHERS)
        _change(*rng.choice(places), places, rng)
    return new


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of the tree."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict | list):
            for key in list(item) if isinstance(item, dict) else range(len(item)):
                yield item, key
                stack.append(item[key])


def _change(holder: Any, key: Any, places: list[tuple[Any, Any]], rng: random.Random) -> None:
    old = holder[key]
    match rng.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice((rng.choice(TEXTS), f"{key}x", "1", "-1"))] = old
        case 2 if isinstance(holder, list):
            holder.extend(copy.deepcopy([old] * rng.choice((1, 3, 500))))
        case 3:
            other, at = rng.choice(places)
            holder[key] = copy.deepcopy(other.get(at) if isinstance(other, dict) else old)
        case 4:
            holder[key] = copy.deepcopy(rng.choice(_OTHERS))
        case 5:
            holder[key] = rng.choice(TEXTS)
        case _ if isinstance(old, int) and not isinstance(old, bool):
            holder[key] = rng.choice((old + 1, old - 1, -old, old * 2, rng.choice(NUMBERS)))
        case _:
            holder[key] = rng.choice(NUMBERS)


def spoiled_word(rng: random.Random) -> str:
    """What may stand right of `=` in `--set`."""
    return rng.choice((str(rng.choice(NUMBERS)), rng.choice(TEXTS), rng.choice(_LITERALS)))
