"""The text that the A1111 web UI writes, and with it Forge, SD.Next, Fooocus and many others.

    a lighthouse at dusk, (warm light:1.2)
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model: "demo, v2"

A prompt may have many lines, and one of them may look like the settings: these are the last such line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json import JSONDecoder

from unprompt.metadata.generation import Generation, number_of, size_of, text_of, whole_of
from unprompt.storage.damage import DAMAGED_JSON

NEGATIVE = "Negative prompt:"
MOST_SETTINGS = 1000  # of a line; no more lines are read where so many are known
LEAST_SETTINGS = 3  # as A1111 has it: fewer in a line are words of a prompt
KNOWN = frozenset(
    {"steps", "sampler", "cfg scale", "seed", "size", "model", "model hash", "version", "guidance scale"}
)

_NAME = re.compile(r"[\s,]*(\w[\w \-/.]{0,60}):\s*")
_QUOTED = re.compile(r'"(?:\\.|[^\\"])*"')
_ENDED = re.compile(r"\s*(,|$)")  # so a value does
_FIRST = re.compile(r"\s*steps:\s*\d", re.IGNORECASE)


def parse_parameters(text: str) -> Generation | None:
    """The record in a text of A1111's form; None for an empty one.

    A text without settings is a prompt with, perhaps, a negative one.
    """
    lines = text_of(text).split("\n")
    row, settings = _find_settings(lines)
    prompt, negative = _split(lines[:row])
    if not (prompt or negative or settings):
        return None
    return _record(prompt, negative, settings)


def write_parameters(generation: Generation) -> str:
    """The text of A1111's form that says a record, and from which `parse_parameters` reads it again."""
    lines = [generation.prompt]
    if generation.negative:
        lines.append(f"{NEGATIVE} {generation.negative}")
    return "\n".join(filter(None, (*lines, write_settings(generation))))


def write_settings(generation: Generation) -> str:
    """The line of settings; "" where none is known."""
    size = generation.size
    settings: dict[str, object] = {
        "Steps": generation.steps,
        "Sampler": generation.sampler,
        "CFG scale": None if generation.cfg is None else f"{generation.cfg:g}",
        "Seed": generation.seed,
        "Size": f"{size[0]}x{size[1]}" if size else "",
        "Model hash": generation.model_hash,
        "Model": generation.model,
        **generation.others,
    }
    return ", ".join(
        f"{name}: {_quote(str(value))}" for name, value in settings.items() if value not in (None, "")
    )


def _quote(value: str) -> str:
    """As A1111 does it: in quotes where a comma, a colon or a line break would end the value."""
    return json.dumps(value, ensure_ascii=False) if any(sign in value for sign in ',:\n"') else value


def has_settings(text: str) -> bool:
    """Whether a text has a line of settings, as no description of a photograph has."""
    return bool(_find_settings(text_of(text).split("\n"))[1])


def _find_settings(lines: list[str]) -> tuple[int, dict[str, str]]:
    """Where the line of settings is, and what it says; behind the last line, and {}, where there is none.

    Extensions may have written lines after it, which belong to the settings.
    """
    last = len(lines) - 1
    for row in range(last, -1, -1):
        if row < last and lines[row + 1].startswith(NEGATIVE):
            break  # what stands before the negative prompt is prompt
        if row < last and not _FIRST.match(lines[row]):
            continue
        settings = read_settings(lines[row])
        if len(settings) >= LEAST_SETTINGS and KNOWN & {name.lower() for name in settings}:
            for line in lines[row + 1 :]:
                if len(settings) >= MOST_SETTINGS:
                    break
                for name, value in read_settings(line).items():
                    settings.setdefault(name, value)
            return row, settings
    return len(lines), {}


def read_settings(line: str) -> dict[str, str]:
    """'Steps: 20, Model: "a, b"' -> {"Steps": "20", "Model": "a, b"}; the first of a name counts.

    A value is a text in quotes, JSON up to a comma or the end, or all up to the next comma.
    """
    settings: dict[str, str] = {}
    place = 0
    while len(settings) < MOST_SETTINGS and (found := _NAME.match(line, place)):
        value, place = _read_value(line, found.end())
        settings.setdefault(found[1].strip(), value)
        place = _next_comma(line, place)  # what stands between a value and its comma is passed over
    return settings


def _read_value(line: str, start: int) -> tuple[str, int]:
    """The value that starts there, and where it ends."""
    first = line[start : start + 1]
    if first == '"' and (found := _QUOTED.match(line, start)):
        try:
            return str(json.loads(found[0])), found.end()
        except DAMAGED_JSON:
            return found[0][1:-1], found.end()
    if first in ("{", "["):
        try:
            _, end = JSONDecoder().raw_decode(line, start)
        except DAMAGED_JSON:
            pass
        else:
            if _ENDED.match(line, end):
                return line[start:end], end
    end = _next_comma(line, start)
    return line[start:end].strip(), end


def _next_comma(line: str, start: int) -> int:
    found = line.find(",", start)
    return found if found >= 0 else len(line)


def _split(lines: list[str]) -> tuple[str, str]:
    """Prompt and negative prompt from the lines before the settings."""
    prompt: list[str] = []
    negative: list[str] = []
    part = prompt
    for line in lines:
        stripped = line.strip()
        if stripped.startswith(NEGATIVE):
            part = negative
            stripped = stripped[len(NEGATIVE) :].strip()
        part.append(stripped)
    return "\n".join(prompt).strip(), "\n".join(negative).strip()


def _record(prompt: str, negative: str, settings: Mapping[str, str]) -> Generation:
    taken: set[str] = set()
    by_name = {name.lower(): name for name in reversed(list(settings))}

    def take(*names: str) -> str:
        for name in names:
            if name in by_name:
                taken.add(by_name[name])
                return settings[by_name[name]]
        return ""

    return Generation(
        prompt=prompt,
        negative=negative,
        seed=whole_of(take("seed")),
        size=size_of(take("size")),
        sampler=text_of(take("sampler")),
        steps=whole_of(take("steps"), 10**6),
        cfg=number_of(take("cfg scale", "guidance scale", "distilled cfg scale")),
        model=text_of(take("model")),
        model_hash=text_of(take("model hash")),
        tool=_tool(by_name, settings),
        others={name: text_of(value) for name, value in settings.items() if name not in taken},
    )


def _tool(by_name: Mapping[str, str], settings: Mapping[str, str]) -> str:
    """Which of the programs that write this form it was, by what they say of themselves."""
    version = settings.get(by_name.get("version", ""), "")
    app = settings.get(by_name.get("app", ""), "")
    if "sd.next" in app.lower():
        return "SD.Next"
    for name in ("Fooocus", "ComfyUI", "Draw Things"):
        if name.lower() in f"{version} {app}".lower():
            return name
    if re.match(r"f\d", version) or "forge" in version.lower():
        return "Forge"
    return app or ("AUTOMATIC1111" if settings else "")
