"""Which space a bundle's cosines are in: known by what it makes of one drawn picture and a few texts.

A sigmoid fitted to the cosines of one CLIP says nothing about another's. Names do not tell them apart, since
a bundle is a file that can be changed and a checkpoint one that can be exchanged; their cosines do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image

from unprompt.errors import ConfigError

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.easy_diffuser.relatedness import Relatedness

TEXTS = ("a dog", "a city at night", "an abstract painting", "a red circle", "a photo of food")
SIDE = 224
_SPACES: WeakKeyDictionary[LoadedBundle, tuple[float, ...]] = WeakKeyDictionary()
SAME = 0.01  # of a cosine: devices and number types differ by less, models by more


def known_picture() -> Image.Image:
    """A red disc before a background that turns from green to blue."""
    down, across = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1)
    pixels = np.stack([0.2 * down, 1 - across, across], axis=2)  # (S, S, 3)
    pixels[(down - 0.5) ** 2 + (across - 0.5) ** 2 < 0.1] = (0.9, 0.1, 0.1)
    return Image.fromarray(np.rint(255 * pixels).astype(np.uint8))


def space_of(loaded: LoadedBundle) -> tuple[float, ...]:
    """The cosines of the known picture with the known texts; a loaded bundle is asked once."""
    if loaded not in _SPACES:
        _SPACES[loaded] = _space_of(loaded)
    return _SPACES[loaded]


def _space_of(loaded: LoadedBundle) -> tuple[float, ...]:
    return tuple(round(float(cosine), 4) for cosine in loaded.likeness([known_picture()], TEXTS)[0])


def check_space(relatedness: Relatedness, loaded: LoadedBundle) -> None:
    """Raise ConfigError where a relatedness was fitted to cosines of another space than the bundle's."""
    here = space_of(loaded)
    if len(here) != len(relatedness.space) or not np.allclose(here, relatedness.space, rtol=0, atol=SAME):
        raise ConfigError(
            f"this relatedness was fitted with the bundle '{relatedness.bundle}', whose cosines are not "
            f"those of the bundle '{loaded.bundle.name}' here; fit one with: "
            f"unprompt easy-diffuser fit DATASET --bundle {loaded.bundle.name} --out FILE.json"
        )
