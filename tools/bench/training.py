"""Cost of a training step for the chip against the plain step.

Prints, for each model and recipe, the CPU time of forward, backward and an SGD step as a ratio to
the same of the plain model, one thread, median of interleaved rounds; aihwkit-lightning's beside
where it is installed. Then the memory of such a step, also as a ratio: the model's tensors, and the
most that the step allocates at a time, by torch's profiler.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import clock  # before torch: it sets the number of threads
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from hermesc.training import (
    RECIPES,
    InputCode,
    OutputCode,
    OutputNoise,
    Recipe,
    WeightNoise,
    harden,
)

CODES = Recipe(
    "codes", weights=WeightNoise("largest", 0.04), inputs=InputCode(), outputs=OutputCode(),
    output_noise=OutputNoise(0.04),
)  # fmt: skip
SHOWN = {"joshi": RECIPES["joshi"], "codes": CODES, "paper": RECIPES["paper"],
         "rasch": RECIPES["rasch"], "chip": RECIPES["chip"]}  # fmt: skip


class Performer(nn.Module):
    """Two layers of the Long Range Arena's size: d 64, 2 heads, 128 projections, ffn 128."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(256, 64), nn.Linear(64, 2)
        self.layers = nn.ModuleList(Layer() for _ in range(2))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [batch, classes] of tokens [batch, length]."""
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1))


class Layer(nn.Module):
    """Attention by positive random features, and a feed-forward net."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(64, 64) for _ in range(4))
        self.wide, self.narrow = nn.Linear(64, 128), nn.Linear(128, 64)
        self.first, self.second = nn.LayerNorm(64), nn.LayerNorm(64)
        self.register_buffer("omega", torch.randn(32, 128))

    def features(self, x: Tensor) -> Tensor:
        """exp(+-w x - x^2 / 2) of each head."""
        x = x.unflatten(-1, (2, 32)).transpose(1, 2) * 32**-0.25
        y, half = x @ self.omega, x.square().sum(-1, keepdim=True) / 2
        return torch.cat([torch.exp(y - half), torch.exp(-y - half)], -1) * 256**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        z = self.first(x)
        q, k = self.features(self.query(z)), self.features(self.key(z))
        v = self.value(z).unflatten(-1, (2, 32)).transpose(1, 2)
        weights = (q @ k.sum(-2).unsqueeze(-1)) + 1e-6
        y = (q @ (k.transpose(-1, -2) @ v)) / weights
        x = x + self.out(y.transpose(1, 2).flatten(2))
        hidden = functional.gelu(self.wide(self.second(x)))
        return x + self.narrow(hidden)


class ResNet9(nn.Module):
    """The chip's own network: widths 56 to 224, 1.9 million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.wide = _block(3, 56), _block(56, 112)
        self.first = nn.Sequential(_block(112, 112), _block(112, 112))
        self.third, self.second = (
            _block(112, 224),
            nn.Sequential(_block(224, 224), _block(224, 224)),
        )
        self.last, self.head = _block(224, 224), nn.Linear(224, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, 10] of images [batch, 3, 32, 32]."""
        x = functional.max_pool2d(self.wide(self.stem(x)), 2)
        x = functional.max_pool2d(self.third(x + self.first(x)), 2)
        x = functional.max_pool2d(self.last(x + self.second(x)), 2)
        return self.head(x.amax((2, 3)))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class Sequence(nn.Module):
    """An LSTM of 256 units on 64 inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.LSTM(64, 256, batch_first=True), nn.Linear(256, 50)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the last step."""
        return self.head(self.layer(x)[0][:, -1])


def mlp() -> nn.Module:
    """784-512-512-10."""
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor], int]] = {
    "MLP 784-512-512-10, batch 128": (mlp, lambda: torch.randn(128, 784), 10),
    "LRA Performer, 8 x 512 tokens": (Performer, lambda: torch.randint(0, 256, (8, 512)), 2),
    "ResNet-9, batch 16": (ResNet9, lambda: torch.randn(16, 3, 32, 32), 10),
    "LSTM 64-256, 16 x 64 steps": (Sequence, lambda: torch.randn(16, 64, 64), 50),
}


def main() -> None:
    """One line a model, for time and for memory."""
    print("CPU time of a training step relative to the plain step, one thread")
    names = [*SHOWN, *(["lightning"] if find_spec("aihwkit_lightning") else [])]
    head = f"{'model':>32} {'plain':>9} " + " ".join(f"{n:>9}" for n in names)
    print(head)
    memory = []
    for name, (make, draw, classes) in MODELS.items():
        torch.manual_seed(0)
        model, x = make(), draw()
        labels = torch.randint(0, classes, (len(x),))
        jobs = {"plain": Step(make(), x, labels)}
        for recipe in SHOWN:
            jobs[recipe] = Step(harden(model, x, recipe=SHOWN[recipe]), x, labels)
        if find_spec("aihwkit_lightning"):
            jobs["lightning"] = Step(_lightning(make()), x, labels)
        times = clock.medians(jobs)
        held = {n: job.memory() for n, job in jobs.items()}
        ratios = " ".join(f"{held[n] / held['plain']:>9.2f}" for n in names)
        memory.append(f"{name:>32} {held['plain'] / 2**20:>6.1f} MB {ratios}")
        ratios = " ".join(f"{times[n] / times['plain']:>9.2f}" for n in names)
        print(f"{name:>32} {times['plain'] * 1000:>6.1f} ms {ratios}")
    print("\n".join(["memory of a training step relative to the plain step", head, *memory]))
    if not find_spec("aihwkit_lightning"):
        print("aihwkit-lightning is not installed here, so its ratio is not shown")


class Step:
    """One step of SGD."""

    def __init__(self, model: Any, x: Tensor, labels: Tensor) -> None:
        self._model, self._x, self._labels = model, x, labels
        self._optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def __call__(self) -> None:
        self._optimizer.zero_grad()
        functional.cross_entropy(self._model(self._x), self._labels).backward()
        self._optimizer.step()

    def memory(self) -> int:
        """Bytes of the model's tensors, and the most that the step holds besides at a time."""
        self._optimizer.zero_grad()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            self()
        found = profiled.profiler
        assert found is not None and found.kineto_results is not None
        changes = [e for e in found.kineto_results.events() if e.name() == "[memory]"]
        now = most = 0
        for change in sorted(changes, key=lambda e: e.start_ns()):
            now += change.nbytes()
            most = max(most, now)
        tensors = [*self._model.parameters(), *self._model.buffers()]
        return most + sum(t.numel() * t.element_size() for t in tensors)


def _lightning(model: nn.Module) -> Any:
    from aihwkit_lightning.nn.conversion import convert_to_analog
    from aihwkit_lightning.simulator.configs import TorchInferenceRPUConfig, WeightModifierType

    config = TorchInferenceRPUConfig()
    config.forward.inp_res, config.forward.out_noise = 2**8 - 2, 0.04
    config.modifier.type, config.modifier.std_dev = WeightModifierType.ADD_NORMAL, 0.04
    config.pre_post.input_range.enable = True
    return convert_to_analog(model, config)


if __name__ == "__main__":
    main()
