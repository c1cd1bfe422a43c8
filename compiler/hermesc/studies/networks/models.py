"""The networks that the chip's own publication ran: ResNet-9, a character and a caption LSTM.

Sizes follow from the published numbers of weights and cores; the ResNet's widths are the only
multiples of four that fit, the splits of the LSTMs are not proved to be the only ones.
Source: Le Gallo et al., Nature Electronics 6, 680 (2023).
"""

from jaxtyping import Float, Int
from torch import Tensor, nn


class ResNet9(nn.Module):
    """Nine layers with weights, two residual blocks; 1,866,536 weights as published.

    width: channels of the first layer; the others have two or four times as many.
    classes: outputs.
    channels: of the images.
    """

    def __init__(self, width: int = 56, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        middle, wide = 2 * width, 4 * width
        self.first, self.second = _unit(channels, width), _unit(width, middle, nn.MaxPool2d(2))
        self.one = nn.Sequential(_unit(middle, middle), _unit(middle, middle))
        self.third = _unit(middle, wide, nn.MaxPool2d(2))
        self.fourth = _unit(wide, wide, nn.MaxPool2d(2))
        self.two = nn.Sequential(_unit(wide, wide), _unit(wide, wide))
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.head = nn.Linear(wide, classes, bias=False)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Class scores."""
        x = self.second(self.first(x))
        x = x + self.one(x)
        x = self.fourth(self.third(x))
        x = x + self.two(x)
        scores: Tensor = self.head(self.pool(x).flatten(1))
        return scores


def _unit(inputs: int, outputs: int, *more: nn.Module) -> nn.Sequential:
    """A 3x3 convolution, batch norm, ReLU."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), *more)


class CharacterLSTM(nn.Module):
    """Scores of the next character, by one LSTM; 1,299,312 weights on crossbars as published.

    characters: how many there are; their embedding stays on the host.
    hidden: units of the LSTM.
    embedded: its inputs.
    """

    def __init__(self, characters: int = 50, hidden: int = 504, embedded: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, embedded)
        self.lstm = nn.LSTM(embedded, hidden, batch_first=True)
        self.head = nn.Linear(hidden, characters)

    def forward(self, text: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time characters"]:
        """Scores after each character."""
        scores: Tensor = self.head(self.lstm(self.embedding(text))[0])
        return scores


class CaptionLSTM(nn.Module):
    """Scores of a caption's next word, by one LSTM that begins with the image; 4,080,384 weights
    on crossbars as published. The network that sees the image ran elsewhere.

    words: how many there are; their embedding stays on the host.
    hidden: units of the LSTM, and its inputs.
    """

    def __init__(self, words: int = 4064, hidden: int = 504) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, words)

    def forward(
        self, image: Float[Tensor, "batch hidden"], caption: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time words"]:
        """Scores after each word."""
        state = image[None]
        hidden = self.lstm(self.embedding(caption), (state, state.tanh()))[0]
        scores: Tensor = self.head(hidden)
        return scores
