"""From a picture's file to the prompt that stands in it: each form in turn, the surest first."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import IO

import numpy as np

from unprompt.errors import UnreadableImageError
from unprompt.metadata.a1111 import has_settings, parse_parameters
from unprompt.metadata.carriers import Carried, read_carried
from unprompt.metadata.comfyui import read_comfyui
from unprompt.metadata.generation import Generation, object_of, text_of
from unprompt.metadata.records import (
    read_any_record,
    read_fooocus,
    read_invokeai,
    read_novelai,
    read_stealth_text,
)
from unprompt.metadata.stealth import read_stealth
from unprompt.storage.images import ImageFile, open_encoded, open_stored

Found = Iterator[tuple[Generation | None, str]]  # and where in the file it stands

COMFYUI = ("prompt", "workflow")
OTHER_TOOLS = ("novelai", "invokeai", "fooocus", "draw things", "swarmui", "comfyui", "stable diffusion")


def read_file_generation(file: ImageFile, thorough: bool = True) -> Generation | None:
    """What an image file says of how it was painted. Raises UnreadableImageError as `read_generation`."""
    with open_encoded(file) as stream:
        return read_generation(stream, thorough)


def read_generation_of(content: bytes, thorough: bool = True) -> Generation | None:
    """What an image file's bytes say of how it was painted. Raises UnreadableImageError."""
    return read_generation(io.BytesIO(content), thorough)


def read_generation(stream: IO[bytes], thorough: bool = True) -> Generation | None:
    """What a file says of how it was painted; None where it says nothing.

    A record without a prompt comes only where nothing in the file has one. `thorough`: look into the colours
    of opaque PNGs too, for which they have to be decoded; those with an alpha channel are decoded anyway,
    where their texts say nothing. Raises UnreadableImageError for what is no picture; damaged texts are
    passed over.
    """
    carried = read_carried(stream)
    best = None
    for generation, place in _all(carried, stream, thorough):
        if generation is None:
            continue
        if generation.prompt:
            return replace(generation, place=place)
        best = best or replace(generation, place=place)
    return best


def _all(carried: Carried, stream: IO[bytes], thorough: bool) -> Found:
    yield from _in_texts(carried.texts, f"{carried.kind} text")
    yield from _in_exif(carried.exif)
    yield from _in_xmp(carried)
    comment = carried.texts.get("comment", "")
    if has_settings(comment):
        yield parse_parameters(comment), f"{carried.kind} comment"
    if carried.kind == "PNG" and (carried.alpha or thorough):
        yield from _in_pixels(stream)


def _in_texts(texts: Mapping[str, str], carrier: str) -> Found:
    """The texts of a PNG, or those that NovelAI hides in its pixels."""
    readers: tuple[tuple[Callable[[Mapping[str, str]], Generation | None], str], ...] = (
        (read_novelai, "Comment"),
        (read_fooocus, "parameters"),
        (read_invokeai, "of InvokeAI"),
    )
    for read, name in readers:
        yield read(texts), f"{carrier} {name}"
    parameters = texts.get("parameters", "")
    if not object_of(parameters):
        generation = parse_parameters(parameters)
        if generation and "fooocus_scheme" in texts:
            generation = replace(generation, tool="Fooocus")
        yield generation, f"{carrier} parameters"
    graphs = [texts.get(name) for name in COMFYUI]
    if any(graphs):
        yield read_comfyui(*graphs), f"{carrier} {COMFYUI[0] if graphs[0] else COMFYUI[1]}"


def _in_exif(exif: Mapping[str, str]) -> Found:
    comment = exif.get("UserComment", "")
    software = f"{exif.get('Software', '')} {exif.get('MakerNote', '')}".lower()
    record = object_of(comment)
    if record:
        tool = "Fooocus" if "fooocus" in software else ""
        yield read_any_record(record, tool), "EXIF UserComment"
        yield read_comfyui(record.get("prompt", record), record.get("workflow")), "EXIF UserComment"
    elif comment and (
        has_settings(comment) or "negative prompt:" in comment.lower() or "fooocus" in software
    ):
        generation = parse_parameters(comment)
        if generation and "fooocus" in software:
            generation = replace(generation, tool="Fooocus")
        yield generation, "EXIF UserComment"
    graphs: dict[str, tuple[str, str]] = {}
    for tag, text in exif.items():
        name, colon, rest = text.partition(":")
        if colon and name.strip().lower() in COMFYUI:
            graphs.setdefault(name.strip().lower(), (rest, tag))
    if graphs:
        texts = [graphs[name][0] if name in graphs else None for name in COMFYUI]
        yield read_comfyui(*texts), f"EXIF {next(iter(graphs.values()))[1]}"
    for tag in ("ImageDescription", "XPComment"):
        if has_settings(exif.get(tag, "")):
            yield parse_parameters(exif[tag]), f"EXIF {tag}"


def _in_xmp(carried: Carried) -> Found:
    xmp, exif = carried.xmp, carried.exif
    program = text_of(xmp.get("xmp:CreatorTool") or xmp.get("tiff:Software", ""))
    record = object_of(xmp.get("exif:UserComment", ""))
    if record:
        yield read_any_record(record, program if program == "Draw Things" else ""), "XMP exif:UserComment"
    description = xmp.get("dc:description", "")
    if not description:
        return
    if object_of(description):
        yield read_any_record(object_of(description), program), "XMP dc:description"
        return
    # A photographer's words about a photograph are no prompt: a camera writes its name into the file.
    camera = xmp.get("tiff:Make") or (":" not in exif.get("Make", ":") and exif.get("Model"))
    if has_settings(description) or any(tool in program.lower() for tool in OTHER_TOOLS) or not camera:
        generation = parse_parameters(description)
        yield (
            (replace(generation, tool=generation.tool or program) if generation else None),
            "XMP dc:description",
        )


def _in_pixels(stream: IO[bytes]) -> Found:
    """Stealth PNG info. A picture whose pixels cannot be decoded has none."""
    stream.seek(0)
    try:
        with open_stored(stream, ("PNG",)) as image:
            if image.mode not in ("RGB", "RGBA"):
                return
            pixels = np.asarray(image)
    except UnreadableImageError:
        return
    text = read_stealth(pixels)
    if text is None:
        return
    found = read_stealth_text(text)
    if isinstance(found, str):
        yield parse_parameters(found), "pixels"
    else:
        for generation, _ in _in_texts(found, ""):
            yield generation, "pixels"
