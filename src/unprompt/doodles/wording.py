"""A caption becomes a prompt: what a drawing shows, asked for as a photo or in another style.

"a sketch of a cat" -> "A photo of a cat". Only what leads in is taken off: words that say that it is drawn
and whose content follows. "a drawing bridge" and "a woman drawing a picture" say something about what is to
be seen, and stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unprompt.doodles.nouns import one_of
from unprompt.errors import ConfigError, InputError
from unprompt.text.english import article


@dataclass(frozen=True)
class Style:
    """How a picture is to look: what stands before and behind the content, and what it should not show.

    `pocket`: the pocket world's phrase for it, "" where it draws plainly.
    """

    lead: str
    tail: str = ""
    negative: str = ""
    pocket: str = ""


NOT_A_PHOTO = "drawing, sketch, line art, cartoon, text, watermark, blurry, deformed"
NOT_GOOD = "text, watermark, blurry, deformed"
STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "photo": Style("A photo of", negative=NOT_A_PHOTO),
        "cinematic": Style("A film still of", "dramatic light", NOT_A_PHOTO),
        "oil": Style("An oil painting of", negative=f"photo, {NOT_GOOD}", pocket="an oil painting of"),
        "watercolour": Style("A watercolor of", negative=f"photo, {NOT_GOOD}", pocket="a watercolor of"),
        "cartoon": Style(
            "A cartoon of", "bold outlines, flat colors", f"photo, {NOT_GOOD}", "comic book panel"
        ),
        "pixels": Style("Pixel art of", negative=f"photo, {NOT_GOOD}", pocket="pixel art of"),
        "plush": Style("A plush toy of", "soft felt, studio light", NOT_A_PHOTO),
        "render": Style("A 3D render of", "soft light, high detail", NOT_A_PHOTO, "low poly"),
        "none": Style(""),
    }
)

# What a picture is called that was drawn, and what may stand before that.
_KINDS = (
    "drawing|sketch|doodle|scribble|line art|line-art|lineart|outline|illustration|picture|image|photo|"
    "photograph|cartoon|painting|artwork|depiction|rendering|clipart|clip art|icon|silhouette"
)
_LOOKS = (
    r"line\s+art|black|white|grey|gray|and|&|black-and-white|monochrome|simple|rough|quick|crude|basic|minimal|minimalist|"
    r"minimalistic|nice|cute|little|small|big|beautiful|good|bad|poor|funny|single|one-line|continuous|clean|"
    r"loose|messy|detailed|abstract|stylized|stylised|hand|hand-drawn|handdrawn|handmade|freehand|drawn|digital|"
    r"vector|line|ink|pen|pencil|crayon|chalk|charcoal|marker|cartoon|doodle|sketch|outline|childish|childlike|"
    r"close-up|[\w-]+['’]s"
)
_LEAD_IN = re.compile(
    rf"""
    (?:(?:this|that|here|it|there)(?:\s+(?:is|are|was)\b|['’]s\b)\s*)?
    (?:(?:an?|the|this|that|my|his|her|their|our|your|some)\s+)?
    (?:(?:{_LOOKS})\s+)*
    (?:{_KINDS})s?
    (?:\s*[:–—]\s*|(?:\s+(?:that|which))?\s+
       (?:of|shows|showing|depicts|depicting|features|featuring|represents|representing|is\s+of)(?:\s+|$))
    """,
    re.IGNORECASE | re.VERBOSE,
)
_POINTING = re.compile(r"(?:(?:this|that|here|it|there)(?:\s+(?:is|are)\b|['’]s\b))(?:\s+|$)", re.IGNORECASE)
_TWICE = re.compile(r"\b(?:of\s+)+(?=of\b)|\b(?:(?:an?|the)\s+)+(?=(?:an?|the)\b)", re.IGNORECASE)
_LOOSE_BEGINNING = re.compile(r"^(?:of(?:\s+|$))+", re.IGNORECASE)
_LOOSE_ENDS = ("of", "a", "an", "the")
_FIRST_WORD = re.compile(r"^(?:An?|The|One|Two|Three|Four|Five|Six|Some|Several|Many)\b")
_ARTICLE = re.compile(r"^an?\s+(?=[^\W_])")
_ONE_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")

NEVER_COUNTED = frozenset(
    ["something", "nothing", "anything", "everything", "water", "snow", "ice", "people", "sheep", "fish"]
)


def content_of(caption: str) -> str:
    """What a caption says is to be seen: without its lead-in, with single spaces and no full stop at the end.

    "This is a black and white drawing of  two cats." -> "two cats". An article or number that began the
    sentence is no longer its first word, and loses its capital; a single word has an article.
    """
    text = " ".join(caption.split())
    before: str | None = None
    while text != before:  # what one step takes off may lay bare what another does
        before = text
        text = text.strip(' .,;:!?"“”')
        if found := _LEAD_IN.match(text) or _POINTING.match(text):
            text = text[found.end() :]
        else:
            text = _without_loose_ends(_TWICE.sub("", text))
    text = _FIRST_WORD.sub(lambda found: found[0].lower(), text)
    if _ONE_WORD.fullmatch(text) and text not in NEVER_COUNTED:
        return one_of(text)
    return _ARTICLE.sub(lambda found: f"{article(text[found.end() :])} ", text)


def _without_loose_ends(text: str) -> str:
    words = _LOOSE_BEGINNING.sub("", text).split()
    while words and words[-1].lower() in _LOOSE_ENDS:
        words.pop()
    return " ".join(words)


def prompt_of(caption: str, style: str = "photo") -> str:
    """The prompt of a caption in one of STYLES: "a drawing of a cat" -> "A photo of a cat".

    A prompt that is made of a prompt is the same. Raises InputError for a caption that says nothing, and
    ConfigError for another style.
    """
    chosen = style_of(style)
    content = content_of(_without(caption, chosen))
    if not content:
        raise InputError("the caption has no words to paint by; say what the drawing shows")
    return ", ".join(filter(None, (f"{chosen.lead} {content}".strip(), chosen.tail)))


def negative_prompt_of(style: str = "photo") -> str:
    """What a picture in one of STYLES should not show. Raises ConfigError for another style."""
    return style_of(style).negative


def in_style(prompt: str, before: str, after: str) -> str:
    """A prompt that somebody wrote, with what one style put there in the words of another.

    "A photo of my cat, at night" -> "An oil painting of my cat, at night". One without a style's words stays
    as it is. Raises ConfigError for another style.
    """
    old, new = style_of(before), style_of(after)
    text, tail = " ".join(prompt.split()), f", {new.tail}" if new.tail else ""
    is_led, has_tail = bool(old.lead) and text.startswith(f"{old.lead} "), bool(old.tail) and old.tail in text
    if is_led:
        text = f"{new.lead} {text[len(old.lead) + 1 :]}".strip()
    if has_tail:
        return text.replace(f", {old.tail}", tail, 1)
    return f"{text}{tail}" if is_led else text


def negative_in_style(negative: str, before: str, after: str) -> str:
    """A negative prompt that somebody wrote, with one style's words in it replaced by those of another.

    Raises ConfigError for another style.
    """
    old, new = style_of(before).negative, style_of(after).negative
    return negative.replace(old, new, 1).strip(", ") if old else negative


def style_of(name: str) -> Style:
    """One of STYLES. Raises ConfigError for another name."""
    if name not in STYLES:
        raise ConfigError(f"there is no style '{name}'; there are {', '.join(STYLES)}")
    return STYLES[name]


def _without(caption: str, style: Style) -> str:
    """A caption without what a style adds, where it is a prompt in that style already."""
    text = " ".join(caption.split())
    if style.lead and text.startswith(f"{style.lead} "):
        text = text[len(style.lead) + 1 :]
        text = text.removesuffix(f", {style.tail}") if style.tail else text
    return text
