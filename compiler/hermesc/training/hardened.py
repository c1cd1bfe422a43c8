"""A user's module that computes what the chip would while it trains.

`harden` copies the model and makes the copy an instance of a subclass of its own class, whose
forward runs the captured training graph with the chip at its products. In evaluation it is the
model compiled with the weights of the moment, on a simulated chip; see `evaluation`.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils import _pytree as pytree

from hermesc.app.settings import settings_of
from hermesc.frontend.kind import kind_of
from hermesc.frontend.load import make_source
from hermesc.frontend.request import ModelRequest, ModelSource
from hermesc.frontend.torch.lifted import lifted
from hermesc.passes.quantize import QuantizeOptions
from hermesc.pipeline import Options
from hermesc.training.clipping import clip_after_steps
from hermesc.training.evaluation import Evaluation, on_chip
from hermesc.training.noise import known_chip
from hermesc.training.plan import Plan, plan_of
from hermesc.training.product import ChipProduct, Device, device_of
from hermesc.training.recipes import Recipe, recipe_of
from hermesc.training.rewrite import TrainingGraph, rewritten
from hermesc.training.state import TrainingState
from hermesrt.chip.load import load_chip
from hermesrt.chip.spec import ChipSpec
from hermesrt.errors import InputError, ModelError, OptionError

_OWN = ("_hermesc", "_hardening", "_graphs", "_evaluation")


@dataclass(frozen=True, slots=True, eq=False)
class Hardening:
    """What all copies of a hardened model share.

    recipe: how it trains.
    chip: for which one.
    options: of the compiler's passes.
    source: examples and calibration data; its model is the plain one, with its first weights.
    plan: the products on the chip.
    args: examples by position.
    kwargs: examples by keyword.
    device: what layers need of the chip.
    notes: what a user should know.
    """

    recipe: Recipe
    chip: ChipSpec
    options: Options
    source: ModelSource
    plan: Plan
    args: tuple[Tensor, ...]
    kwargs: Mapping[str, Tensor]
    device: Device
    notes: tuple[str, ...]


class Hardened(nn.Module):
    """Mixed into the user's class."""

    _plain_class: type[nn.Module]
    _hermesc: TrainingState
    _hardening: Hardening
    _graphs: dict[tuple[bool, ...], TrainingGraph]
    _evaluation: Evaluation

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the user's model; in training with the recipe's noise, in evaluation on the chip."""
        if self.training:
            return _trained(self, args, kwargs)
        plain = super().forward(*args, **kwargs)
        if self._hardening.recipe.name == "none" or not self._evaluation.active:
            return plain
        leaves, spec = pytree.tree_flatten(plain)
        tensors = [x for x in leaves if isinstance(x, Tensor)]
        inputs = _ordered(self, args, kwargs)
        coded = iter(on_chip(tensors, list(inputs), self._evaluation.handle))
        return pytree.tree_unflatten(
            [next(coded) if isinstance(x, Tensor) else x for x in leaves], spec
        )

    def hermesc_trained(self) -> tuple[nn.Module, dict[str, float]]:
        """What `compile` takes: the plain model with the weights of the moment, and the learned
        ranges."""
        return copy.deepcopy(plain_of(self)), self._hermesc.ranges()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        new = self.__class__.__new__(self.__class__)
        memo[id(self)] = new
        shared = {k: self.__dict__[k] for k in ("_hardening", "_graphs")}
        for key, value in self.__dict__.items():
            if key not in (*shared, "_evaluation"):
                new.__dict__[key] = copy.deepcopy(value, memo)
        new.__dict__.update(shared)
        _finish(new, replace_of(self._evaluation))
        return new

    def __reduce__(self) -> Any:
        shared = self._hardening
        source = replace(shared.source, model=plain_of(self))
        state = (self._hermesc.step, self._hermesc.ranges(), self.training)
        given = (source, shared.args, dict(shared.kwargs), shared.chip, shared.recipe)
        return _again, (*given, shared.options, shared.device.seed, state)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._graphs = {flags: _moved(g, fn) for flags, g in self._graphs.items()}
        return self


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
    Raises: as `compile`; OptionError for an unknown recipe.
    """
    if kind_of(model) != "module" or not isinstance(model, nn.Module):
        raise ModelError(f"only an nn.Module can be trained, not a {type(model).__name__}")
    if isinstance(model, Hardened):
        raise ModelError("the model is hardened already; harden the plain one")
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise OptionError(f"seed {seed!r}: must be a whole number from 0 to 2^63 - 1")
    request = ModelRequest(
        model, example_inputs, calibration, dynamic_shapes=dynamic_shapes,
        name=type(model).__name__,
    )  # fmt: skip
    spec = load_chip(chip) if isinstance(chip, str) else chip
    args, kwargs = _by_place(example_inputs)
    source = replace(make_source(request), model=copy.deepcopy(model))
    return _harden(
        source, args, kwargs, spec, recipe_of(recipe), settings_of(options).options, seed
    )


def _harden(
    source: ModelSource,
    args: tuple[Tensor, ...],
    kwargs: Mapping[str, Tensor],
    chip: ChipSpec,
    recipe: Recipe,
    options: Options,
    seed: int,
) -> Any:
    assert isinstance(source.model, nn.Module)
    ranged = options
    if recipe.inputs is not None and recipe.inputs.deviations:
        deviations = recipe.inputs.deviations
        ranged = replace(options, quantize=QuantizeOptions("deviations", deviations=deviations))
    plan = plan_of(source, chip, ranged)
    device = device_of(chip, known_chip(chip), seed)
    args, kwargs = _batches(args), dict(zip(kwargs, _batches(tuple(kwargs.values())), strict=True))
    shared = Hardening(recipe, chip, options, source, plan, args, kwargs, device, plan.notes)
    made: Any = copy.deepcopy(source.model)
    made.__class__ = _subclass(type(made))  # type: ignore[arg-type]
    if not made.training:
        made.train()
    learned = recipe.inputs is not None and recipe.inputs.learned
    state = TrainingState(plan.products, learned=learned)
    for parameter in made.parameters():
        state.to(parameter.device)
    made.add_module("_hermesc", state)
    made.__dict__.update(_hardening=shared, _graphs={})
    if not recipe.idle:
        graph = _capture(made)
        made._graphs[_flags(made)] = graph
        if learned:
            _start_ranges(made, graph)
        missing = [f"{label}: not part of training, so plain" for label in graph.unmatched]
        made.__dict__["_hardening"] = replace(shared, notes=(*shared.notes, *missing))
    _finish(made, Evaluation())
    return made


def _start_ranges(model: Any, graph: TrainingGraph) -> None:
    """Learned ranges start where the calibration inputs lie while the model trains: some standard
    deviations of them, or their largest; a batch norm that has learned nothing yet would put them
    elsewhere in evaluation."""
    shared: Hardening = model._hardening
    deviations = shared.recipe.inputs.deviations if shared.recipe.inputs else 0.0
    found: dict[str, float] = {}

    def observe(layer: int, values: Tensor) -> None:
        for slot, x in zip(shared.plan.products[layer].slots, values, strict=True):
            largest, rms = float(x.abs().amax()), float(x.square().mean().sqrt())
            limit = min(largest, deviations * rms) if deviations else largest
            if limit > 0:
                found[slot] = limit

    products = [m for m in graph.module.modules() if isinstance(m, ChipProduct)]
    state = [(_found(model, s) if isinstance(s, str) else s).clone() for s in graph.sources]
    inputs = _calibration(shared)
    for product in products:
        product.observe = observe
    try:
        with torch.no_grad(), torch.random.fork_rng():
            graph.module(*state, *inputs, model._hermesc.step.clone(), *model._hermesc.limits)
    finally:
        for product in products:
            product.observe = None
    model._hermesc.take(found)


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


def _finish(model: Any, evaluation: Evaluation) -> None:
    """What every copy needs: a chip to evaluate on, and its clip after optimizer steps."""
    evaluation.attach(model)
    model.__dict__["_evaluation"] = evaluation
    clip = model._hardening.recipe.clip
    if clip is not None:
        clip_after_steps(model, stored_names(model), clip.deviations)


def replace_of(evaluation: Evaluation) -> Evaluation:
    """Another evaluation with the same settings."""
    return Evaluation(evaluation.seed, evaluation.age_s, evaluation.method, evaluation.active)


def _again(
    source: ModelSource,
    args: tuple[Tensor, ...],
    kwargs: Mapping[str, Tensor],
    chip: ChipSpec,
    recipe: Recipe,
    options: Options,
    seed: int,
    state: tuple[Tensor, Mapping[str, float], bool],
) -> Any:
    """A hardened model from what pickling kept of it."""
    made = _harden(source, args, kwargs, chip, recipe, options, seed)
    step, ranges, training = state
    made._hermesc.step.copy_(step)
    made._hermesc.take(ranges)
    made.train(training) if training is False else None
    return made


def _trained(model: Hardened, args: Any, kwargs: Any) -> Any:
    if model._hardening.recipe.idle:
        return super(Hardened, model).forward(*args, **kwargs)
    graph = _graph(model)
    state = [_found(model, s) if isinstance(s, str) else s for s in graph.sources]
    inputs = _ordered(model, args, kwargs)
    own = model._hermesc
    with torch.no_grad():
        own.step.add_(1)
    results = graph.module(*state, *inputs, own.step.clone(), *own.limits)
    return pytree.tree_unflatten(list(results), graph.out_spec)


def _graph(model: Hardened) -> TrainingGraph:
    """The graph of what trains now; captured when it is met for the first time."""
    if torch.compiler.is_compiling() and len(model._graphs) == 1:
        return next(iter(model._graphs.values()))
    flags = _flags(model)
    if flags not in model._graphs:
        model._graphs[flags] = _capture(model)
    return model._graphs[flags]


def _flags(model: nn.Module) -> tuple[bool, ...]:
    return tuple(m.training for m in model.modules())


def _capture(model: Any) -> TrainingGraph:
    shared: Hardening = model._hardening
    plain = plain_of(model)
    exported = lifted(plain, shared.args, shared.kwargs, shared.source.dynamic_shapes)
    return rewritten(exported, shared.plan.products, shared.recipe, shared.device)


def plain_of(model: Any) -> nn.Module:
    """The user's own model around the same parameters and modules, as they are set."""
    cls = model._plain_class
    plain: nn.Module = cls.__new__(cls)
    kept = {k: v for k, v in model.__dict__.items() if k not in _OWN and "composable" not in k}
    copies = {k: type(v)(v) for k, v in kept.items() if isinstance(v, dict)}
    plain.__dict__.update({**kept, **copies})
    plain._modules.pop("_hermesc", None)
    first = model._hardening.source.model  # with the user's hooks, and not those of FSDP2
    plain.__dict__.update({k: v for k, v in first.__dict__.items() if k.endswith("_hooks")})
    return plain


def stored_names(model: Any) -> tuple[str, ...]:
    """Names of the parameters that the chip stores."""
    known = dict(model.named_parameters())
    sources = set().union(*(p.sources for p in model._hardening.plan.products))
    return tuple(sorted(name for name in sources if name in known))


def _found(model: nn.Module, name: str) -> Tensor:
    """A parameter or buffer as it is now."""
    *path, last = name.split(".")
    owner: Any = model
    for part in path:
        owner = getattr(owner, part)
    value: Tensor = getattr(owner, last)
    if isinstance(value, DTensor):
        raise InputError(
            f"{name} is sharded while the model runs: fully_shard was called on a part of it, "
            "whose forward a captured graph never calls; call fully_shard on the hardened model "
            "alone"
        )
    return value


def _ordered(model: Any, args: Any, kwargs: Any) -> tuple[Tensor, ...]:
    """The inputs in the order of the examples."""
    shared: Hardening = model._hardening
    names = model._evaluation.names
    if not shared.kwargs:
        given = [*args, *(kwargs[n] for n in names[len(args) :] if n in kwargs)]
        wanted, found = len(shared.args), len(args) + len(kwargs)
    else:
        named = {**dict(zip(names, args, strict=False)), **kwargs}
        given = [named[n] for n in shared.kwargs if n in named]
        wanted, found = len(shared.kwargs), len(args) + len(kwargs)
    if len(given) != wanted or found != wanted:
        raise InputError(
            f"the model was hardened for {wanted} inputs and is called with {found}; harden it "
            "with example inputs for all arguments that it is called with"
        )
    return tuple(given)


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


@cache
def _subclass(cls: Any) -> type[nn.Module]:
    return type(
        f"Hardened{cls.__name__}",
        (Hardened, cls),
        {"__module__": cls.__module__, "_plain_class": cls},
    )


def _moved(graph: TrainingGraph, fn: Any) -> TrainingGraph:
    """The graph with its constants where `fn` takes them, and what it makes made there."""
    sources = tuple(fn(s) if isinstance(s, Tensor) else s for s in graph.sources)
    where = fn(torch.zeros(1)).device
    module = copy.deepcopy(graph.module)
    for node in module.graph.nodes:
        if isinstance(node.kwargs.get("device"), torch.device):
            node.kwargs = {**node.kwargs, "device": where}
    module.recompile()
    return replace(graph, module=module, sources=sources)
