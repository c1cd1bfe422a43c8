"""The loop of `hermesc train`: plain torch, the same bits for the same seed, resumable at any step.

The order of samples follows from seed and epoch, everything random in a step from seed and step,
so a checkpoint holds weights, the optimizer's state and two numbers. A loss that is not finite, or
that has grown beyond reason, stops the run; the last checkpoint is from before.
"""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hermesc.training.adversarial import second_loss
from hermesc.training.build import extras_of
from hermesc.training.checkpoint import Job, load_checkpoint, save_checkpoint
from hermesc.training.data import TrainingData, check_labels
from hermesc.training.evaluation import set_chip
from hermesc.training.hardening import hardening_of, state_of
from hermesc.training.lora import adapters
from hermesc.training.plain import plain_of
from hermesc.training.redraw import fix_features
from hermesrt.chip.spec import limits
from hermesrt.errors import InputError
from hermesrt.seeds import generator

_RISE = 0.05  # share of all steps over which a scheduled learning rate rises
_KEEP_S = 5.0  # between two checkpoints
_GROWN = 100.0  # times the first loss, when an epoch's mean says that the run diverges


class TrainingError(InputError):
    """The run cannot go on: what happened, where, and what to change."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Settings of the loop.

    epochs: passes over the samples.
    batch: samples of a step.
    learning_rate: the recipe multiplies it.
    optimizer: its name.
    momentum: of sgd.
    weight_decay: of either.
    patience: epochs without a smaller loss on the held-out samples before the run stops; 0 for
        never.
    seed: of the samples' order and of all noise.
    schedule: the learning rate stays, or rises over the first twentieth of all steps and then falls
        to 0 as half a cosine.
    largest_gradient: longer gradients of all parameters together shrink to this norm; 0 for none.
    """

    epochs: int = limits(1, 10**6, 10)
    batch: int = limits(1, 10**6, 128)
    learning_rate: float = limits(0.0, 1e6, 1e-3)
    optimizer: Literal["adam", "sgd"] = "adam"
    momentum: float = limits(0.0, 1.0, 0.9)
    weight_decay: float = limits(0.0, 10.0, 0.0)
    patience: int = limits(0, 10**6, 0)
    seed: int = limits(0, 2**63 - 1, 0)
    schedule: Literal["constant", "cosine"] = "constant"
    largest_gradient: float = limits(0.0, 1e9, 0.0)


@dataclass(slots=True)
class Progress:
    """Where a run is.

    step: steps done.
    steps: steps of all epochs.
    epoch: epochs done.
    loss: of the last step.
    tested: losses on the held-out samples, one an epoch.
    resumed: the step that a checkpoint was from; 0 without.
    stopped: whether it ended before its last epoch, for the loss did not fall any more.
    """

    step: int = 0
    steps: int = 0
    epoch: int = 0
    loss: float = math.nan
    tested: list[float] = field(default_factory=list)
    resumed: int = 0
    stopped: bool = False


def fit(
    model: Any,
    learned: TrainingData,
    tested: TrainingData,
    options: FitOptions,
    checkpoint: Path | None = None,
    observe: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Train a hardened model in place; at the end it holds the weights with the smallest loss on
    the held-out samples, where `patience` is given, else the last.

    Raises: TrainingError; InputError for labels that do not fit; ArtifactError for a checkpoint of
    another run.
    """
    set_chip(model, active=False)
    model.train()
    with torch.no_grad():
        first = outputs_of(plain_of(model).eval(), tested.take(torch.arange(1)))
        model.train()
    for part in (learned, tested):
        check_labels(part, first)
    run = _Run(model, learned, tested, options, checkpoint)
    run.resume()
    while not run.done:
        run.epoch(observe)
    run.finish()
    return run.progress


def outputs_of(model: Any, data: TrainingData, rows: int = 1024) -> Tensor:
    """The model's first output, some samples at a time."""
    parts = []
    for start in range(0, data.count, rows):
        found = model(**{n: t[start : start + rows] for n, t in data.inputs.items()})
        parts.append(found if isinstance(found, Tensor) else next(iter(_values(found))))
    return torch.cat(parts)


def _values(outputs: Any) -> Any:
    return outputs.values() if isinstance(outputs, dict) else outputs


class _Run:
    def __init__(
        self,
        model: Any,
        learned: TrainingData,
        tested: TrainingData,
        options: FitOptions,
        checkpoint: Path | None,
    ) -> None:
        self._model, self._learned, self._tested = model, learned, tested
        self._options, self._checkpoint = options, checkpoint
        recipe = hardening_of(model).recipe
        settings = f"{options} {hardening_of(model).chip.name} {extras_of(model)}"
        self._job = Job(_digest(model), repr(recipe), learned.sha256 + tested.sha256, settings)
        self._rate = options.learning_rate * recipe.learning_rate
        self._optimizer = _optimizer(model, options, self._rate)
        self._each = -(-learned.count // options.batch)
        self.progress = Progress(steps=self._each * options.epochs)
        own = state_of(model)  # the last draw of random features trains as long as each before
        own.redraw_until = self.progress.steps - own.redraw_every
        self._first = math.nan
        self._best: dict[str, Any] | None = None
        self._kept_at = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether no epoch is left."""
        return self.progress.stopped or self.progress.epoch >= self._options.epochs

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if self._checkpoint is None or not self._checkpoint.exists():
            return
        held = load_checkpoint(self._checkpoint, self._job)
        self._take(held["model"])
        self._optimizer.load_state_dict(held["optimizer"])
        self._best, self._first = held["best"], held["first"]
        progress = self.progress
        progress.step = progress.resumed = held["step"]
        progress.epoch, progress.tested = held["epoch"], list(held["tested"])
        progress.stopped = held["stopped"]

    def epoch(self, observe: Callable[[Progress], None]) -> None:
        """The steps of an epoch that are left, and the test after it."""
        options, progress = self._options, self.progress
        order = torch.randperm(
            self._learned.count, generator=generator(options.seed, "order", progress.epoch)
        )
        batches = torch.split(order, options.batch)
        for rows in batches[progress.step - progress.epoch * self._each :]:
            self._step(self._learned.take(rows))
            observe(progress)
            if time.monotonic() - self._kept_at > _KEEP_S:
                self._keep()
        self._test()
        progress.epoch += 1
        self._keep()

    def _step(self, batch: TrainingData) -> None:
        model, progress = self._model, self.progress
        torch.manual_seed(generator(self._options.seed, "step", progress.step).initial_seed())
        self._optimizer.zero_grad()
        found = model(**batch.inputs)
        outputs = found if isinstance(found, Tensor) else next(iter(_values(found)))
        loss = batch.loss(outputs)
        loss = loss + second_loss(model, batch.inputs, outputs, classes=batch.classes)
        progress.loss = float(loss.detach())
        if not math.isfinite(progress.loss):
            raise self._not_finite(batch)
        if math.isnan(self._first):
            self._first = progress.loss
        if progress.loss > _GROWN * max(self._first, 1.0):
            raise TrainingError(
                f"step {progress.step + 1}: the loss has grown from {self._first:.3g} to "
                f"{progress.loss:.3g}; the learning rate {self._options.learning_rate:g} is too "
                f"high{self._kept_words()}"
            )
        loss.backward()
        if self._options.largest_gradient:
            nn.utils.clip_grad_norm_(model.parameters(), self._options.largest_gradient)
        self._set_rate()
        self._optimizer.step()
        progress.step += 1

    def _set_rate(self) -> None:
        """The learning rate of this step, from its number alone."""
        if self._options.schedule == "constant":
            return
        share = self.progress.step / self.progress.steps
        factor = min(1.0, (share + 1 / self.progress.steps) / _RISE)
        factor *= (1 + math.cos(math.pi * share)) / 2
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * factor

    def _test(self) -> None:
        model, progress, patience = self._model, self.progress, self._options.patience
        model.eval()
        with torch.no_grad():
            loss = float(self._tested.loss(outputs_of(model, self._tested)))
        model.train()
        best = min(progress.tested, default=math.inf)
        progress.tested.append(loss)
        if loss < best and patience:
            self._best = _state(model)
        places = [i for i, v in enumerate(progress.tested) if v == min(progress.tested)]
        progress.stopped = bool(patience) and len(progress.tested) - 1 - places[0] >= patience

    def finish(self) -> None:
        """The best weights, where patience was asked for."""
        if self._best is not None:
            self._take(self._best)
        fix_features(self._model)
        self._model.eval()

    def _keep(self) -> None:
        if self._checkpoint is None:
            return
        progress = self.progress
        state = {
            "model": _state(self._model),
            "optimizer": self._optimizer.state_dict(),
            "best": self._best,
            "first": self._first,
            "step": progress.step,
            "epoch": progress.epoch,
            "tested": progress.tested,
            "stopped": progress.stopped,
        }
        save_checkpoint(self._checkpoint, self._job, state)
        self._kept_at = time.monotonic()

    def _take(self, state: dict[str, Any]) -> None:
        model = self._model
        model.load_state_dict(state["weights"])
        with torch.no_grad():
            state_of(model).step.copy_(state["noise_step"])
            for own, value in zip(_beside(model), state["beside"], strict=True):
                own.copy_(value)

    def _not_finite(self, batch: TrainingData) -> TrainingError:
        where = first_not_finite(self._model, batch) or "the loss itself"
        return TrainingError(
            f"step {self.progress.step + 1}: the loss is {self.progress.loss}; the first values "
            f"that are not finite are in {where}; lower the learning rate "
            f"({self._options.learning_rate:g}) or look at the data{self._kept_words()}"
        )

    def _kept_words(self) -> str:
        kept = self._checkpoint is not None and self._checkpoint.exists()
        return f"; the last good checkpoint is {self._checkpoint}" if kept else ""


def first_not_finite(model: Any, batch: TrainingData) -> str | None:
    """The first parameter or layer of the plain model whose values are not finite."""
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            return str(name)
    found: list[str] = []
    plain = plain_of(model)

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
                found.append(name)

        return hook

    hooks = [m.register_forward_hook(watch(n)) for n, m in plain.named_modules() if n]
    try:
        with torch.no_grad():
            plain(**batch.inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return next(iter(found), None)


def _optimizer(model: Any, options: FitOptions, rate: float) -> torch.optim.Optimizer:
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise InputError("the model has no parameter to train; set requires_grad on some")
    decay = options.weight_decay
    if options.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, options.momentum, weight_decay=decay)
    return torch.optim.Adam(parameters, rate, weight_decay=decay)


def _state(model: Any) -> dict[str, Any]:
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    beside = [value.detach().clone() for value in _beside(model)]
    return {"weights": weights, "beside": beside, "noise_step": state_of(model).step.clone()}


def _beside(model: Any) -> list[Tensor]:
    """What trains and is not in the state dictionary: ranges, and the matrices of adapters."""
    return [*state_of(model).limits, *(p for pair in adapters(model).values() for p in pair)]


def _digest(model: nn.Module) -> str:
    found = hashlib.sha256(type(model).__name__.encode())
    for name, value in model.state_dict().items():
        found.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        found.update(
            value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return found.hexdigest()
