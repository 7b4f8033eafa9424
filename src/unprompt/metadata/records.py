"""Programs that write JSON with a name for each setting: InvokeAI, NovelAI, Fooocus, Draw Things, SwarmUI."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from unprompt.metadata.generation import Generation, json_of, number_of, object_of, size_of, text_of, whole_of

MOST_PARTS = 100  # of a prompt that is a list

# What the programs call a setting, without capitals and signs between words; the first that is there counts.
PROMPT = ("positiveprompt", "prompt", "c")
NEGATIVE = ("negativeprompt", "uc", "negative")
SAMPLER = ("sampler", "samplername", "scheduler")
CFG = ("cfgscale", "guidancescale", "scale", "guidance", "cfg")
MODEL = ("model", "basemodel", "modelname", "modelweights")
HASH = ("modelhash", "basemodelhash")
SIZE = ("size", "resolution")

_DREAM = re.compile(r'\s*"((?:\\.|[^"\\])*)"(.*)', re.DOTALL)
_DREAM_OPTION = re.compile(r"\s-([a-zA-Z])\s*(\S+)")
_BRACKETS = re.compile(r"(?<!\\)\[([^\[\]]*)(?<!\\)\]")


def plain_name(name: str) -> str:
    """ "Negative Prompt" and "negative_prompt" -> "negativeprompt"."""
    return re.sub(r"[\W_]", "", name.lower())


def read_record(record: Mapping[str, Any], tool: str = "") -> Generation:
    """The settings of a JSON object by what programs call them; all that is not used stays in `others`."""
    given: dict[str, str] = {}
    for name in record:
        given.setdefault(plain_name(str(name)), name)
    taken: set[str] = set()

    def take(*names: str) -> Any:
        for name in names:
            if name in given and record[given[name]] not in (None, ""):
                taken.add(given[name])
                return record[given[name]]
        return None

    size = size_of(take("width"), take("height")) or size_of(take(*SIZE))
    model = take(*MODEL)
    model_hash = take(*HASH)
    if isinstance(model, dict):  # InvokeAI
        model_hash = model_hash or model.get("hash")
        model = model.get("name") or model.get("model_name")
    return Generation(
        prompt=_joined(take(*PROMPT)),
        negative=_joined(take(*NEGATIVE)),
        seed=whole_of(take("seed", "imageseed")),
        size=size,
        sampler=text_of(take(*SAMPLER)),
        steps=whole_of(take("steps", "numinferencesteps"), 10**6),
        cfg=number_of(take(*CFG)),
        model=text_of(model),
        model_hash=text_of(model_hash),
        tool=tool,
        others={
            name: text for name, value in record.items() if name not in taken and (text := text_of(value))
        },
    )


def _joined(value: Any) -> str:
    """A prompt that is a text, or a list of texts or of objects with a text and a weight."""
    if isinstance(value, list):
        parts = [one.get("prompt") if isinstance(one, dict) else one for one in value[:MOST_PARTS]]
        return ", ".join(filter(None, map(text_of, parts)))
    return text_of(value)


def looks_like_record(record: Mapping[str, Any]) -> bool:
    """Whether a JSON object has a prompt and a setting of how it was painted."""
    names = {plain_name(str(name)) for name in record}
    return bool(names & {*PROMPT}) and bool(names & {"seed", "steps", *SAMPLER, *CFG, *MODEL, *NEGATIVE})


def read_any_record(record: Mapping[str, Any], tool: str = "") -> Generation | None:
    """The settings of a JSON object that nothing but its names tells: SwarmUI's, Fooocus's, Draw Things' …"""
    swarm = object_of(record.get("sui_image_params"))
    if swarm:
        return read_record(swarm, "SwarmUI")
    if not looks_like_record(record):
        return None
    names = {plain_name(str(name)) for name in record}
    if not tool and {"c", "uc"} <= names:
        tool = "Draw Things"
    if not tool and "fooocus" in text_of(record.get("version", record.get("Version"))).lower():
        tool = "Fooocus"
    if not tool and "metadata_scheme" in record:
        tool = "Fooocus"
    return read_record(record, tool)


def read_invokeai(texts: Mapping[str, str]) -> Generation | None:
    """InvokeAI's three forms, the newest first: `invokeai_metadata`, `sd-metadata`, and the line `Dream`."""
    newest = object_of(texts.get("invokeai_metadata"))
    if newest:
        generation = read_record(newest, "InvokeAI")
        style = text_of(newest.get("positive_style_prompt"))
        if style and style not in generation.prompt:
            generation = replace(generation, prompt=", ".join(filter(None, (generation.prompt, style))))
        return generation
    older = object_of(texts.get("sd-metadata"))
    image = object_of(older.get("image"))
    if image:
        model = older.get("model_weights") or older.get("model")
        generation = read_record({"model": model, "model_hash": older.get("model_hash"), **image}, "InvokeAI")
        return _without_brackets(generation)
    return parse_dream(texts.get("dream", ""))


def parse_dream(line: str) -> Generation | None:
    """'"a fox [blurry]" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms' as the first InvokeAI wrote it."""
    found = _DREAM.match(line)
    if not found:
        return None
    options = dict(_DREAM_OPTION.findall(found[2]))
    generation = Generation(
        prompt=text_of(re.sub(r'\\(["\\])', r"\1", found[1])),
        seed=whole_of(options.get("S")),
        size=size_of(options.get("W"), options.get("H")),
        sampler=text_of(options.get("A")),
        steps=whole_of(options.get("s"), 10**6),
        cfg=number_of(options.get("C")),
        tool="InvokeAI",
    )
    return _without_brackets(generation)


def _without_brackets(generation: Generation) -> Generation:
    """In InvokeAI's older forms the negative prompt stands in square brackets within the prompt."""
    if generation.negative:
        return generation
    negative = ", ".join(filter(None, map(str.strip, _BRACKETS.findall(generation.prompt))))
    prompt = " ".join(_BRACKETS.sub(" ", generation.prompt).split(" "))
    prompt = re.sub(r"[ \t]{2,}", " ", prompt).strip(" ,") if negative else generation.prompt
    return replace(generation, prompt=prompt, negative=negative)


def read_novelai(texts: Mapping[str, str]) -> Generation | None:
    """NovelAI's texts: `Comment` with the settings as JSON, `Description` with the prompt, `Source`."""
    comment = object_of(texts.get("comment"))
    software = text_of(texts.get("software"))
    description = text_of(texts.get("description"))
    if "novelai" not in software.lower() and not ("uc" in comment and {"sampler", "steps"} & comment.keys()):
        return None
    generation = read_record(comment, "NovelAI")
    prompt = _of_characters(comment.get("v4_prompt")) or generation.prompt or description
    negative = _of_characters(comment.get("v4_negative_prompt")) or generation.negative
    if not (prompt or comment):
        return None
    return replace(
        generation,
        prompt=prompt,
        negative=negative,
        model=generation.model or text_of(texts.get("source")),
    )


def _of_characters(value: Any) -> str:
    """The prompt since version 4, in which each character has its own: all of them, as if typed in one."""
    caption = object_of(object_of(value).get("caption"))
    characters = caption.get("char_captions")
    parts = [caption.get("base_caption")]
    if isinstance(characters, list):
        parts += [object_of(one).get("char_caption") for one in characters[:MOST_PARTS]]
    return " | ".join(filter(None, map(text_of, parts)))


def read_fooocus(texts: Mapping[str, str]) -> Generation | None:
    """Fooocus's JSON. Its other scheme is A1111's text."""
    record = object_of(texts.get("parameters"))
    if not record:
        return None
    if "fooocus_scheme" not in texts:
        return read_any_record(record)
    return read_record(record, "Fooocus")


def read_stealth_text(text: str) -> Mapping[str, str] | str:
    """What stands in pixels: NovelAI's texts by their names, or one text of A1111's form."""
    found = json_of(text)
    if not isinstance(found, dict):
        return text
    return {
        str(name).lower(): value if isinstance(value, str) else json.dumps(value)
        for name, value in found.items()
    }
