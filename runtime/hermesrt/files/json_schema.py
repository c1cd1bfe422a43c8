"""A JSON Schema of the files that `typed` reads, for editors that complete and check.

It says what the reader says: keys, types, ranges and choices, with the docstrings' words.
"""

import dataclasses
import inspect
import math
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_FIELD = re.compile(r"^(\w+(?:, \w+)*): (.*)$")


def schema_of(cls: type[Any], flattened: str = "") -> Schema:
    """The schema of a dataclass; the fields of its field `flattened` stand among its own."""
    hints, told = get_type_hints(cls), _told(cls)
    properties: Schema = {}
    required = []
    for field in _stored(cls):
        hint = hints[field.name]
        if field.name == flattened:
            inner = schema_of(hint)
            properties |= inner["properties"]
            required += inner["required"]
            continue
        name = str(field.metadata.get("key", field.name))
        described = {"description": told[field.name]} if field.name in told else {}
        properties[name] = described | _value(hint, field.metadata, flattened)
        if field.default is dataclasses.MISSING:
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _stored(cls: type[Any]) -> "list[dataclasses.Field[Any]]":
    return [f for f in dataclasses.fields(cls) if f.metadata.get("in_file", True)]


def _value(hint: Any, metadata: Mapping[str, Any], flattened: str) -> Schema:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        plain = [a for a in args if a is not types.NoneType]
        found = [_tagged(a, flattened) or _value(a, metadata, flattened) for a in plain]
        return found[0] if len(found) == 1 else {"anyOf": found}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return {"type": "array", "items": _value(args[0], metadata, flattened)}
    if origin is tuple:
        items = [_value(a, metadata, flattened) for a in args]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "items": False}
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        own = {f.name for f in dataclasses.fields(hint)}
        found_one = schema_of(hint, flattened if flattened in own else "")
        if hasattr(hint, "tag"):  # alone it may say what it is, and need not
            found_one["properties"]["type"] = {"const": hint.tag}
        return found_one
    return _scalar(hint, metadata)


def _tagged(hint: Any, flattened: str) -> Schema | None:
    """One of several classes, told by its `type`."""
    if not hasattr(hint, "tag"):
        return None
    found = _value(hint, {}, flattened)
    found["required"] = ["type", *found["required"]]
    return found


def _scalar(hint: Any, metadata: Mapping[str, Any]) -> Schema:
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number"}
    if hint not in kinds:
        return {}
    found: Schema = {"type": kinds[hint]}
    if "choices" in metadata:
        return {"enum": list(metadata["choices"])}
    low, high = metadata.get("low", -math.inf), metadata.get("high", math.inf)
    if hint in (int, float) and math.isfinite(low):
        found["minimum"] = low
    if hint in (int, float) and math.isfinite(high):
        found["maximum"] = high
    return found


def _told(cls: type[Any]) -> dict[str, str]:
    """What the docstring says of each field."""
    found: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(cls) or "").splitlines():
        match = _FIELD.match(line)
        if match:
            name = match[1]
            found[name] = match[2]
        elif name and line.startswith("    "):
            found[name] += " " + line.strip()
        else:
            name = ""
    return found
