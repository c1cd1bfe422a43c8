"""Symbolic sizes, such as `Mul(Integer(3), Symbol('s77', positive=True, integer=True))`.

Torch evaluates such text as Python. So it is parsed here, by a grammar of calls on numbers and
symbols, and what torch gets is written anew from what was understood. Numbers, powers and lengths
are bounded: `9**9**9**9` is no size.
"""

import ast
import re
from functools import lru_cache

from hermesc.frontend.pt2.archive import RefusedPart

SYMBOL = re.compile(r"(s|u|zf|zuf)(\d{1,5})", re.ASCII)
_MOST_CHARACTERS = 4000
_MOST_IN_ALL = 60_000  # characters of all different ones
_MOST_TERMS = 64
_MOST_PAIRWISE = 8  # arguments of Max and the like
_MOST_BITS = 512  # of any value, with every symbol at its largest
_SYMBOL_BITS = 63
_BIGGEST_POWER = 16

_FUNCTIONS = {
    "Add", "Mul", "Pow", "Max", "Min", "FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod",
    "CleanDiv", "CeilDiv", "CeilToInt", "FloorToInt", "TruncToInt", "TruncToFloat", "RoundToInt",
    "RoundDecimal", "IntTrueDiv", "FloatTrueDiv", "ToFloat", "PowByNatural", "FloatPow", "Identity",
    "And", "Or", "Not", "Equality", "Unequality", "LessThan", "GreaterThan", "StrictLessThan",
    "StrictGreaterThan", "Eq", "Ne",
}  # fmt: skip
_PAIRWISE = ("Max", "Min", "And", "Or")
_POWERS = ("Pow", "PowByNatural", "FloatPow")
_PRODUCTS = ("Mul", "LShift")
_NUMBERS = ("Integer", "Float", "Rational")
_ASSUMPTIONS = {
    "positive", "nonnegative", "negative", "nonpositive", "nonzero", "integer", "real", "finite",
}  # fmt: skip
_CONSTANTS = ("true", "false", "oo", "int_oo")


def read_size(text: object) -> str:
    """The expression, written anew.

    Raises: RefusedPart for anything that is no bounded expression of sizes.
    """
    if not isinstance(text, str) or len(text) > _MOST_CHARACTERS:
        raise _refused(text)
    return _rewritten(text)


def check_amount(program: object) -> None:
    """The sizes in a program's JSON are few enough; torch takes milliseconds for each new one.

    Raises: RefusedPart.
    """
    seen: set[str] = set()
    stack = [program]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            text = item.get("expr_str")
            seen.update([text] if isinstance(text, str) else [])
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    if sum(map(len, seen)) > _MOST_IN_ALL:
        raise RefusedPart(f"its sizes take more than {_MOST_IN_ALL} characters")


@lru_cache(4096)
def _rewritten(text: str) -> str:
    try:
        tree = ast.parse(text, mode="eval").body
        _check_terms(tree, text)
        written, _ = _term(tree, text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise error if isinstance(error, RefusedPart) else _refused(text) from None
    return written


def _check_terms(tree: ast.expr, text: str) -> None:
    """Few calls, and few of those that sympy compares pairwise, in time beyond any bound."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    pairwise = [call for call in calls if _is_pairwise(call)]
    if len(calls) > _MOST_TERMS or sum(len(call.args) for call in pairwise) > _MOST_PAIRWISE:
        raise _refused(text, "it has too many terms")


def _is_pairwise(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in _PAIRWISE


def _refused(text: object, why: str = "") -> RefusedPart:
    reason = f": {why}" if why else ""
    return RefusedPart(f"the size {str(text)[:60]!r} is no expression of sizes{reason}")


def _term(node: ast.expr, text: str) -> tuple[str, float]:
    """A term as text, and the bits of its largest value."""
    match node:
        case ast.Name(id=name) if name in _CONSTANTS:
            return name, _SYMBOL_BITS
        case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id=name)) if name in _CONSTANTS[2:]:
            return f"-{name}", _SYMBOL_BITS
        case ast.Call(func=ast.Name(id="Symbol")):
            return _symbol(node, text), _SYMBOL_BITS
        case ast.Call(func=ast.Name(id=name)) if name in _NUMBERS:
            return _number(name, node, text), _SYMBOL_BITS
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _function(name, args, text)
    raise _refused(text)


def _function(name: str, args: list[ast.expr], text: str) -> tuple[str, float]:
    terms = [_term(arg, text) for arg in args]
    if not terms:
        raise _refused(text)
    if name in _POWERS:
        if len(terms) != 2:
            raise _refused(text)
        bits = terms[0][1] * _power(args[1], text)
    elif name in _PRODUCTS:
        bits = sum(bits for _, bits in terms)
    else:
        bits = max(bits for _, bits in terms) + len(terms)
    if bits > _MOST_BITS:
        raise _refused(text, f"its value may take more than {_MOST_BITS} bits")
    return f"{name}({', '.join(written for written, _ in terms)})", bits


def _power(node: ast.expr, text: str) -> float:
    """The size of an exponent, which is a small number that the text gives."""
    match node:
        case ast.Call(func=ast.Name(id="Integer"), args=[value]):
            power = abs(_whole(value, text))
        case ast.Call(func=ast.Name(id="Rational"), args=[over, under]):
            power = max(abs(_whole(over, text)), abs(_whole(under, text)))
        case ast.Call(func=ast.Name(id="Float"), args=[ast.Constant(value=str(value)), *_]):
            power = int(abs(_decimal(value, text))) + 1
        case ast.Call(func=ast.Name(id="ToFloat"), args=[value]):
            return _power(value, text)
        case _:
            raise _refused(text, "an exponent must be a number")
    if power > _BIGGEST_POWER:
        raise _refused(text, f"an exponent beyond {_BIGGEST_POWER}")
    return max(power, 1)


def _symbol(node: ast.Call, text: str) -> str:
    match node.args:
        case [ast.Constant(value=str(name))] if SYMBOL.fullmatch(name):
            pass
        case _:
            raise _refused(text)
    written = [f"'{name}'"]
    for keyword in node.keywords:
        value = keyword.value
        known = keyword.arg in _ASSUMPTIONS and isinstance(value, ast.Constant)
        if not known or not isinstance(value, ast.Constant) or not isinstance(value.value, bool):
            raise _refused(text)
        written.append(f"{keyword.arg}={value.value}")
    return f"Symbol({', '.join(written)})"


def _number(kind: str, node: ast.Call, text: str) -> str:
    match kind, node.args, node.keywords:
        case "Integer", [value], []:
            return f"Integer({_whole(value, text)})"
        case "Rational", [over, under], []:
            if _whole(under, text) == 0:
                raise _refused(text, "a division by zero")
            return f"Rational({_whole(over, text)}, {_whole(under, text)})"
        case "Float", [ast.Constant(value=str(value))], _:
            precision = _precision(node.keywords, text)
            return f"Float('{_decimal(value, text)!r}', precision={precision})"
    raise _refused(text)


def _whole(node: ast.expr, text: str) -> int:
    """A literal whole number of 64 bits, perhaps negative."""
    match node:
        case ast.Constant(value=int(value)) if type(value) is int and value < 2**63:
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            if type(value) is int and value <= 2**63:
                return -value
    raise _refused(text, "a number beyond 64 bits")


def _decimal(value: str, text: str) -> float:
    if len(value) > 40 or not re.fullmatch(r"-?[0-9.]+(e[-+]?\d{1,3})?", value, re.ASCII):
        raise _refused(text)
    return float(value)


def _precision(keywords: list[ast.keyword], text: str) -> int:
    match keywords:
        case []:
            return 53
        case [ast.keyword(arg="precision", value=value)] if 0 < _whole(value, text) <= 64:
            return _whole(value, text)
    raise _refused(text)
