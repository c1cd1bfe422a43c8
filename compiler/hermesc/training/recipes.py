"""Recipes of hardware-aware training: what is added to a model while it learns, by publication.

A recipe is data. Its parts can be combined (`combined`), replaced (`dataclasses.replace`) and
switched off (None). Sizes that a publication gives are quoted beside it; where a part departs from
it, or a size is our choice, `sources` says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from hermesrt.chip.spec import limits
from hermesrt.errors import OptionError

NoiseKind = Literal["largest", "own", "chip"]


@dataclass(frozen=True, slots=True)
class WeightNoise:
    """Noise that is drawn anew for every matrix in each step.

    kind: normal, scaled to the matrix's largest weight (`largest`) or to each weight itself
        (`own`); or what programming leaves on this chip, drawn from its statistics (`chip`).
    size: standard deviation, in units of that; of `chip`, times the chip's.
    by_column: whether the largest weight is that of the column, as the chip scales its
        conductances, or of the matrix.
    oldest_s: of `chip`: each step sees the weights at an age between programming and this one,
        s, its logarithm uniform, after the chip's drift compensation; 0 for no drift.
    """

    kind: NoiseKind = "largest"
    size: float = limits(0.0, 100.0, 0.04)
    by_column: bool = False
    oldest_s: float = limits(0.0, 1e9, 0.0)


@dataclass(frozen=True, slots=True)
class InputCode:
    """The converters of inputs: values clip at a range and take one of the chip's codes.

    learned: whether training moves the range.
    deviations: where it starts, in standard deviations of the calibration inputs; 0 for the range
        that the compiler chooses.
    decay: how fast a learned range shrinks while more than `inside` of the inputs lie in it.
    inside: that share.
    relative: whether the gradient of a learned range is in units of the range itself.
    """

    learned: bool = False
    deviations: float = limits(0.0, 1e3, 0.0)
    decay: float = limits(0.0, 10.0, 0.0)
    inside: float = limits(0.0, 1.0, 0.95)
    relative: bool = False


@dataclass(frozen=True, slots=True)
class OutputNoise:
    """Normal noise on each result of a crossbar.

    size: standard deviation, in units of the column's largest weight times the input range.
    """

    size: float = limits(0.0, 100.0, 0.04)


@dataclass(frozen=True, slots=True)
class OutputCode:
    """The converters of outputs, with the chip's number of codes and its rounding.

    partial_sums: whether the result of each row block takes a code, as on the chip, or only the
        whole sum. The range is the largest magnitude of the batch.
    """

    partial_sums: bool = False


@dataclass(frozen=True, slots=True)
class Clip:
    """After each step of an optimizer, weights are clipped.

    deviations: at this many standard deviations of their tensor.
    """

    deviations: float = limits(1e-3, 1e3, 2.0)


@dataclass(frozen=True, slots=True)
class Adversarial:
    """A second loss: how far the worst weights nearby move the model's outputs.

    size: how far each weight may go, relative to itself.
    steps: of projected gradient ascent.
    weight: of the second loss.
    """

    size: float = limits(0.0, 10.0, 0.1)
    steps: int = limits(1, 1000, 10)
    weight: float = limits(0.0, 1e6, 0.25)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a model sees of the chip while it trains.

    name: its word.
    sources: where it comes from, and what is ours.
    weights: noise of the weights.
    inputs: converters of inputs.
    output_noise: noise of the outputs.
    outputs: converters of outputs.
    read_noise: whether each product has the chip's own read noise.
    clip: of the weights.
    adversarial: the second loss.
    learning_rate: what an ordinary learning rate is multiplied by.
    """

    name: str
    sources: tuple[str, ...] = ()
    weights: WeightNoise | None = None
    inputs: InputCode | None = None
    output_noise: OutputNoise | None = None
    outputs: OutputCode | None = None
    read_noise: bool = False
    clip: Clip | None = None
    adversarial: Adversarial | None = None
    learning_rate: float = limits(0.0, 1e6, 1.0)

    @property
    def idle(self) -> bool:
        """Whether the forward pass is the model's own."""
        return not any(
            (self.weights, self.inputs, self.output_noise, self.outputs, self.read_noise)
        )


NONE = Recipe("none", ("training as it always was",))
CHIP = Recipe(
    "chip",
    (
        "the chip file's own statistics: programming and read noise (IBM aihwkit, hermes.py), "
        "8-bit inputs, INT8 partial sums (Le Gallo et al., Nat. Electron. 6, 680, 2023)",
        "wire drop, the spread of converters and the whole counts of a line are left to evaluation",
    ),
    weights=WeightNoise("chip", 1.0, by_column=True),
    inputs=InputCode(),
    outputs=OutputCode(partial_sums=True),
    read_noise=True,
)
JOSHI = Recipe(
    "joshi",
    (
        "Joshi et al., Nat. Commun. 11, 2473 (2020): normal weight noise of 3.8 % of the layer's "
        "largest weight, weights clipped at 2 standard deviations after each update",
        "their 3.8 % is that of their PCM array; for one language model this chip's noise was "
        "quoted as 4.75 %",
    ),
    weights=WeightNoise("largest", 0.038),
    clip=Clip(2.0),
)
RASCH = Recipe(
    "rasch",
    (
        "Rasch et al., Nat. Commun. 14, 5282 (2023), as in aihwkit's StandardHWATrainingPreset: "
        "output noise 0.04, learned input ranges with a decay of 0.001 while 95 % lie inside, "
        "columns scaled to their largest weight, 8-bit converters",
        "departure: weight noise is this chip's programming noise instead of their PCM array's, at "
        "ages up to 30 days after drift compensation; ranges start at the largest calibration "
        "input, as the compiler's do, instead of 3 deviations, for these cut off what a trained "
        "model needs until its weights have adapted",
    ),
    weights=WeightNoise("chip", 1.0, by_column=True, oldest_s=30 * 86400.0),
    inputs=InputCode(learned=True, decay=0.001, inside=0.95, relative=True),
    output_noise=OutputNoise(0.04),
    outputs=OutputCode(),
)
MURRAY = Recipe(
    "murray",
    (
        "Murray and Edwards, IEEE Trans. Neural Netw. 5, 792 (1994): noise multiplies each synapse",
        "the size of 10 % is ours; they went up to 40 %",
    ),
    weights=WeightNoise("own", 0.1),
)
ADVERSARIAL = Recipe(
    "adversarial",
    (
        "Buechel, Faber and Muir, Network insensitivity to parameter noise via adversarial "
        "regularization, ICLR 2022: the largest divergence of the outputs that weights within a "
        "share of their size can cause, by 10 steps of projected gradient ascent, is a second loss",
        "share and weight of the loss are ours",
    ),
    adversarial=Adversarial(),
)
PAPER = Recipe(
    "paper",
    (
        "the configuration files of IBM's kernel-approximation repository: weight noise 0.12 of "
        "the largest weight, output noise 0.1, 8-bit inputs with learned ranges (95 % inside, "
        "decay 0.5), clipping at 2 deviations, a tenth of the learning rate",
        "departure: weight noise is drawn for a batch, not for each of its samples; ranges start "
        "where the compiler puts them, at the largest calibration input, instead of deviations of "
        "the first 100 batches",
    ),
    weights=WeightNoise("largest", 0.12),
    inputs=InputCode(learned=True, decay=0.5, inside=0.95, relative=True),
    output_noise=OutputNoise(0.1),
    clip=Clip(2.0),
    learning_rate=0.1,
)
RECIPES: Mapping[str, Recipe] = {
    r.name: r for r in (CHIP, JOSHI, RASCH, MURRAY, ADVERSARIAL, PAPER, NONE)
}
_PARTS = ("weights", "inputs", "output_noise", "outputs", "read_noise", "clip", "adversarial")


def combined(first: Recipe, *others: Recipe) -> Recipe:
    """One recipe with the parts of all; where two have the same part, the later one's holds."""
    result = first
    for other in others:
        given = {part: value for part in _PARTS if (value := getattr(other, part))}
        result = replace(
            result,
            name=f"{result.name}+{other.name}",
            sources=(*result.sources, *other.sources),
            learning_rate=result.learning_rate * other.learning_rate,
            **given,
        )
    return result


def recipe_of(given: Recipe | str) -> Recipe:
    """A recipe, or that of a name; names with plus signs between are combined, such as
    "joshi+adversarial".

    Raises: OptionError.
    """
    if isinstance(given, Recipe):
        return checked(given)
    words = str(given).split("+")
    for word in words:
        if word not in RECIPES:
            raise OptionError(
                f"recipe {word!r}: must be one of {', '.join(RECIPES)}, or several with + between"
            )
    return combined(*(RECIPES[word] for word in words))


def checked(recipe: Recipe) -> Recipe:
    """The recipe, its numbers within their limits.

    Raises: OptionError.
    """
    for where in (recipe, *(getattr(recipe, part) for part in _PARTS)):
        if hasattr(where, "__dataclass_fields__"):
            _check_numbers(where)
    return recipe


def _check_numbers(part: object) -> None:
    for field in fields(part):  # type: ignore[arg-type]
        low, high = field.metadata.get("low"), field.metadata.get("high")
        value = getattr(part, field.name)
        if low is not None and high is not None and not low <= value <= high:
            raise OptionError(
                f"{type(part).__name__}.{field.name} is {value!r}; it is from {low} to {high}"
            )
