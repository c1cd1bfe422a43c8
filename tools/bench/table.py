"""The recorded figures of several processors beside each other.

    python tools/bench/table.py [RECORD.json ...]

Records are what the benchmarks write with `--record`; those of tools/bench/records, if none are
given. Ratios to plain torch on the same processor, one thread.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).with_name("records")
WAYS = ("quiet", "published", "model", "torch")
MACHINE = ("processor", "limited", "torch_instructions", "kernel", "python", "torch", "hermesc")


def main(paths: Iterable[Path]) -> None:
    """The processors, then a table a benchmark."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    machines = list(dict.fromkeys(_machine(record["machine"]) for record in records))
    for number, machine in enumerate(machines, 1):
        print(f"({number}) {machine}")
    for name, rows in _benchmarks(records).items():
        print()
        print(name)
        head = " ".join(f"{f'({n + 1})':>7}" for n in range(len(machines)))
        print(f"{'':<44} {head}")
        for line, values in rows.items():
            shown = (f"{values[m]:>7.2f}" if m in values else f"{'-':>7}" for m in machines)
            print(f"{line:<44} {' '.join(shown)}")


def _benchmarks(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Ratios by benchmark, line and machine."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for record in records:
        lines = found.setdefault(record["benchmark"], {})
        for row in record["rows"]:
            for line, value in _ratios(record["benchmark"], row):
                lines.setdefault(line, {})[_machine(record["machine"])] = value
    return found


def _ratios(benchmark: str, row: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    if benchmark == "models":
        yield row["model"], row["chip"]
    elif benchmark == "mvm":
        name = f"{row['size']} x {row['size']}, {row['inputs']}, {row['batch']} rows"
        yield from ((f"{name}: {way}", row[way]) for way in WAYS if way in row)


def _machine(machine: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {machine[name]}" for name in MACHINE if machine.get(name))


if __name__ == "__main__":
    main([Path(p) for p in sys.argv[1:]] or sorted(RECORDS.glob("*.json")))
