"""The JSON Schema of a sweep's file: what `hermesc sweep --grid` reads."""

from typing import Any

_VALUE = {"type": ["string", "number", "boolean"]}
_NESTED = {"type": "object", "description": "More names: a key with dots that is not quoted."}
_RANGE = {
    "type": "object",
    "properties": {
        "low": {"type": "number"},
        "high": {"type": "number"},
        "log": {"type": "boolean", "description": "Drawn evenly in the logarithm; above 0."},
    },
    "required": ["low", "high"],
    "additionalProperties": False,
    "description": "For random draws.",
}
_WHOLE = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}


def sweep_schema() -> dict[str, Any]:
    """A grid, a list or random draws. Names of what varies are those of --set, and chip, method,
    mode, age and seed."""
    values = {"type": "object", "additionalProperties": {"anyOf": [_VALUE, _NESTED]}}
    choices = {"type": "array", "items": _VALUE, "minItems": 1}
    return {
        "type": "object",
        "properties": {
            "kind": {
                "enum": ["grid", "list", "random"],
                "description": "Every combination, the points of [[point]], or random draws.",
            },
            "points": {**_WHOLE, "description": "How many random draws. [100]"},
            "seed": {**_WHOLE, "description": "Of the draws. [0]"},
            "vary": {
                "type": "object",
                "additionalProperties": {"anyOf": [choices, _RANGE, _NESTED]},
                "description": "Values or a range for each name.",
            },
            "fixed": {**values, "description": "The same at every point."},
            "point": {
                "type": "array",
                "items": values,
                "description": "The points of a list.",
            },
        },
        "additionalProperties": False,
        "anyOf": [{"required": ["vary"]}, {"required": ["point"]}],
    }
