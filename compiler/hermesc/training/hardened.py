"""A user's module that computes what the chip would while it trains.

`harden` copies the model and makes the copy an instance of a subclass of its own class, whose
forward runs the captured training graph with the chip at its products. In evaluation it is the
model compiled with the weights of the moment, on a simulated chip; see `evaluation`.
"""

import copy
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from hermesc.frontend.torch.lifted import lifted
from hermesc.training.clipping import clip_after_steps
from hermesc.training.evaluation import Evaluation, on_chip
from hermesc.training.hardening import Hardening, hardening_of
from hermesc.training.plain import plain_of, stored_names, tensor_named
from hermesc.training.redraw import redraw_at, warn_of_redraw
from hermesc.training.rewrite import TrainingGraph, rewritten
from hermesc.training.state import TrainingState
from hermesrt.errors import InputError


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

    def train(self, mode: bool = True) -> Self:
        """As the user's model; modules that were in evaluation when it was hardened, such as a
        frozen batch norm, stay there, whichever loop calls this."""
        super().train(mode)
        for name in self._hardening.frozen if mode else ():
            self.get_submodule(name).eval()
        return self

    @property
    def hermesc_notes(self) -> tuple[str, ...]:
        """What a user should know of how it trains and compiles."""
        return self._hardening.notes

    def hermesc_trained(self) -> tuple[nn.Module, dict[str, float]]:
        """What `compile` takes: the plain model with the weights of the moment, and the learned
        ranges."""
        warn_of_redraw(self)
        return copy.deepcopy(plain_of(self)), self._hermesc.ranges()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        new = self.__class__.__new__(self.__class__)
        memo[id(self)] = new
        shared = {k: self.__dict__[k] for k in ("_hardening", "_graphs")}
        for key, value in self.__dict__.items():
            if key not in (*shared, "_evaluation"):
                new.__dict__[key] = copy.deepcopy(value, memo)
        new.__dict__.update(shared)
        finish(new, replace_of(self._evaluation))
        return new

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._graphs = {flags: _moved(g, fn) for flags, g in self._graphs.items()}
        return self


def _trained(model: Hardened, args: Any, kwargs: Any) -> Any:
    shared = model._hardening
    if model._hermesc.redraw_every:
        redraw_at(model, shared.device.seed)
    if shared.recipe.idle:
        if model._hermesc.redraw_every:
            model._hermesc.step.add_(1)
        return super(Hardened, model).forward(*args, **kwargs)
    graph = _graph(model)
    state = [tensor_named(model, s) if isinstance(s, str) else s for s in graph.sources]
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
    flags = flags_of(model)
    if flags not in model._graphs:
        model._graphs[flags] = captured(model)
    return model._graphs[flags]


def flags_of(model: nn.Module) -> tuple[bool, ...]:
    return tuple(m.training for m in model.modules())


def captured(model: Any) -> TrainingGraph:
    shared = hardening_of(model)
    plain = plain_of(model)
    exported = lifted(plain, shared.args, shared.kwargs, shared.source.dynamic_shapes)
    plan = shared.plan
    return rewritten(exported, plan.products, plan.recurrent, shared.recipe, shared.device)


def finish(model: Any, evaluation: Evaluation) -> None:
    """What every copy needs: a chip to evaluate on, and its clip after optimizer steps."""
    evaluation.attach(model)
    model.__dict__["_evaluation"] = evaluation
    clip = hardening_of(model).recipe.clip
    if clip is not None and hardening_of(model).source.programmed is None:
        clip_after_steps(model, stored_names(model), clip.deviations)


def replace_of(evaluation: Evaluation) -> Evaluation:
    """Another evaluation with the same settings."""
    return Evaluation(evaluation.seed, evaluation.age_s, evaluation.method, evaluation.active)


def _ordered(model: Any, args: Any, kwargs: Any) -> tuple[Tensor, ...]:
    """The inputs in the order of the examples."""
    shared = hardening_of(model)
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
