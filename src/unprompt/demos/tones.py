"""One caption in three tones: a few words, a sentence, a line for a social network with hashtags.

No model is asked. What the hashtags name is found by rules: what a caption says stands in runs of words
between its function words and its verbs, so "a cat sitting on a red mat" is about "cat" and "red mat".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from unprompt.text.words import split_compounds

HASHTAGS = 5  # more are read by nobody
LONGEST_SUBJECT = 3  # words; a longer run is a sentence that the rules did not understand, its end names it
BORDERS = 30  # at which a first statement may end; a text that names nothing before them is no caption


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words between the things that a caption names.
_FUNCTION_WORDS = _set_of(
    """
    a an the this that these those there here it its his her hers their theirs our your my he she they we you
    i who which what whose some any each every all both another other others several many few more most one
    two three four five six seven eight nine ten and or but nor so as if while when where than then
    of in on at by for from to into onto with without within upon over under above below behind beside besides
    between among amid around along across against through near next off out up down inside outside toward
    towards during after before about like via beneath underneath atop
    is are was were be been being am has have had do does did can could will would may might shall should must
    not no very too also just only still
    """
)
# Verbs of captions that do not end in -ing or -ed.
_VERBS = _set_of(
    """
    sits stands lies lays holds wears looks runs walks flies rides plays eats drinks shows appears seems says
    hangs rests floats sleeps swims jumps drives reads made taken seen held worn shown drawn hung lit
    """
)
_NOT_VERBS = _set_of(  # things and qualities that end like verbs
    """
    building painting drawing ceiling string spring thing evening morning wedding clothing
    earring swing engraving lightning lighting sling viking duckling dumpling pudding railing steed
    """
)
# Words that say where something is, or how many, and name nothing.
_VAGUE = _set_of(
    """
    front back background foreground top bottom side left right middle center centre edge end part
    bunch group couple pair lot lots number piece pieces set series view close-up closeup
    """
)
_MEDIUM = (
    r"(?:photo|photograph|picture|image|shot|view|close-up|close\s+up|closeup|painting|drawing|sketch|"
    r"illustration|watercolou?r|rendering|render|artwork|art)"
)
_LEAD_IN = re.compile(
    r"^(?:(?:there\s+(?:is|are)|this\s+is|here\s+is|it\s+is)\s+)?"
    rf"(?:(?:an?\s+|the\s+)?(?:[\w-]+\s+){{0,2}}?{_MEDIUM}\s+of\s+)?",
    re.IGNORECASE,
)
# A caption's first statement ends before one of these.
_CLAUSE = re.compile(
    r"(?<!\s)\s*(?:[,;.:!?](?=\s|$)|\s(?:with|that|which|who|while|as|where|in\s+front\s+of|"
    r"in\s+the\s+(?:background|foreground|middle))(?=\s))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Tones:
    """The same caption in a few words, as a sentence, and for a social network."""

    short: str
    plain: str
    social: str


def tones_of(caption: str) -> Tones:
    """A caption in three tones; of a caption without words, three empty texts."""
    text = " ".join(caption.split())
    if not split_compounds(text):
        return Tones("", "", "")
    short = _with_capital(first_statement(text))
    return Tones(short, _sentence(text), " ".join([short, *hashtags(subjects_of(text))]))


def different_tones(tones: Tones) -> dict[str, str]:
    """The tones that say something else than the plain one, or say it differently enough to be offered.

    `short` has to leave words out, `social` to have several hashtags: "A car #car" says nothing more.
    """
    told: dict[str, str] = {}
    if split_compounds(tones.short) != split_compounds(tones.plain):
        told["short"] = tones.short
    if tones.social.count(" #") > 1:
        told["social"] = tones.social
    return told


def subjects_of(caption: str) -> tuple[str, ...]:
    """The things that a caption names, in its order, each once: "two dogs on a beach" -> dogs, beach."""
    found: dict[str, None] = {}
    for run in _runs(_LEAD_IN.sub("", " ".join(caption.split()))):
        named = [word for word in run if word not in _VAGUE]
        if named and not all(word.isdigit() for word in named):
            found.setdefault(" ".join(named[-LONGEST_SUBJECT:]))
    return tuple(found)


def hashtags(subjects: Sequence[str], most: int = HASHTAGS) -> tuple[str, ...]:
    """ "snowy field" -> "#SnowyField": letters and digits, a capital for each word where there are several.

    Screen readers read such tags word by word; "cat's face" is "#CatsFace". At most `most`, none twice, none
    of digits alone.
    """
    tags: dict[str, str] = {}
    for subject in subjects:
        words = re.findall(r"[^\W_]+", re.sub("['’]", "", subject))
        tag = "".join(_with_capital(word) for word in words) if len(words) > 1 else "".join(words).lower()
        if tag and not tag.isdigit():
            tags.setdefault(tag.casefold(), f"#{tag}")
    return tuple(tags.values())[:most]


def first_statement(caption: str) -> str:
    """A caption without its lead-in, up to where its first statement ends.

    "there is a cat sitting on a mat with a ball" -> "a cat sitting on a mat". Where nothing would be left
    that names a thing, more of the caption is kept.
    """
    text = _LEAD_IN.sub("", caption)
    if not split_compounds(text):
        text = caption
    for border in islice(_CLAUSE.finditer(text), BORDERS):
        statement = text[: border.start()].strip()
        if subjects_of(statement) and not _ends_with_verb(statement):  # "filled | with water"
            return statement
    return text.strip(" .,;:!?")


def _runs(text: str) -> Iterator[list[str]]:
    """The runs of words that name things, in lower case."""
    for part in re.split(r"[^\w\s'’-]+", text.lower()):
        words = split_compounds(part)
        run: list[str] = []
        for position, word in enumerate(words):
            after = words[position + 1] if position + 1 < len(words) else None
            before = words[position - 1] if position else None
            if word in _FUNCTION_WORDS or _is_verb(word, before, after):
                if run:
                    yield run
                run = []
            else:
                run.append(word)
        if run:
            yield run


def _is_verb(word: str, before: str | None, after: str | None) -> bool:
    """Whether a word is a verb where it stands.

    "sitting on", "filled with" and "man riding waves", but not "running shoes" and "a tired dog".
    """
    if word in _VERBS:
        return True
    if word in _NOT_VERBS or len(word) < 5 or not word.endswith(("ing", "ed")):
        return False
    begins = before is None or before in _FUNCTION_WORDS
    ends = after is None or after in _FUNCTION_WORDS
    if word.endswith("ed"):
        return ends and not (begins and after is None)
    return ends or not begins or before in ("is", "are")


def _ends_with_verb(text: str) -> bool:
    words = split_compounds(text)
    return _is_verb(words[-1], words[-2] if len(words) > 1 else None, None)


def _with_capital(text: str) -> str:
    """The first letter as a capital, the others as they are."""
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    return _with_capital(text) if text.endswith((".", "!", "?")) else f"{_with_capital(text.rstrip(' ,;:'))}."
