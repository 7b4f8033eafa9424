"""What stands in a file, in lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unprompt.metadata.generation import Generation, text_of
from unprompt.text.english import agreed, counted, part_of

INDENT = "  "
WIDTH = len("read from") + 2
LONGEST = 4000  # characters of one text on a screen


def describe_generation(made: Generation) -> list[str]:
    """The record in lines: the prompts, the settings on one line, and where it was read from."""
    settings = [
        f"{made.size[0]} x {made.size[1]}" if made.size else "",
        "" if made.steps is None else counted(made.steps, "step"),
        made.sampler,
        "" if made.cfg is None else f"cfg {made.cfg:g}",
        "" if made.seed is None else f"seed {made.seed}",
    ]
    model = made.model + (
        f" ({made.model_hash})" if made.model_hash and made.model_hash != made.model else ""
    )
    fields = {
        "prompt": made.prompt or "(empty)",
        "negative": made.negative,
        "settings": ", ".join(filter(None, settings)),
        "model": model,
        "read from": ", ".join(filter(None, (made.place, made.tool))),
    }
    lines = []
    for name, text in fields.items():
        if text:
            first, *more = _shortened(text).split("\n")
            lines.append(f"{INDENT}{name:<{WIDTH}}{first}")
            lines += [f"{INDENT}{'':<{WIDTH}}{line}" for line in more]
    return lines


def describe_counts(images: int, tools: Mapping[str, int], without: Iterable[str], unreadable: int) -> str:
    """ "2 of 4 images have their prompt in the file (AUTOMATIC1111 2); 1 has none, first: a.png"."""
    count = sum(tools.values())
    by_tool = ", ".join(f"{tool} {number:,}" for tool, number in tools.items())
    have_their = f"{agreed(count, 'have')} {agreed(count, 'their')}"
    said = f"{part_of(count, images, 'image')} {have_their} prompt in the file"
    said += f" ({by_tool})" if by_tool else ""
    names = list(without)
    if names:
        said += f"; {len(names):,} {agreed(len(names), 'have')} none, first: {text_of(names[0])}"
    if unreadable:
        said += f"; {unreadable:,} could not be read"
    return said


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} characters more)"
