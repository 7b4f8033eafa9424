"""A backbone that needs no model: an image's features are its colours at 4 x 4 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

SIDE = 4


class Thumbnails:
    """Features (B, 48), not unit rows. Its identity is whatever a test gives it."""

    name = "thumbnails"
    batch = 4

    def __init__(self, identity: str = "thumbnails 1") -> None:
        self.identity = identity
        self.seen = 0

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.asarray(image.resize((SIDE, SIDE)))

    def features(self, prepared: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        self.seen += len(prepared)
        return np.stack(prepared).reshape(len(prepared), -1).astype(np.float32) - 100
