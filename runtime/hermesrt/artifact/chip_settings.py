"""A program on a chip some of whose numbers are others than those it was compiled with."""

from dataclasses import replace

from hermesrt.artifact.schema import Artifact
from hermesrt.chip.load import GivenSettings, override, settings_of
from hermesrt.chip.spec import COMPILED_IN, COMPILED_IN_KEYS
from hermesrt.errors import OptionError


def with_settings(artifact: Artifact, given: GivenSettings) -> Artifact:
    """The program on a chip some of whose numbers are replaced.

    Raises: OptionError for a number that it was compiled for.
    """
    settings = settings_of(given)
    for key, _ in settings:
        if key.split(".")[0] in COMPILED_IN or key in COMPILED_IN_KEYS:
            raise OptionError(
                f"--set chip.{key}: the program was compiled for it; give it to `hermesc compile`"
            )
    if not settings:
        return artifact
    tables = override(artifact.manifest.chip, settings)
    return replace(artifact, manifest=replace(artifact.manifest, chip=tables))
