"""Read a chip: a name that is installed, a TOML file, or a folder of TOML files.

A file may start from another chip with `base = "hermes"` and give only the tables that differ, each
whole and with its own `kind` and `source`, or by the name of a table of the base that it takes.
Everything is checked: an unknown, missing or out-of-range key is a ChipError that names file and
key.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hermesrt.chip.scaling import follow_laws
from hermesrt.chip.spec import ChipSpec
from hermesrt.chip.tables.devices import Curve
from hermesrt.chip.tables.statistics import STATISTICS, STATISTICS_GROUP
from hermesrt.errors import ChipError, OptionError
from hermesrt.files.toml import parse_toml
from hermesrt.files.typed import decode, encode
from hermesrt.nearest import did_you_mean

_GROUP = "hermesc.chips"
_HEADER = ("name", "description", "hypothetical")
_PCM = ("pcm_odp", "pcm_tdp", "pcm_like", "pcm_count")
_BY_SET = "set by --set"
_SWITCH = {"on": "true", "off": "false"}
_PEDIGREE = ("kind", "source", "note")
Table = dict[str, Any]
Settings = Sequence[tuple[str, str]]  # such as ("effects.read_noise", "off")
GivenSettings = Settings | Mapping[str, Any]  # {"effects.read_noise": "off"} too


def chip_names() -> tuple[str, ...]:
    """Names of the installed chips."""
    return tuple(sorted(_installed()))


@cache
def _installed() -> Mapping[str, Any]:  # entry points, of whichever package finds them
    """What is installed is looked up once: it means a file of every package there is."""
    return {point.name: point for point in _entry_points(_GROUP)}


def _entry_points(group: str) -> Any:
    """Those of a group; what finds them takes longer to import than a chip to read."""
    from importlib.metadata import entry_points

    return entry_points(group=group)


def load_chip(name_or_path: str, overrides: Settings = ()) -> ChipSpec:
    """The chip of that name or path, with overrides such as ("adc.saturation_ampere", "5e-5").

    Raises: ChipError, OptionError.
    """
    return chip_from_tables(override(_read(name_or_path), overrides), name_or_path)


def settings_of(given: GivenSettings) -> Settings:
    """Pairs as --set has them, from a mapping: {"adc.counter_bits": 6}; `chip.` may stand before.

    Raises: OptionError for anything else.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else list(given)
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        raise OptionError(
            f"chip_settings is {given!r:.80}; give a mapping such as "
            '{"adc.counter_bits": 6}, or pairs such as ("adc.counter_bits", "6")'
        )
    return [(str(key).removeprefix("chip."), word(value)) for key, value in pairs]


def word(value: Any) -> str:
    """A value as --set takes it."""
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def chip_from_tables(tables: object, origin: str) -> ChipSpec:
    """Check the tables of a chip and build it; the same ones are checked once.

    Raises: ChipError that names `origin` and the dotted key.
    """
    try:
        text = json.dumps(tables)
    except (TypeError, ValueError, RecursionError):  # a date of a TOML file, say: refused below
        return _checked(tables, origin)
    return _chip_of_text(text, origin)


@lru_cache(maxsize=16)
def _chip_of_text(text: str, origin: str) -> ChipSpec:
    return _checked(json.loads(text), origin)


def _checked(tables: object, origin: str) -> ChipSpec:
    where = f"chip {origin}"
    if not isinstance(tables, Mapping):
        raise ChipError(f"{where}: must be tables, not {tables!r}")
    data = {
        key: gather_pedigree(value, where, key) if isinstance(value, Mapping) else value
        for key, value in tables.items()
    }
    chip = decode(ChipSpec, data, where, ChipError)
    _check_statistics(chip.statistics.model, where)
    for name in _PCM:
        for curve in ("drift_mean", "drift_spread", "read_noise"):
            c = getattr(getattr(chip, name), curve)
            if isinstance(c, Curve) and c.low > c.high:
                raise ChipError(f"{where}: `{name}.{curve}.low` is above `high`")
    pulses = chip.programming_pulses
    if pulses.pulse_low_ampere >= pulses.pulse_high_ampere:
        key = "programming_pulses.pulse_low_ampere"
        raise ChipError(f"{where}: `{key}` must be below `pulse_high_ampere`")
    reads = chip.read_statistics
    if (reads.read_noise, reads.drawn) == ("split", "once"):
        raise ChipError(
            f"{where}: `read_statistics.drawn` is once, which a split read noise does not have: "
            "its slow part is drawn once and its fast part for each MVM; use read_noise = added or "
            "within"
        )
    for name in _PCM:
        table = getattr(chip, name)
        if table.read_seconds >= table.t0_seconds:
            raise ChipError(f"{where}: `{name}.read_seconds` must be below `t0_seconds`")
    return follow_laws(chip, where)


def _check_statistics(model: str, where: str) -> None:
    if model in STATISTICS:
        return
    known = (*STATISTICS, *sorted(point.name for point in _entry_points(STATISTICS_GROUP)))
    if model not in known:
        raise ChipError(
            f"{where}: `statistics.model` is {model!r:.60}; it must be one of {', '.join(known)}"
        )


def chip_tables(chip: ChipSpec) -> Table:
    """The inverse of `chip_from_tables`: plain data, as it stands in the TOML."""
    tables: Table = json.loads(_text_of_chip(chip))
    return tables


@lru_cache(maxsize=16)
def _text_of_chip(chip: ChipSpec) -> str:
    """Worked out once, for every program of a chip holds it."""
    given = {f.name: getattr(chip, f.name) for f in dataclasses.fields(chip)} | dict(chip.nominal)
    tables: Table = {name: given.pop(name) for name in _HEADER}
    for name, value in given.items():
        if name == "nominal" or not value:
            continue
        table = encode(value)
        tables[name] = table if name == "laws" else table.pop("pedigree") | table
    return json.dumps(tables)


def _read(name_or_path: str) -> Table:
    installed = _installed()
    given = name_or_path in installed
    path: Path = installed[name_or_path].load()() if given else Path(name_or_path)
    if path.is_dir():
        return _read_folder(path)
    if path.suffix == ".toml":
        return _read_file(path)
    raise ChipError(
        f"there is no chip {name_or_path!r}: use one of {', '.join(sorted(installed))}, or the "
        "path of a .toml file or of a folder of them; `hermesc chips` lists what is installed"
    )


def _read_folder(folder: Path) -> Table:
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise ChipError(f"chip {folder}: the folder holds no .toml file")
    tables: Table = {}
    for file in files:
        for key, value in _parse(file).items():
            if key in tables:
                raise ChipError(f"chip {file}: `{key}` is given twice, in another file too")
            tables[key] = value
    return tables


def _read_file(path: Path) -> Table:
    tables = _parse(path)
    base = tables.pop("base", None)
    if base is None:
        return tables
    if base not in chip_names():
        raise ChipError(
            f"chip {path}: `base` is {base!r}; it must be one of {', '.join(chip_names())}"
        )
    known = _read(base)
    return _with_laws(known, {key: _taken(known, value) for key, value in tables.items()})


def _taken(known: Table, value: Any) -> Any:
    """A table, or that of the base which is named instead."""
    named = known.get(value) if isinstance(value, str) else None
    return named if isinstance(named, dict) else value


def _with_laws(base: Table, own: Table) -> Table:
    """Own tables beside those of the base; laws of the base hold for its own tables alone."""
    laws, more = base.get("laws", []), own.get("laws", [])
    if not all(isinstance(found, list) for found in (laws, more)):
        return base | own  # the check of all keys says what is wrong
    kept = [law for law in laws if str(dict(law).get("scales")).partition(".")[0] not in own]
    return base | own | {"laws": [*kept, *more]}


def _parse(path: Path) -> Table:
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChipError(f"cannot read the chip {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ChipError(f"chip {path}: not valid TOML: {error}") from None


def override(tables: Mapping[str, Any], settings: Settings) -> Table:
    """The tables with some numbers replaced, and these tables marked as assumed.

    Raises: OptionError for a key that the chip does not have.
    """
    changed = dict(tables)
    for key, text in settings:
        _override(changed, key, text)
    return changed


def _override(tables: Table, key: str, text: str) -> None:
    name, _, field = key.partition(".")
    table = tables.get(name)
    if not isinstance(table, dict) or field not in table or field in _PEDIGREE:
        known = [f"{t}.{f}" for t, v in tables.items() if isinstance(v, dict) for f in v]
        known = [k for k in known if not k.endswith((".kind", ".source", ".note"))]
        raise OptionError(
            f"--set chip.{key}: the chip has no such key{did_you_mean(key, known)}; it has "
            f"{', '.join(sorted(known))}"
        )
    old = table[field]
    if isinstance(old, dict):
        raise OptionError(f"--set chip.{key}: a whole table; put it in a TOML file with base = ...")
    try:
        value = text if isinstance(old, str) else _one_value(_SWITCH.get(text, text))
    except ValueError as error:
        limit = f" ({error})" if type(error) is ValueError else ""  # and no error of the syntax
        such = "on or off" if isinstance(old, bool) else f"a value such as {old!r}"
        raise OptionError(f"--set chip.{key}={text[:100]}: write {such}{limit}") from None
    note = f"chip.{key} was {old!r}"
    if table["source"] == _BY_SET:
        note = f"{table['note']}; {note}"
    tables[name] = table | {field: value, "kind": "assumed", "source": _BY_SET, "note": note}


def changed(chip: ChipSpec, settings: Sequence[tuple[str, str]]) -> ChipSpec:
    """The chip with some numbers replaced, as --set chip.KEY=VALUE replaces them.

    Raises: OptionError, ChipError.
    """
    return chip_from_tables(override(chip_tables(chip), settings), f"chip {chip.name}")


def _one_value(text: str) -> Any:
    """A TOML value. Raises ValueError for anything else, or more."""
    found = parse_toml(f"value = {text}")
    if set(found) != {"value"}:
        raise ValueError("more than one value")
    return found["value"]


def gather_pedigree(table: Mapping[str, Any], where: str, name: str) -> Table:
    """The TOML writes kind, source and note among the numbers; the class holds them apart."""
    for key in ("kind", "source"):
        if not isinstance(table.get(key), str) or not table[key]:
            raise ChipError(f"{where}: `{name}.{key}` is missing: say where the numbers come from")
    if "pedigree" in table:
        raise ChipError(
            f"{where}: `{name}.pedigree` is not a known key: write kind, source and note"
        )
    pedigree = {key: table[key] for key in _PEDIGREE if key in table}
    return {k: v for k, v in table.items() if k not in _PEDIGREE} | {"pedigree": pedigree}
