"""hermesc compile."""

from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermesc.cli.options import (
    FILE,
    counting,
    defects_option,
    json_option,
    load_defects,
    print_json,
    set_option,
    split_settings,
)
from hermesrt.errors import InputError, OptionError

if TYPE_CHECKING:
    from torch import Tensor

    from hermesc.app.digital_fallback import DigitalFallback, FallbackOptions
    from hermesc.pipeline import ModelSource, Options, StageObserver
    from hermesrt.artifact.published_mapping import Layers
    from hermesrt.chip.defects import DefectMap
    from hermesrt.chip.spec import ChipSpec
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
@defects_option("What is broken on the chip, to go round it: .toml or .npz; see `defects`.")
@set_option
@click.option("--dump", type=FILE, help="Write each stage as text to this folder.")
@json_option
def compile_command(
    model: str,
    output: Path | None,
    chip_name: str,
    calibration: Path | None,
    mapping: Path | None,
    defect_file: Path | None,
    settings: tuple[str, ...],
    dump: Path | None,
    as_json: bool,
) -> None:
    """Compile MODEL to a program.

    \b
      model.py, model.py:name   Python that sets `model` and `example_inputs`: an nn.Module, a
                                fitted scikit-learn pipeline, or a function that makes one
      model.onnx                as torch.onnx or skl2onnx write it, opset 17 or newer
      model.pt2                 as torch.export.save writes it

    An .onnx file holds no example inputs: give real ones with --calibration, one array for each
    input by its name, or the ranges come from random numbers. A model.py is executed; the other
    files are read as data, and refused where they ask for more.
    """
    from hermesrt.chip.load import load_chip
    from hermesrt.files.atomic import check_writable

    chip_settings, pass_settings = split_settings(settings)
    chip = load_chip(chip_name, chip_settings)
    file = Path(model.rpartition(":")[0] if ".py:" in model else model)
    output = output or Path(file.stem + ".hermes")
    check_writable(
        output, model=file, calibration=calibration, mapping=mapping, defects=defect_file
    )
    defects = load_defects(defect_file, chip)

    from hermesc.app.settings import parse_settings
    from hermesc.frontend.load import load_model
    from hermesc.frontend.request import ModelRequest
    from hermesc.pipeline import compile_model
    from hermesrt.artifact.io import save
    from hermesrt.facts.placement import placement_json
    from hermesrt.program import Program
    from hermesrt.report.text.terminal import account_table, compile_summary

    options, budget = parse_settings(pass_settings)
    data, data_labels = _calibration(calibration)
    request = ModelRequest(model=model, calibration=data, calibration_labels=data_labels)
    source = load_model(model, request)
    stages: list[tuple[str, float]] = []

    def observe(name: str, stage: object, seconds: float) -> None:
        if name == "capture":  # a search compiles more than once: the last program's stages count
            stages.clear()
        stages.append((name, seconds))
        if dump is not None:
            _dump(dump, len(stages), name, stage)

    layers = _mapping(mapping, chip, options.place.chips)
    fallback = None
    if budget.max_accuracy_drop < inf:
        fallback = _within_budget(source, chip, options, budget, observe, layers, defects)
        artifact = fallback.artifact
    else:
        artifact = compile_model(source, chip, options, observe, layers, defects)
    program = Program(artifact, save(artifact, output))
    work = program.workload()
    if not as_json:
        click.echo(compile_summary(artifact, work, str(output)))
        click.echo(account_table(artifact))
        if fallback is not None:
            click.echo(str(fallback))
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
            "defects": [asdict(layer) for layer in artifact.manifest.defects],
            "notes": list(artifact.manifest.notes),
            "sha256": program.sha256,
        }
        | ({} if fallback is None else fallback.to_json())
    )


def _mapping(path: Path | None, chip: "ChipSpec", chips: int) -> "Layers":
    if path is None:
        return {}
    from hermesrt.artifact.published_mapping import from_text
    from hermesrt.files.atomic import read_file

    text = read_file(path, "mapping").decode("utf-8", errors="replace")
    return from_text(text, str(path), chip, chips)


def _within_budget(
    source: "ModelSource",
    chip: "ChipSpec",
    options: "Options",
    budget: "FallbackOptions",
    observe: "StageObserver",
    layers: "Layers",
    defects: "DefectMap | None",
) -> "DigitalFallback":
    """The program within its budget of accuracy, with a bar on a terminal."""
    from hermesc.app.digital_fallback import digital_fallback

    if layers:
        raise OptionError(
            "--mapping places every layer of its file; --set partition.max_accuracy_drop would "
            "take some off the chip: give one of the two"
        )
    with counting("simulated runs") as progress:
        return digital_fallback(source, chip, options, budget, observe, progress, defects)


def _calibration(path: Path | None) -> "tuple[dict[str, Tensor] | None, Any]":
    """Inputs by name, and their labels if there are any."""
    if path is None:
        return None, None
    import torch

    from hermesrt.files.npz import read_arrays

    arrays = read_arrays(path)
    labels = arrays.pop("labels", None)
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise InputError(f"{path}: array {name!r} holds {array.dtype}, not numbers")
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, labels


def _refusals(program: "Program") -> list[dict[str, str]]:
    return [
        {"op": a.op, "location": str(a.location), "reason": a.reason}
        for a in program.artifact.manifest.account
        if a.unit == "digital"
    ]


def _dump(folder: Path, number: int, name: str, stage: Any) -> None:
    """One stage as text."""
    from hermesc.app.dump import dump_text
    from hermesrt.files.atomic import write_atomically

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--dump {folder}: {error.strerror}; name another folder") from None
    write_atomically(folder / f"{number:02}-{name}.txt", dump_text(stage).encode())
