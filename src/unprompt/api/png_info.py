"""The web UI's png-info: what a picture's file says of how it was painted, in the web UI's words."""

from __future__ import annotations

import io

from unprompt.api.contract import PngInfoAnswer
from unprompt.errors import UnreadableImageError
from unprompt.metadata.a1111 import read_settings, write_parameters, write_settings
from unprompt.metadata.carriers import Carried, read_carried
from unprompt.metadata.generation import Generation
from unprompt.metadata.reading import read_generation_of


def read_png_info(content: bytes) -> PngInfoAnswer:
    """A picture's file -> its texts. Raises UnreadableImageError for what is no picture.

    `info` is as it stands in the file where the web UI wrote it, else written anew from what another program
    did. Pixels are looked into only where there is an alpha channel that may hide a text.
    """
    try:
        carried = read_carried(io.BytesIO(content))
        generation = read_generation_of(content, thorough=False)
    except UnreadableImageError as error:
        raise UnreadableImageError(f"the picture cannot be read: {error}") from None
    items = {name: text for name, text in {**carried.texts, **carried.exif}.items() if name != "parameters"}
    if generation is None:
        return PngInfoAnswer(info="", items=items, parameters={})
    return PngInfoAnswer(info=_info(carried, generation), items=items, parameters=_parameters(generation))


def _info(carried: Carried, generation: Generation) -> str:
    """The web UI's own text where it is that which was read."""
    written = {
        "PNG text parameters": carried.texts.get("parameters", ""),
        "EXIF UserComment": carried.exif.get("UserComment", ""),
    }.get(generation.place, "")
    return written if written and not written.lstrip().startswith("{") else write_parameters(generation)


def _parameters(generation: Generation) -> dict[str, str]:
    """The record under the web UI's names, a size also as two numbers."""
    parts = {"Prompt": generation.prompt, "Negative prompt": generation.negative}
    parts |= read_settings(write_settings(generation))
    if generation.size:
        parts["Size-1"], parts["Size-2"] = map(str, generation.size)
    return parts
