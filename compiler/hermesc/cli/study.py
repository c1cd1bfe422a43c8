"""hermesc study: published experiments, run again on the simulated chip."""

import click

from hermesc.cli.lazy import LazyGroup

_COMMANDS = {
    "accelerators": "hermesc.cli.study_accelerators:accelerators_command",
    "ageing": "hermesc.cli.study_ageing:ageing_command",
    "attention": "hermesc.cli.study_attention:attention_command",
    "chip": "hermesc.cli.study_chip:chip_command",
    "kernels": "hermesc.cli.study_kernels:kernels_command",
    "lra": "hermesc.cli.study_lra:lra_command",
    "networks": "hermesc.cli.study_networks:networks_command",
    "programming": "hermesc.cli.study_programming:programming_command",
}


@click.group("study", cls=LazyGroup, places=_COMMANDS)
def study_command() -> None:
    """Experiments that a user repeats with one command."""
