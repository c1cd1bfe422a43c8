"""The JSON Schema of what `run --json` and `cost --json` print."""

from typing import Any

from hermesrt.cost import CAUSES

Schema = dict[str, Any]
_NUMBER: Schema = {"type": ["number", "null"]}  # null where it is not finite
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TEXT: Schema = {"type": "string"}


def report_schema() -> Schema:
    """One run, several chips, or costs alone; times in ns, energies in nJ, of one sample."""
    return {
        "type": "object",
        "properties": {**_HOW, **_RESULTS, **_SEVERAL, **_COSTS, **_BESIDE},
        "required": ["chip", "mode", *_COSTS],
        "additionalProperties": False,
    }


def _table(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _by_cause() -> Schema:
    causes = {cause: {"type": "number"} for cause in CAUSES}
    return {"type": "object", "properties": causes, "additionalProperties": False}


_SHARE: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_SPREAD = {
    "mean": _NUMBER, "deviation": _NUMBER, "interval": _list(_NUMBER),
    "mean_interval": _list(_NUMBER), "worst": _NUMBER, "worst_seed": _COUNT,
}  # fmt: skip
_HOW: Schema = {
    "chip": _TEXT,
    "method": {"enum": ["published", "gdp", "verify", "oneshot", "ideal"]},
    "seed": _COUNT,
    "age_s": {"type": "number", "minimum": 0},
    "mode": {"enum": ["1-phase", "4-phase", "mixed"]},
    "ideal": {"type": "boolean"},
    "samples": _COUNT,
}
_RESULTS: Schema = {
    "outputs": {
        "type": "object",
        "additionalProperties": _table(
            shape=_list(_COUNT),
            relative_error=_NUMBER,
            nonfinite_rows=_COUNT,
            nonfinite_reference_rows=_COUNT,
        ),
    },
    "accuracy": _SHARE,
    "reference_accuracy": _SHARE,
}
_SEVERAL: Schema = {
    "draws": _COUNT,
    "seeds": _list(_COUNT),
    "ages": _list(
        _table(
            age_s={"type": "number", "minimum": 0},
            accuracy={
                "anyOf": [{"type": "null"}, _table(**_SPREAD, test_set_interval=_list(_NUMBER))]
            },
            outputs={
                "type": "object",
                "additionalProperties": _table(relative_error=_table(**_SPREAD)),
            },
            layers={
                "type": "object",
                "additionalProperties": _table(relative_error=_table(**_SPREAD)),
            },
        )
    ),
    "rows": _list({"type": "object"}),
    "assumed_range": _table(latency_ns=_list(_NUMBER), energy_nj=_list(_NUMBER)),
}
_COSTS: Schema = {
    "latency_ns": {"type": "number", "minimum": 0},
    "interval_ns": {"type": "number", "minimum": 0},
    "energy_nj": {"type": "number", "minimum": 0},
    "latency_by": _by_cause(),
    "energy_by": _by_cause(),
    "mvms_alone": _table(
        operations=_NUMBER, time_ns=_NUMBER, energy_nj=_NUMBER, tops=_NUMBER, tops_per_watt=_NUMBER
    ),
    "bounds": {
        "type": "object",
        "additionalProperties": _table(
            latency_ns=_NUMBER,
            interval_ns=_NUMBER,
            energy_nj=_NUMBER,
            assumed_share=_table(latency=_NUMBER, energy=_NUMBER),
        ),
    },
    "assumed_share": _table(latency={"type": "number"}, energy={"type": "number"}),
    "extrapolated": {"type": ["string", "null"]},
    "cores_used": _COUNT,
    "chips_used": _COUNT,
    "cut": {"type": ["object", "null"]},
    "utilisation": {"type": "number"},
    "mvms": _COUNT,
    "line_buffer_values": _COUNT,
    "layers": _list(
        _table(
            label=_TEXT,
            analog={"type": "boolean"},
            vectors=_COUNT,
            mvms=_COUNT,
            latency_ns={"type": "number"},
            energy_nj={"type": "number"},
            line_buffer_values=_COUNT,
        )
    ),
}
_BESIDE: Schema = {"compare": _list({"type": "object"}), "sensitivity": _list({"type": "object"})}
