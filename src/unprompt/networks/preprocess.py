"""What a network sees of an image: one central square at one size, the same in training and prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unprompt.errors import ConfigError
from unprompt.storage.images import central_square

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

LONGEST = 64  # times the short side, of what is scaled before its middle is cut out


def without_far_ends(image: Image.Image, ratio: int = LONGEST) -> Image.Image:
    """The middle of a very long image, of which a model that crops sees no more than the middle square.

    Without this, a line of one pixel's height would be scaled to a picture that fits into no memory. `ratio`:
    the longest side that is left, in short sides.
    """
    longest = ratio * min(image.size)
    width, height = min(image.width, longest), min(image.height, longest)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image if (width, height) == image.size else image.crop((left, top, left + width, top + height))


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes a network's input.

    `size`: side in pixels. `crop`: share of the short side that is seen, around the centre. `mean`, `std`: of
    each channel, on a scale of 0 to 1.
    """

    size: int
    crop: float = 1.0
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(float(value) for value in self.mean))
        object.__setattr__(self, "std", tuple(float(value) for value in self.std))
        if self.size < 1:
            raise ConfigError(f"size must be at least 1 pixel, got {self.size}")
        if not 0 < self.crop <= 1:
            raise ConfigError(f"crop must be above 0 and at most 1, got {self.crop}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError(f"mean and std need three values, std above 0; got {self.mean}, {self.std}")

    def fit(self, image: Image.Image) -> NDArray[np.uint8]:
        """The central square at the network's size: RGB image -> (size, size, 3) uint8."""
        return central_square(image, self.size, self.crop)

    def normalise(self, pixels: Any) -> Any:
        """Tensor (B, size, size, 3) uint8 -> (B, 3, size, size) float32, channels last in memory."""
        import torch

        mean = torch.tensor(self.mean, device=pixels.device).mul_(255)
        std = torch.tensor(self.std, device=pixels.device).mul_(255)
        return pixels.to(torch.float32).sub_(mean).div_(std).permute(0, 3, 1, 2)
