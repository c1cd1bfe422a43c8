"""Plain data (from TOML or JSON) to frozen dataclasses and back, checking every key and value.

One rule for all files: unknown, missing and ill-typed keys are refused with their dotted name, so
that a damaged or hostile file never becomes a half-valid object. A field's metadata may hold `low`
and `high`, or `choices`, and the `key` that the file has for it where that is not its name; a field
that is worked out from others has `in_file` false there.
"""

import dataclasses
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from hermesrt.errors import InputError, OptionError
from hermesrt.nearest import did_you_mean

T = TypeVar("T")


def decode(cls: type[T], data: Any, where: str, error: type[InputError]) -> T:
    """Build the dataclass `cls`; `where` names the file in messages.

    Raises: `error`, naming the dotted key, what was found and what is allowed.
    """
    return _Decoder(where, error).build(cls, data, "")  # type: ignore[no-any-return]


def encode(value: Any) -> Any:
    """Plain data of a dataclass: dicts, lists and scalars; unions carry their class as `type`."""
    if dataclasses.is_dataclass(value):
        fields = {_key(f): encode(getattr(value, f.name)) for f in _stored(value)}
        return fields if not hasattr(value, "tag") else {"type": value.tag} | fields
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def parse_groups(cls: type[T], settings: Sequence[tuple[str, str]]) -> T:
    """The dataclass `cls`, whose fields are groups of options, from pairs such as ("group.option",
    "value"); what is not given keeps its default. A field's metadata may hold the `group` under
    which users know its options, where that is not its name, and `by_key` false where its options
    have no fixed names.

    Raises: OptionError for an unknown name or value.
    """
    own = [f for f in dataclasses.fields(cls) if f.metadata.get("by_key", True)]  # type: ignore[arg-type]
    hints = get_type_hints(cls)
    groups = {f.name: hints[f.name] for f in own}
    names = {f.name: f.metadata.get("group", f.name) for f in own}
    known = {
        f"{names[g]}.{f.name}": (g, f) for g, t in groups.items() for f in dataclasses.fields(t)
    }
    chosen: dict[str, dict[str, Any]] = {group: {} for group in groups}
    for key, text in settings:
        if key not in known:
            raise OptionError(
                f"--set {key}: there is no such option{did_you_mean(key, known)}; there are "
                f"{', '.join(sorted(known))}, and chip.TABLE.KEY for the chip's numbers"
            )
        group, option = known[key]
        hint = get_type_hints(groups[group])[option.name]
        chosen[group][option.name] = parsed(key, text, hint, option.metadata)
    return cls(**{group: groups[group](**values) for group, values in chosen.items()})


def parsed(key: str, text: str, hint: Any, metadata: Mapping[str, Any]) -> Any:
    """The value of the option `key` of the type `hint`.

    Raises: OptionError for one that is not allowed.
    """
    if get_origin(hint) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if hint in (int, float):
        low, high = metadata["low"], metadata["high"]
        try:
            value = hint(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            kind = "a whole number" if hint is int else "a number"
            raise OptionError(f"--set {key}={text}: must be {kind} from {low:g} to {high:g}")
        return value
    choices = get_args(hint)
    if text not in choices:
        raise OptionError(f"--set {key}={text}: must be one of {', '.join(map(str, choices))}")
    return text


class _Decoder:
    def __init__(self, where: str, error: type[InputError]) -> None:
        self._where = where
        self._error = error
        self._hints: dict[type[Any], dict[str, Any]] = {}

    def build(self, cls: type[Any], data: Any, key: str) -> Any:
        if not isinstance(data, Mapping):
            raise self._fail(key, f"must be a table, not {_short(data)}")
        fields = {_key(f): f for f in _stored(cls)}
        for name in data:
            if name not in fields:
                known = f"{did_you_mean(name, fields)}; known are {', '.join(sorted(fields))}"
                raise self._fail(_join(key, name), f"is not a known key{known}")
        values = {}
        if cls not in self._hints:
            self._hints[cls] = get_type_hints(cls)
        for name, field in fields.items():
            place = _join(key, name)
            if name not in data:
                if field.default is not dataclasses.MISSING:
                    continue
                raise self._fail(place, "is missing")
            hint = self._hints[cls][field.name]
            values[field.name] = self.value(hint, data[name], place, field.metadata)
        return cls(**values)

    def value(self, hint: Any, data: Any, key: str, metadata: Mapping[str, Any]) -> Any:
        origin, args = get_origin(hint), get_args(hint)
        if origin in (types.UnionType, Union):
            return self._union(args, data, key, metadata)
        if origin is Literal:
            if data not in args or isinstance(data, bool):
                raise self._fail(key, f"is {_short(data)}; it must be one of {_words(args)}")
            return data
        if origin is tuple:
            return self._tuple(args, data, key, metadata)
        if dataclasses.is_dataclass(hint):
            if isinstance(data, Mapping) and data.get("type") == getattr(hint, "tag", ""):
                data = {k: v for k, v in data.items() if k != "type"}
            return self.build(hint, data, key)  # type: ignore[arg-type]
        return self._scalar(hint, data, key, metadata)

    def _union(
        self, args: tuple[Any, ...], data: Any, key: str, metadata: Mapping[str, Any]
    ) -> Any:
        if data is None and types.NoneType in args:
            return None
        tagged = {a.tag: a for a in args if hasattr(a, "tag")}
        if tagged:
            tag = data.get("type") if isinstance(data, Mapping) else None
            if not isinstance(tag, str) or tag not in tagged:
                raise self._fail(_join(key, "type"), f"must be one of {_words(tagged)}")
            rest = {k: v for k, v in data.items() if k != "type"}
            return self.build(tagged[tag], rest, key)
        plain = [a for a in args if a is not types.NoneType]
        same = [a for a in plain if a in (int, str, float) and type(data) is a]
        return self.value(same[0] if same else plain[0], data, key, metadata)

    def _tuple(
        self, args: tuple[Any, ...], data: Any, key: str, metadata: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        if not isinstance(data, Sequence) or isinstance(data, str):
            raise self._fail(key, f"must be a list, not {_short(data)}")
        if len(args) == 2 and args[1] is Ellipsis:
            hints = (args[0],) * len(data)
        elif len(args) == len(data):
            hints = args
        else:
            raise self._fail(key, f"must hold {len(args)} values, not {len(data)}")
        pairs = enumerate(zip(hints, data, strict=True))
        return tuple(self.value(h, d, f"{key}[{i}]", metadata) for i, (h, d) in pairs)

    def _scalar(self, hint: Any, data: Any, key: str, metadata: Mapping[str, Any]) -> Any:
        if hint is str or hint is bool:
            if not isinstance(data, hint):
                raise self._fail(key, f"must be a {hint.__name__}, not {_short(data)}")
            choices = metadata.get("choices")
            if choices and data not in choices:
                raise self._fail(key, f"is {_short(data)}; it must be one of {_words(choices)}")
            return data
        if hint is not int and hint is not float:
            return data  # decoded by its owner, such as an ATen argument
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise self._fail(key, f"must be a number, not {_short(data)}")
        if hint is int and not isinstance(data, int):
            raise self._fail(key, f"must be a whole number, not {_short(data)}")
        if isinstance(data, int) and abs(data) >= 2**63:
            raise self._fail(key, "is too large a number")
        low, high = metadata.get("low", -math.inf), metadata.get("high", math.inf)
        if not math.isfinite(data) or not low <= data <= high:
            raise self._fail(key, f"is {data!r}; it must lie between {low:g} and {high:g}")
        return float(data) if hint is float else data

    def _fail(self, key: str, what: str) -> InputError:
        return self._error(f"{self._where}: `{key}` {what}")


def _stored(cls: Any) -> "list[dataclasses.Field[Any]]":
    """The fields that a file has."""
    return [f for f in dataclasses.fields(cls) if f.metadata.get("in_file", True)]


def _key(field: "dataclasses.Field[Any]") -> str:
    """What a field is called in a file."""
    return str(field.metadata.get("key", field.name))


def _join(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def _words(values: Any) -> str:
    return ", ".join(map(str, values))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
