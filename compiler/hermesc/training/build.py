"""Harden a model: find its products, and make the copy of it that trains.

In: a plain model as the compiler takes it, a chip and a recipe. Out: a `Hardened` one. Method: the
model is compiled, so that what trains is what is compiled; its training graph is captured; ranges
that are learned start where the calibration inputs lie while the model trains.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from hermesc.app.settings import settings_of
from hermesc.frontend.kind import kind_of
from hermesc.frontend.load import make_source
from hermesc.frontend.request import ModelRequest, ModelSource
from hermesc.frontend.torch.adapters import adapters_of, without
from hermesc.passes.quantize import QuantizeOptions
from hermesc.pipeline import Options, compile_model
from hermesc.training.evaluation import Evaluation
from hermesc.training.hardened import Hardened, captured, finish, flags_of
from hermesc.training.hardening import Hardening, hardening_of, state_of
from hermesc.training.lora import adapted
from hermesc.training.noise import known_chip, prepare
from hermesc.training.plain import plain_of, tensor_named
from hermesc.training.plan import plan_of
from hermesc.training.product import ChipProduct
from hermesc.training.recipes import Recipe, recipe_of
from hermesc.training.redraw import check_redraw
from hermesc.training.rewrite import TrainingGraph
from hermesc.training.state import TrainingState
from hermesc.training.weight_noise import training_device
from hermesrt.chip.load import changed, load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import InputError, ModelError, OptionError


@dataclass(frozen=True, slots=True)
class Extras:
    """What is asked for beside the recipe.

    seed: of all noise.
    lora: rank of the adapters that train instead of the weights; 0 for none.
    redraw_every: steps between two draws of random features; 0 for never.
    """

    seed: int = 0
    lora: int = 0
    redraw_every: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class HardenRequest:
    """A model to harden, and all that is asked for.

    source: the plain model, with calibration data.
    args: examples by position.
    kwargs: examples by keyword.
    chip: for which one it trains.
    recipe: how.
    options: of the compiler's passes.
    extras: beside the recipe.
    """

    source: ModelSource
    args: tuple[Tensor, ...]
    kwargs: Mapping[str, Tensor]
    chip: ChipSpec
    recipe: Recipe
    options: Options
    extras: Extras


def harden(
    model: nn.Module,
    example_inputs: Any,
    *,
    chip: str | ChipSpec = "hermes",
    recipe: str | Recipe = "rasch",
    calibration: Any = None,
    seed: int = 0,
    options: Options | Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
    lora: int = 0,
    redraw_every: int = 0,
) -> Any:
    """A copy of the model that trains as if on the chip.

    In training each product with a fixed matrix has the recipe's noise and converters, with
    straight-through gradients to weights, inputs and learned ranges; in evaluation the model is
    compiled with the weights of the moment and runs on a simulated chip (`set_chip` chooses
    which). Its class is a subclass of the user's, its `state_dict` has the user's names and loads
    into the plain model. Modules train or not as they are set when this is called, or all of them
    where the model is in evaluation mode.

    example_inputs: a tensor, a tuple of tensors by position, or a dictionary by keyword, batch
        first.
    chip: a name, or a TOML file's path.
    recipe: a name (chip, joshi, rasch, murray, adversarial, paper, none), several with + between,
        or a Recipe.
    calibration: real inputs, from which the converters' ranges are taken; the examples if none.
    seed: of all noise.
    options: of the compiler's passes.
    dynamic_shapes: further symbolic sizes, as in torch.export.
    lora: rank of low-rank adapters of the linear layers on the chip. They alone train, on the host;
        all weights of the model stay as they are, and so does the chip that holds them.
    redraw_every: steps after which random features are drawn anew, until `fix_features`.
    Raises: as `compile`; OptionError for an unknown recipe.
    """
    if kind_of(model) != "module" or not isinstance(model, nn.Module):
        raise ModelError(f"only an nn.Module can be trained, not a {type(model).__name__}")
    if isinstance(model, Hardened):
        raise ModelError("the model is hardened already; harden the plain one")
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise OptionError(f"seed {seed!r}: must be a whole number from 0 to 2^63 - 1")
    for name, value in (("lora", lora), ("redraw_every", redraw_every)):
        if not isinstance(value, int) or not 0 <= value < 2**31:
            raise OptionError(f"{name} is {value!r}; it is a whole number, 0 for none")
    request = ModelRequest(
        model, example_inputs, calibration, dynamic_shapes=dynamic_shapes,
        name=type(model).__name__,
    )  # fmt: skip
    said = settings_of(options)
    spec = load_chip(chip) if isinstance(chip, str) else chip
    spec = changed(spec, said.chip) if said.chip else spec
    args, kwargs = _by_place(example_inputs)
    source = replace(make_source(request), model=copy.deepcopy(model))
    extras = Extras(seed, lora, redraw_every)
    return _harden(
        HardenRequest(source, args, kwargs, spec, recipe_of(recipe), said.options, extras)
    )


def _harden(asked: HardenRequest) -> Any:
    asked = _in_batches(asked)
    source, chip, recipe, extras = asked.source, asked.chip, asked.recipe, asked.extras
    assert isinstance(source.model, nn.Module)
    check_redraw(source.model, extras.redraw_every)
    if extras.lora:
        source = _on_programmed(asked)
    plan = plan_of(source, chip, _ranged(asked.options, recipe))
    device = training_device(chip, known_chip(chip), extras.seed)
    if recipe.read_noise or (recipe.weights is not None and recipe.weights.kind == "chip"):
        oldest_s = recipe.weights.oldest_s if recipe.weights is not None else 0.0
        stored = (*plan.products, *plan.recurrent)
        prepare(device.key, [p.mean_g_max_siemens for p in stored], oldest_s)
    made: Any = copy.deepcopy(source.model)
    made.__class__ = _subclass_of(type(made))  # type: ignore[arg-type]
    if not made.training:
        nn.Module.train(made)
    frozen = tuple(name for name, module in made.named_modules() if not module.training)
    shared = Hardening(
        recipe, chip, asked.options, source, plan, asked.args, asked.kwargs, device, plan.notes,
        frozen,
    )  # fmt: skip
    learned = recipe.inputs is not None and recipe.inputs.learned
    state = TrainingState(plan.products, learned=learned, redraw_every=extras.redraw_every)
    for parameter in made.parameters():
        state.to(parameter.device)
    made.add_module("_hermesc", state)
    made.__dict__.update(_hardening=shared, _graphs={})
    if not recipe.idle:
        graph = captured(made)
        made._graphs[flags_of(made)] = graph
        if learned:
            _start_ranges(made, graph)
        missing = [f"{label}: not part of training, so plain" for label in graph.unmatched]
        made.__dict__["_hardening"] = replace(shared, notes=(*shared.notes, *missing))
    finish(made, Evaluation())
    return made


def _in_batches(asked: HardenRequest) -> HardenRequest:
    values = _batches(tuple(asked.kwargs.values()))
    kwargs = dict(zip(asked.kwargs, values, strict=True))
    return replace(asked, args=_batches(asked.args), kwargs=kwargs)


def _ranged(options: Options, recipe: Recipe) -> Options:
    """With the ranges that a recipe learns, where it says from where they start."""
    if recipe.inputs is None or not recipe.inputs.deviations:
        return options
    deviations = recipe.inputs.deviations
    return replace(options, quantize=QuantizeOptions("deviations", deviations=deviations))


def _on_programmed(asked: HardenRequest) -> ModelSource:
    """The model with adapters, on a chip that holds its weights already."""
    source, extras = asked.source, asked.extras
    assert isinstance(source.model, nn.Module)
    plain = without(source.model)
    held = compile_model(replace(source, model=plain), asked.chip, asked.options)
    model = source.model
    if adapters_of(model) is None:
        model = adapted(plain, held, extras.lora, extras.seed, asked.args, asked.kwargs)
    return replace(source, model=model, programmed=held)


def _start_ranges(model: Any, graph: TrainingGraph) -> None:
    """Learned ranges start where the calibration inputs lie while the model trains: some standard
    deviations of them, or their largest; a batch norm that has learned nothing yet would put them
    elsewhere in evaluation."""
    shared = hardening_of(model)
    deviations = shared.recipe.inputs.deviations if shared.recipe.inputs else 0.0
    found: dict[str, float] = {}

    def observe(layer: int, values: Tensor) -> None:
        for slot, x in zip(shared.plan.products[layer].slots, values, strict=True):
            largest, rms = float(x.abs().amax()), float(x.square().mean().sqrt())
            limit = min(largest, deviations * rms) if deviations else largest
            if limit > 0:
                found[slot] = limit

    products = [m for m in graph.module.modules() if isinstance(m, ChipProduct)]
    state = [(tensor_named(model, s) if isinstance(s, str) else s).clone() for s in graph.sources]
    inputs = _calibration(shared)
    for product in products:
        product.observe = observe
    try:
        with torch.no_grad(), torch.random.fork_rng():
            graph.module(*state, *inputs, state_of(model).step.clone(), *state_of(model).limits)
    finally:
        for product in products:
            product.observe = None
    state_of(model).take(found)


def _calibration(shared: Hardening) -> list[Tensor]:
    """The calibration inputs in the order of the examples, or these."""
    given, names = shared.source.calibration, list(shared.kwargs)
    if given is None:
        return [*shared.args, *shared.kwargs.values()]
    if isinstance(given, Mapping):
        values = [given[n] for n in names] if names else list(given.values())
    else:
        values = list(given)
    examples = (*shared.args, *shared.kwargs.values())
    return [v.to(e.device, e.dtype) for v, e in zip(values, examples, strict=True)]


def extras_of(model: Any) -> Extras:
    """What a hardened model was asked for."""
    held = adapters_of(model)
    rank = 0 if held is None else len(held.pair(0)[0])
    return Extras(hardening_of(model).device.seed, rank, state_of(model).redraw_every)


@cache
def _subclass_of(cls: Any) -> type[nn.Module]:
    return type(
        f"Hardened{cls.__name__}",
        (Hardened, cls),
        {"__module__": cls.__module__, "_plain_class": cls, "__reduce__": _reduced},
    )


def _reduced(model: Hardened) -> Any:
    """For pickle: the class is none that a module holds, so a model is hardened again."""
    shared, own = hardening_of(model), state_of(model)
    source = replace(shared.source, model=plain_of(model))
    state = (own.step, own.ranges(), model.training, shared.frozen)
    asked = HardenRequest(
        source, shared.args, dict(shared.kwargs), shared.chip, shared.recipe, shared.options,
        extras_of(model),
    )  # fmt: skip
    return again, (asked, state)


def again(
    asked: HardenRequest, state: tuple[Tensor, Mapping[str, float], bool, tuple[str, ...]]
) -> Any:
    """A hardened model from what pickling kept of it."""
    made = _harden(asked)
    step, ranges, training, frozen = state
    made.__dict__["_hardening"] = replace(hardening_of(made), frozen=frozen)
    made.train(training)
    state_of(made).step.copy_(step)
    state_of(made).take(ranges)
    return made


def _by_place(given: Any) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Examples by position and by keyword."""
    if isinstance(given, Tensor):
        return (given.detach(),), {}
    if isinstance(given, Mapping) and all(isinstance(v, Tensor) for v in given.values()):
        return (), {k: v.detach() for k, v in given.items()}
    if isinstance(given, Sequence) and given and all(isinstance(v, Tensor) for v in given):
        return tuple(v.detach() for v in given), {}
    raise InputError(
        "example_inputs of a model to train are a tensor, a tuple of tensors by position or a "
        f"dictionary of tensors by keyword, not a {type(given).__name__}"
    )


def _batches(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A batch of one is doubled: torch.export takes a size of 1 for a constant."""
    if all(t.dim() > 0 and t.shape[0] == 1 for t in tensors):
        return tuple(torch.cat([t, t]) for t in tensors)
    return tensors
