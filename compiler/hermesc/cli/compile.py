"""hermesc compile."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermesc.cli.options import FILE, json_option, print_json, set_option, split_settings
from hermesc.errors import OptionError

if TYPE_CHECKING:
    from hermesc.placing.published import Layers
    from hermesc.target.spec import ChipSpec
    from hermesrt.program import Program


@click.command("compile")
@click.argument("model")
@click.option("-o", "--output", type=FILE, help="The program. [MODEL's name with .hermes]")
@click.option("--chip", "chip_name", default="hermes", help="Name, or a TOML file. [hermes]")
@click.option(
    "--calibration", type=FILE, help="Real inputs (.npz) that set the converters' ranges."
)
@click.option(
    "--mapping", type=FILE, help="Places layers as this file says (inspect --export hermes-json)."
)
@set_option
@click.option("--dump", type=FILE, help="Write each stage as text to this folder.")
@json_option
def compile_command(
    model: str,
    output: Path | None,
    chip_name: str,
    calibration: Path | None,
    mapping: Path | None,
    settings: tuple[str, ...],
    dump: Path | None,
    as_json: bool,
) -> None:
    """Compile MODEL (model.py, or model.py:name) to a program."""
    from hermesc.files import check_writable
    from hermesc.target.load import load_chip

    chip_settings, pass_settings = split_settings(settings)
    chip = load_chip(chip_name, chip_settings)
    file = Path(model.rpartition(":")[0] or model)
    output = output or Path(file.stem + ".hermes")
    check_writable(output, model=file, calibration=calibration, mapping=mapping)

    from hermesc.artifact.io import save
    from hermesc.frontend.load import load_model_file
    from hermesc.pipeline import Source, compile_model, parse_options
    from hermesrt.program import Program
    from hermesrt.report.placement import placement_json
    from hermesrt.report.terminal import account_table, compile_summary

    options = parse_options(pass_settings)
    source_file = load_model_file(model)
    stages: list[tuple[str, float]] = []

    def observe(name: str, stage: object, seconds: float) -> None:
        stages.append((name, seconds))
        if dump is not None:
            _dump(dump, len(stages), name, stage)

    source = Source(
        model=source_file.model,
        example_inputs=source_file.example_inputs,
        calibration=_calibration(calibration) or source_file.calibration_inputs,
        labels=source_file.labels,
        dynamic_shapes=source_file.dynamic_shapes,
        name=source_file.path.stem,
        folder=source_file.path.parent,
    )
    layers = _mapping(mapping, chip, options.place.chips)
    artifact = compile_model(source, chip, options, observe, layers)
    program = Program(artifact, save(artifact, output))
    work = program.workload()
    if not as_json:
        click.echo(compile_summary(artifact, work, str(output)))
        click.echo(account_table(artifact))
        return
    print_json(
        {
            "output": str(output),
            "chip": chip.name,
            "cores_used": len(artifact.cores),
            "tiles": artifact.tiles,
            "utilisation": artifact.utilisation,
            "placement": placement_json(artifact, work),
            "analog_ops": artifact.count("analog"),
            "ldpu_ops": artifact.count("ldpu"),
            "digital_ops": artifact.count("digital"),
            "free_ops": artifact.count("free"),
            "analog_mac_share": work.analog_mac_share,
            "refusals": _refusals(program),
            "stages": [{"name": name, "seconds": seconds} for name, seconds in stages],
            "ranges": [
                {
                    "label": artifact.matrices[step.matrix].label,
                    "input_max": step.input_max,
                    "clipped_share": step.clipped_share,
                }
                for step in artifact.mvms
            ],
            "notes": list(artifact.manifest.notes),
            "sha256": program.sha256,
        }
    )


def _mapping(path: Path | None, chip: "ChipSpec", chips: int) -> "Layers":
    if path is None:
        return {}
    from hermesc.files import read_file
    from hermesc.placing.published import from_text

    text = read_file(path, "mapping").decode("utf-8", errors="replace")
    return from_text(text, str(path), chip, chips)


def _calibration(path: Path | None) -> Any:
    if path is None:
        return None
    import torch

    from hermesrt.data import read_arrays

    arrays = {name: torch.from_numpy(a) for name, a in read_arrays(path).items()}
    arrays.pop("labels", None)
    return arrays


def _refusals(program: "Program") -> list[dict[str, str]]:
    return [
        {"op": a.op, "location": str(a.location), "reason": a.reason}
        for a in program.artifact.manifest.account
        if a.unit == "digital"
    ]


def _dump(folder: Path, number: int, name: str, stage: object) -> None:
    """One stage as text."""
    import pprint

    from hermesc.files import write_atomically
    from hermesc.ir.graph import Graph
    from hermesc.ir.stages import Partitioned
    from hermesc.ir.text import graph_text

    first = stage[0] if isinstance(stage, tuple) else stage
    graph = first.graph if isinstance(first, Partitioned) else first
    text = graph_text(graph) if isinstance(graph, Graph) else pprint.pformat(graph, width=100)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--dump {folder}: {error.strerror}; name another folder") from None
    write_atomically(folder / f"{number:02}-{name}.txt", text.encode())
