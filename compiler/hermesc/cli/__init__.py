"""The command line. Each command imports what it needs, so that help needs no torch."""

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import click

from hermesc.cli.lazy import LazyGroup
from hermesrt.errors import HermescError, shortage
from hermesrt.shown import shown_lines

_BUG = 70


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the process ends with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(exit_code(words))


def exit_code(arguments: list[str]) -> int:
    """Run one command; what it could not do is said on standard error."""
    try:
        code = hermesc.main(arguments, prog_name="hermesc", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0  # where a command ended with `context.exit`
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        error.show()
        return 2
    except HermescError as error:
        if "--debug" in arguments:
            traceback.print_exc()
        click.echo(f"error: {shown_lines(str(error))}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        return 130
    except BrokenPipeError:
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        click.echo(f"error: {shortage(error) or error.strerror or error}", err=True)
        return 2
    except Exception as error:
        short = shortage(error)
        if short is not None:
            click.echo(f"error: {short}", err=True)
            return 2
        click.echo("This is a bug in hermesc; please report it with the lines below.", err=True)
        traceback.print_exc()
        return _BUG
    return 0


def _drop_output() -> None:
    """Standard output cannot be written: what is left of it goes nowhere, without a word."""
    with suppress(OSError):  # no file can be opened, not even this one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_COMMANDS = {
    "chips": "hermesc.cli.show:chips_command",
    "compile": "hermesc.cli.compile:compile_command",
    "completion": "hermesc.cli.show:completion_command",
    "cost": "hermesc.cli.cost:cost_command",
    "defects": "hermesc.cli.defects:defects_command",
    "diff": "hermesc.cli.show:diff_command",
    "export": "hermesc.cli.export:export_command",
    "inspect": "hermesc.cli.show:inspect_command",
    "program": "hermesc.cli.run:program_command",
    "run": "hermesc.cli.run:run_command",
    "schema": "hermesc.cli.show:schema_command",
    "shell": "hermesc.cli.shell:shell_command",
    "study": "hermesc.cli.study:study_command",
    "sweep": "hermesc.cli.sweep:sweep_command",
    "train": "hermesc.cli.train:train_command",
    "tune": "hermesc.cli.tune:tune_command",
    "view": "hermesc.cli.view:view_command",
}


def _be_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta["hermesc.verbose"] = value


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"hermesc, version {version('hermesc')}")
    if context.meta.get("hermesc.verbose"):
        from hermesc.cli.version import environment

        click.echo(environment())
    context.exit()


@click.group(
    cls=LazyGroup,
    places=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, expose_value=False, callback=_show_version, help="Show the version."
)
@click.option(
    "-v", "--verbose", is_flag=True, is_eager=True, expose_value=False, callback=_be_verbose,
    help="With --version: also the processor's kernel and torch's version.",
)  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def hermesc(debug: bool) -> None:
    """Run PyTorch models on IBM's 64-core HERMES analog chip, simulated.

    \b
      hermesc compile model.py                      make model.hermes, see what maps to crossbars
      hermesc run model.hermes --inputs test.npz    accuracy, latency and energy on the chip
      hermesc view model.hermes                     the floor plan as a page for the browser

    model.py is ordinary PyTorch: it sets `model` (an nn.Module, or a fitted scikit-learn pipeline)
    and `example_inputs` (a tuple of tensors, batch first), and may set `calibration_inputs`,
    `labels`, `calibration_labels` and `dynamic_shapes`. An .onnx or .pt2 file compiles as it is.
    """
