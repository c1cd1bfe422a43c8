"""What an experiment did with a data set, as data: a TOML table for each, with kind and source."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hermesc.passes.quantize import QuantizeOptions
from hermesc.studies.data.datasets import SCALINGS
from hermesc.studies.experiment.measure import Setup
from hermesrt.chip.fields import limits, one_of
from hermesrt.errors import InputError
from hermesrt.files.atomic import read_file
from hermesrt.files.toml import parse_toml
from hermesrt.files.typed import decode

BUILT_IN = Path(__file__).with_name("experiment.toml")
INFERRED = "inferred"


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """How the experiment treated one data set.

    kind: how that is known.
    source: where it was read, or from what it was inferred.
    input_clip: standard deviations at which the array's inputs clip; 0 for none.
    scaling: of the features, before.
    """

    source: str
    kind: str = one_of("quoted", INFERRED, "assumed")
    input_clip: float = limits(0.0, 1e3, 0.0)
    scaling: str = one_of(*SCALINGS, default=SCALINGS[0])

    def applied(self, setup: Setup) -> Setup:
        """The setup with its input range clipped, and its output range of unclipped data."""
        if not self.input_clip:
            return setup
        ranges = QuantizeOptions("deviations", deviations=self.input_clip, output_range="unclipped")
        return replace(setup, options=replace(setup.options, quantize=ranges))

    @property
    def text(self) -> str:
        """In words, with its source."""
        parts = [f"inputs clip at {self.input_clip:g} std"] if self.input_clip else []
        parts += [f"scaling {self.scaling}"] if self.scaling != SCALINGS[0] else []
        return f"{', '.join(parts) or 'as published'} ({self.kind}: {self.source})"


Experiment = Mapping[str, DatasetSettings]


def read_experiment(path: Path = BUILT_IN) -> Experiment:
    """The settings of each data set that a TOML file names.

    Raises: InputError that names the file and the key.
    """
    try:
        tables = parse_toml(read_file(path, "file of an experiment's settings").decode("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    return {
        name: decode(DatasetSettings, table, f"{path}: [{name}]", InputError)
        for name, table in tables.items()
    }
