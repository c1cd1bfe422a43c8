"""What the compiler tells about a program: where each node runs, and how good it became."""

from dataclasses import dataclass
from typing import Literal

from hermesrt.chip.fields import limits
from hermesrt.errors import Location

Unit = Literal["analog", "ldpu", "digital", "free"]


@dataclass(frozen=True, slots=True)
class NodeAssignment:
    """Where one node of the user's model runs, and why.

    node: its name.
    op: the operation.
    unit: analog, ldpu, digital or free.
    reason: in words.
    location: where it stands in the user's model.
    """

    node: str
    op: str
    unit: Unit
    reason: str
    location: Location


@dataclass(frozen=True, slots=True)
class Score:
    """How good a placement is.

    objective: what was minimised.
    solver: by whom.
    unit: of value and bound: cores, ns, nJ or partial sums.
    value: what was reached.
    bound: no placement goes below it.
    """

    objective: str
    solver: str
    unit: str
    value: float = limits(0.0, 1e30)
    bound: float = limits(0.0, 1e30)

    @property
    def gap(self) -> float:
        """How far the optimum may lie below the value, as a share of it."""
        return (self.value - self.bound) / self.value if self.value else 0.0


@dataclass(frozen=True, slots=True)
class ChipCut:
    """How a model is cut over several chips, and what crosses between them for a sample.

    chosen: `pipeline`, whole layers one after the other; `columns`, a share of every layer's
        columns on each chip; `anywhere`, where there was room, for neither of the two had enough.
    asked: whether the user asked for it; otherwise it is the one that crosses less.
    pipeline_bytes: of the pipeline; None where it does not fit.
    columns_bytes: of columns; None where they do not fit.
    """

    chosen: Literal["pipeline", "columns", "anywhere"]
    asked: bool
    pipeline_bytes: int | None = limits(0, 2**62)
    columns_bytes: int | None = limits(0, 2**62)


@dataclass(frozen=True, slots=True)
class LayerDefects:
    """What the known defects cost a layer.

    label: the layer.
    stuck: unit cells with a stuck device.
    left: those of them that the cell's other devices do not make up for.
    error: relative error of its weights with the map.
    blind_error: the same without the map.
    """

    label: str
    stuck: int = limits(0, 2**62)
    left: int = limits(0, 2**62)
    error: float = limits(0.0, 3.5e38)
    blind_error: float = limits(0.0, 3.5e38)


@dataclass(frozen=True, slots=True)
class PredictedError:
    """How far an MVM's outputs are expected to be off, relative to how much they vary over the
    calibration data.

    mvm: the name of the step.
    own: through what the layer itself adds, before outputs clip or a ReLU follows.
    total: with what reaches it from the layers before, of what it sends out.
    programming: part of `own`: what programming misses.
    read: part of `own`: noise of reading, fresh after programming.
    input_code: part of `own`: rounding of inputs.
    converters: part of `own`: counts and output codes.
    """

    mvm: str
    own: float = limits(0.0, 3.5e38)
    total: float = limits(0.0, 3.5e38)
    programming: float = limits(0.0, 3.5e38)
    read: float = limits(0.0, 3.5e38)
    input_code: float = limits(0.0, 3.5e38)
    converters: float = limits(0.0, 3.5e38)
