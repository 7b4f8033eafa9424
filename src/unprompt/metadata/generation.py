"""What a picture's file says of how it was painted: one record for all programs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unprompt.storage.damage import DAMAGED_JSON

MOST_CHARACTERS = 1 << 22  # of one text; the graphs of ComfyUI have up to a tenth of that
LARGEST_SEED = 2**64 - 1
LARGEST_SIDE = 1 << 20  # pixels

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NUMBER = re.compile(r"\s*(-?\d{1,20}(?:\.\d{0,20})?)\s*", re.ASCII)
_SIZE = re.compile(r"[(\[]?(\d{1,7})\s*[x×,*]\s*(\d{1,7})[)\]]?", re.ASCII)


@dataclass(frozen=True)
class Generation:
    """A prompt that was read from a file, and what stands with it; what the file does not say is None or "".

    `prompt` and `negative` are as they were written, with their weights and line breaks. `size`: width and
    height as asked for, which an upscaler may have multiplied. `tool`: the program, where it can be told.
    `place`: where in the file it stands. `others`: all other settings, as texts by their names.
    """

    prompt: str
    negative: str = ""
    seed: int | None = None
    size: tuple[int, int] | None = None
    sampler: str = ""
    steps: int | None = None
    cfg: float | None = None
    model: str = ""
    model_hash: str = ""
    tool: str = ""
    place: str = ""
    others: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON can hold it."""
        return {**vars(self), "size": list(self.size) if self.size else None, "others": dict(self.others)}


def text_of(value: object) -> str:
    """A value as a text that can be printed and written anywhere; "" for what is no text and no number.

    Line breaks are `\\n`; other control characters, which a terminal would obey, and halves of characters go.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    try:
        written = str(value)[:MOST_CHARACTERS]
    except ValueError:  # an integer of thousands of digits
        return ""
    return _UNSEEN.sub("", written.replace("\r\n", "\n").replace("\r", "\n")).strip()


def number_of(value: object) -> float | None:
    """A number, or a text that is one, if it is finite and has no more digits than settings have."""
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value)
        value = float(found[1]) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole_of(value: object, most: int = LARGEST_SEED) -> int | None:
    """A whole number from 0 to `most`, or a text that is one; exact, as seeds have up to 20 digits."""
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"\s*\d{1,20}\s*", value, re.ASCII) else number_of(value)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None


def size_of(width: object, height: object = None) -> tuple[int, int] | None:
    """Width and height from two numbers, or from one text such as "512x768" or "(512, 768)"."""
    if height is None and isinstance(width, str):
        found = _SIZE.fullmatch(width.strip())
        width, height = (found[1], found[2]) if found else (None, None)
    elif height is None and isinstance(width, list | tuple) and len(width) == 2:
        width, height = width
    sides = whole_of(width, LARGEST_SIDE), whole_of(height, LARGEST_SIDE)
    return (sides[0], sides[1]) if sides[0] and sides[1] else None


def json_of(text: object) -> Any:
    """What a text of JSON says, NaN and infinities allowed; None where it is none, too long or too deep."""
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        return None
    try:
        return json.loads(text.strip("\0 \t\r\n"))
    except DAMAGED_JSON:
        return None


def object_of(value: object) -> dict[str, Any]:
    """A JSON object, or a text of one; {} for anything else."""
    found = json_of(value) if isinstance(value, str) else value
    return found if isinstance(found, dict) else {}
