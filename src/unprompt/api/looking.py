"""Pictures of requests before the models: one decoded at a time, and the fault of one is no other's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from unprompt.api.base64_pictures import decode
from unprompt.api.errors import TooLittleMemoryError
from unprompt.errors import NoMemoryError, UnpromptError, UnreadableImageError
from unprompt.networks.devices import is_out_of_memory

LOG = logging.getLogger(__name__)
# What looking at a picture may raise by what the picture is, and not by how the server was set up.
FAULTS = (UnreadableImageError, NoMemoryError, MemoryError, ValueError, ArithmeticError, RuntimeError)


class Pictures(Sequence[Image.Image]):
    """Files that are decoded when they are asked for; in place of one that cannot be, a grey pixel.

    `problems`: why, by its place.
    """

    def __init__(self, contents: Sequence[bytes]) -> None:
        self.problems: dict[int, UnpromptError] = {}
        self._contents = contents

    def __len__(self) -> int:
        return len(self._contents)

    def __getitem__(self, place: Any) -> Any:
        try:
            return decode(self._contents[place])
        except UnreadableImageError as error:
            self.problems[place] = error
            return Image.new("RGB", (1, 1), "grey")


def look_at_each(look: Callable[[Sequence[Image.Image]], Any], contents: Sequence[bytes]) -> list[Any]:
    """What is seen of each file, or why nothing is; where looking fails, each is looked at alone."""
    pictures = Pictures(contents)
    try:
        found = list(look(pictures))
    except FAULTS as error:
        if len(contents) > 1:
            return [one for content in contents for one in look_at_each(look, [content])]
        if 0 in pictures.problems:
            return [pictures.problems[0]]
        if isinstance(error, UnreadableImageError):
            return [error]
        if is_out_of_memory(error):
            return [TooLittleMemoryError("not enough memory for it now; send a smaller one, or later")]
        LOG.exception("an image of %d x %d pixels cannot be looked at", *pictures[0].size)
        return [UnreadableImageError(f"the models cannot look at it ({type(error).__name__})")]
    return [pictures.problems.get(place, one) for place, one in enumerate(found)]
