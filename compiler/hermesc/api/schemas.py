"""JSON Schemas of the files that people write and programs read, for editors."""

from pathlib import Path
from typing import Any, Literal, get_args

from hermesc.api.sweep_schema import sweep_schema
from hermesrt.chip.defect_files import DefectFile
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import OptionError
from hermesrt.facts.report_schema import report_schema
from hermesrt.files.atomic import check_writable, write_atomically
from hermesrt.files.json_schema import DIALECT, schema_of
from hermesrt.nearest import did_you_mean

Schema = dict[str, Any]
SchemaName = Literal["chip", "defects", "report", "sweep"]
SCHEMAS: tuple[SchemaName, ...] = get_args(SchemaName)
_PEDIGREE = "pedigree"
_TITLES = {
    "chip": "A chip of hermesc: a TOML file",
    "defects": "What is broken on a chip: a TOML file",
    "report": "What hermesc run and hermesc cost print with --json",
    "sweep": "The points of hermesc sweep: a TOML file",
}


def schema(name: SchemaName, output: str | Path | None = None) -> Schema:
    """The JSON Schema of a chip's file, a map of defects, a report or the points of a sweep;
    written to `output` too.

    Raises: OptionError for another name.
    """
    if name not in SCHEMAS:
        raise OptionError(
            f"schema {name!r}: there is none{did_you_mean(name, SCHEMAS)}; there are "
            f"{', '.join(SCHEMAS)}"
        )
    made = {
        "chip": _chip,
        "defects": lambda: schema_of(DefectFile),
        "report": report_schema,
        "sweep": sweep_schema,
    }
    found = {"$schema": DIALECT, "title": _TITLES[name], **made[name]()}
    if output is not None:
        import json

        check_writable(Path(output))
        write_atomically(Path(output), (json.dumps(found, indent=2) + "\n").encode())
    return found


def _chip() -> Schema:
    """Whole, or what differs from another chip."""
    found = schema_of(ChipSpec, _PEDIGREE)
    whole = found.pop("required")
    for table in found["properties"].values():
        if table.get("type") == "object":  # a file on a base may name another table of it
            table["type"] = ["object", "string"]
    found["properties"]["base"] = {
        "type": "string",
        "description": "The installed chip whose tables hold where this file has none.",
    }
    return found | {"anyOf": [{"required": ["base"]}, {"required": whole}]}
