"""hermesc compile."""

from pathlib import Path
from typing import Any

import click

from hermesc.cli.options import (
    FILE,
    chip_option,
    defects_option,
    json_option,
    set_option,
)
from hermesc.cli.output import show
from hermesc.cli.progress import counting
from hermesc.cli.words import given_chip
from hermesrt.files.atomic import check_writable

_PASSES = """\b
Options of the passes, as --set KEY=VALUE:
  partition.scope=all|projections|PATTERN      what may go on crossbars: everything, attention's
                                               random projections, or modules, layers and
                                               operations by name
  partition.digital=LAYER                      keep a layer on the host
  partition.bias=ldpu|host                     who adds biases
  partition.adapters=host|chip                 where low-rank adapters run
  partition.max_accuracy_drop=0.5              in points: find the layers to keep on the host
  quantize.range=max|percentile|deviations     what inputs clip at; and quantize.percentile,
                                               quantize.deviations
  quantize.output_range=clipped|unclipped      of outputs: from clipped inputs or not
  tile.slices=4                                matrices a weight is spread over; and
                                               tile.slice_weights=equal|significance,
                                               tile.slice_base=2,
                                               tile.slice_fill=equal|max|corrected
  place.objective=balanced|cores|latency|throughput|energy|accuracy
  place.solver=auto|heuristic|exact            and place.seconds, place.seed
  place.copies=16                              the most of one matrix
  place.chips=2                                how many chips; and, to cut a model over them in
                                               whole layers or in shares of columns,
                                               place.cut=auto|pipeline|columns
  convolve.groups=auto|analog|digital          where convolutions in groups run
  gates.unit=auto|host                         who makes the gates of LSTMs
  loops.most_steps=100000                      of loops on the host
  layers.LAYER.mode=1-phase|4-phase            of single layers, or patterns of their names; also
                                               layers.LAYER.devices=1|2, .method, .range, .slices
"""


@click.command("compile", epilog=_PASSES)
@click.argument("model")
@click.option("-o", "--output", type=FILE, help="The program. [MODEL's name with .hermes]")
@chip_option
@click.option(
    "--calibration", type=FILE, help="Real inputs (.npz) that set the converters' ranges."
)
@click.option(
    "--weights", type=FILE, help="Trained weights of the model (.pt or .safetensors); see `train`."
)
@click.option(
    "--programmed",
    type=FILE,
    help="The program (.hermes) that the chip holds already: its weights stay in their cells.",
)
@click.option(
    "--mapping", type=FILE, help="Places layers as this file says (inspect --export hermes-json)."
)
@click.option(
    "--batch-dim",
    type=click.IntRange(0),
    help="Where the batch lies in a torch model's tensors; the program has it first. [0]",
)
@defects_option("What is broken on the chip, to go round it: .toml or .npz; see `defects`.")
@set_option
@click.option("--dump", type=FILE, help="Write each stage as text to this folder.")
@json_option
def compile_command(
    model: str,
    output: Path | None,
    chip_name: str,
    settings: tuple[str, ...],
    dump: Path | None,
    as_json: bool,
    batch_dim: int | None,
    **files: Any,
) -> None:
    """Compile MODEL to a program.

    \b
      model.py, model.py:name   Python that sets `model` and `example_inputs`: an nn.Module, a
                                fitted scikit-learn pipeline, or a function that makes one
      model.onnx                as torch.onnx or skl2onnx write it, opset 13 or newer
      model.pt2                 as torch.export.save writes it

    An .onnx file holds no example inputs: give real ones with --calibration, one array for each
    input by its name, or the ranges come from random numbers. A model.py is executed; the other
    files are read as data, and refused where they ask for more.
    """
    chip, pass_settings = given_chip(chip_name, settings)
    file = Path(model.rpartition(":")[0] if ".py:" in model else model)
    output = output or Path(file.stem + ".hermes")
    check_writable(output, model=file, **files)

    from hermesc.api.compiling import compile
    from hermesc.app.compile_report import CompileReport
    from hermesc.app.settings import parse_settings
    from hermesc.app.stage_log import StageLog

    options, fallback = parse_settings(pass_settings)
    budget, log = fallback.max_accuracy_drop, StageLog(dump)
    with counting("simulated runs") as progress:
        files |= {"observe": log, "progress": progress, "max_accuracy_drop": budget}
        program = compile(model, chip=chip, options=options, batch_dim=batch_dim, **files)
    program.save(output)
    show(CompileReport(program, output, tuple(log.stages), log.fallback), as_json=as_json)
