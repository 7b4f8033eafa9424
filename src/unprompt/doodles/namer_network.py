"""Networks that name drawings: our own, and DoodleNet's layers. Torch modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unprompt.doodles.namer_config import TIMM, NamerConfig
from unprompt.errors import ConfigError


def build(config: NamerConfig) -> nn.Module:
    """Ink (B, 1, side, side) of 0 to 1 -> logits (B, words). ConfigError for no name of timm's."""
    if config.architecture == "doodlenet":
        return DoodleNet(len(config.words), config.side)
    if config.architecture.startswith(TIMM):
        import timm

        name = config.architecture.removeprefix(TIMM)
        if not timm.is_model(name):
            raise ConfigError(f"timm has no model '{name}'; its names are those of timm.list_models()")
        network: nn.Module = timm.create_model(name, in_chans=1, num_classes=len(config.words))
        return network
    return Residual(len(config.words), config.side, config.filters)


class Residual(nn.Module):  # type: ignore[misc]
    """Our own: a residual network (He et al. 2016) of three stages, each of half the side and twice as wide.

    The last map is not averaged but read as it lies, since where lines are tells drawings apart.
    """

    def __init__(self, words: int, side: int, filters: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(1, filters)]
        width = filters
        for _ in range(3):
            layers += [_convolution(width, 2 * width, 2), _Block(2 * width)]
            width, side = 2 * width, (side + 1) // 2
        self.look = nn.Sequential(*layers)
        self.say = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(width * side * side, words))

    def forward(self, ink: Tensor) -> Tensor:
        """Logits (B, words)."""
        logits: Tensor = self.say(self.look(ink.contiguous(memory_format=torch.channels_last)))
        return logits


class DoodleNet(nn.Module):  # type: ignore[misc]
    """Yining Shi's DoodleNet (MIT): six 3 x 3 convolutions, a hidden layer of 512 by tanh, and the words."""

    WIDTHS = (16, 16, 32, 32, 64, 64)  # a maximum of 2 x 2 follows each second one
    HIDDEN = 512

    def __init__(self, words: int, side: int) -> None:
        super().__init__()
        before = (1, *self.WIDTHS)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before[n], width, 3, padding=1) for n, width in enumerate(self.WIDTHS)
        )
        self.hidden = nn.Linear(self.WIDTHS[-1] * (side // 8) ** 2, self.HIDDEN)
        self.say = nn.Linear(self.HIDDEN, words)

    def forward(self, ink: Tensor) -> Tensor:
        """Logits (B, words)."""
        for number, convolution in enumerate(self.convolutions):
            ink = torch.relu(convolution(ink))
            if number % 2:
                ink = nn.functional.max_pool2d(ink, 2)
        logits: Tensor = self.say(torch.tanh(self.hidden(ink.flatten(1))))
        return logits


class _Block(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, seen: Tensor) -> Tensor:
        return torch.relu(seen + self.second(self.first(seen)))


def _convolution(before: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
