"""What it would bring to give x and h of a recurrent layer input ranges of their own.

python tools/input_ranges.py

Character LSTMs on simulated chips: the relative error of their outputs, the mean of three chips.
To fold is to scale x so that its range nears h's, and the rows of its weights back: with all of
the ratio both use all codes, and their weights share the conductances otherwise.
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

import hermesc
from hermesc.studies.networks.examples import CHARACTERS, text
from hermesc.studies.networks.learning import trained
from hermesc.studies.networks.models import CharacterLSTM
from hermesrt.chip.load import load_chip
from hermesrt.report.text.terminal import table

CHIPS = 3
EPOCHS = 80
HEADER = (
    "LSTM", "range of x, h", "one range", "half folded", "folded", "no rounding of inputs",
)  # fmt: skip


def networks() -> Iterator[tuple[str, CharacterLSTM, Tensor, Tensor]]:
    """A name, the network, calibration data and inputs: of the chip's own size, and a small one."""
    torch.manual_seed(0)
    x = torch.randint(0, 50, (32, 24))
    yield "128 + 504, untrained", CharacterLSTM(50, 504, 128), x[:16], x[16:]
    data = text(None)
    small = trained(CharacterLSTM(CHARACTERS, 128, 32), data, EPOCHS, 0)
    yield f"32 + 128, {EPOCHS} epochs", small, data.train[:64], data.test[:64]


def scaled(model: CharacterLSTM, factor: float) -> CharacterLSTM:
    """The same network, whose x is so many times as large and its weights as much smaller."""
    found = copy.deepcopy(model)
    with torch.no_grad():
        found.embedding.weight.mul_(factor)
        found.lstm.weight_ih_l0.div_(factor)
    return found


def error(model: CharacterLSTM, calibration: Tensor, x: Tensor, *off: str) -> float:
    """Relative error on chips without these effects."""
    chip = load_chip("hermes", [(f"effects.{name}", "off") for name in off])
    program = hermesc.compile(model, (calibration[:4],), chip=chip, calibration=(calibration,))
    total = 0.0
    with torch.no_grad():
        wanted = model(x)
        signal = (wanted - wanted.mean((0, 1))).norm()
        for seed in range(CHIPS):
            found = program.deploy(hermesc.simulate(chip, seed))(x)
            total += float((found - wanted).norm() / signal)
    return total / CHIPS


def row(name: str, model: CharacterLSTM, calibration: Tensor, x: Tensor) -> tuple[str, ...]:
    """A line of the table."""
    with torch.no_grad():
        of_x = model.embedding(calibration)
        ranges = [float(v.abs().amax()) for v in (of_x, model.lstm(of_x)[0])]
    ratio = ranges[1] / ranges[0]
    errors = [error(scaled(model, ratio**part), calibration, x) for part in (0, 0.5, 1)]
    errors.append(error(model, calibration, x, "input_code"))
    return name, "{:.2g}, {:.2g}".format(*ranges), *(f"{e:.3f}" for e in errors)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(table(HEADER, [row(n, m.eval(), c, x) for n, m, c, x in networks()]))


if __name__ == "__main__":
    main()
