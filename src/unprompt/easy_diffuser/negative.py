"""Negative prompts: what a picture itself says, where a model can tell, and usual words in groups.

What is said of a picture comes from a CLIP (the interrogator's mode `negative`) or from a learned relatedness
of tags, and from that only where its grade on held-out images shows skill. Else there is nothing, and a
sentence that says why. The usual words are a list (data/easy_diffuser/negative_words.txt) that says nothing
of a picture; whoever wants them switches their groups on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.easy_diffuser.config import GROUPS, NegativeConfig
from unprompt.easy_diffuser.grading import why_no_skill
from unprompt.easy_diffuser.relatedness import Relatedness, read_relatedness, related
from unprompt.easy_diffuser.space import check_space
from unprompt.errors import ConfigError
from unprompt.storage.places import in_reach

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.bundle.loaded import LoadedBundle

NEGATIVE = "negative"  # the interrogator's mode
RELATEDNESS = "relatedness.json"  # in the folder of an installed bundle
NONE_RELATED = "no tag is related to this picture"


@dataclass(frozen=True)
class RelatedTag:
    """A tag that is related to an image, its similarity to it, and its relatedness, from 0 to 1."""

    tag: str
    similarity: float
    relatedness: float


@dataclass(frozen=True)
class Negative:
    """A negative prompt. Where nothing in its `text` is from the picture, `why_not` says why."""

    text: str
    why_not: str = ""


# --- usual words


@cache
def usual_words() -> dict[str, tuple[str, ...]]:
    """The words of each of GROUPS, in the order of the list that comes with the package."""
    path = Path(str(files("unprompt") / "data" / "easy_diffuser" / "negative_words.txt"))
    words: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            words[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            words[next(reversed(words))].append(line)
    assert tuple(words) == GROUPS
    return {group: tuple(some) for group, some in words.items()}


def chosen_words(config: NegativeConfig) -> tuple[str, ...]:
    """The words that are switched on. Raises ConfigError for one to leave out that is not among them."""
    words = [word for group in config.words for word in usual_words()[group]]
    foreign = [word for word in config.without_words if word not in words]
    if foreign:
        raise ConfigError(
            f"'{foreign[0]}' is none of the words that are on; these are: {', '.join(words) or 'none'}"
        )
    return tuple(word for word in words if word not in config.without_words)


def join_negative(of_picture: str, words: Sequence[str]) -> str:
    """What a picture says and usual words as one prompt, nothing twice."""
    parts = [part.strip() for part in of_picture.split(",")]
    return ", ".join(dict.fromkeys(part for part in (*parts, *words) if part))


# --- of a picture


def find_negative(loaded: LoadedBundle, image: Image.Image, config: NegativeConfig | None = None) -> Negative:
    """An image's negative prompt, by the bundle's CLIP or its learned relatedness, and the words of `config`.

    Where the bundle has neither, or the relatedness no skill, there are the words alone.
    """
    words = chosen_words(config or NegativeConfig())
    if NEGATIVE in loaded.modes:
        (found,) = loaded.interrogate([image], NEGATIVE)
        return Negative(join_negative(found.prompt, words) if words else found.prompt)
    tags: tuple[RelatedTag, ...] = ()
    try:
        relatedness = relatedness_of(loaded.bundle.name)
        tags, why_not = related_tags(loaded, image, relatedness, relatedness.tags)
    except ConfigError:  # none has been fitted, or for another model under this bundle's name
        why_not = (
            f"the bundle '{loaded.bundle.name}' has no CLIP and no fit of Easy Diffuser, so nothing can be "
            "said of the picture"
        )
    return Negative(join_negative(tags[-1].tag if tags else "", words), why_not)


def related_tags(
    loaded: LoadedBundle, image: Image.Image, relatedness: Relatedness, tags: Sequence[str]
) -> tuple[tuple[RelatedTag, ...], str]:
    """The tags that are related to an image, the most related first; where there are none, also why.

    A relatedness without skill is not asked. Raises ConfigError for one of another bundle.
    """
    if why := why_no_skill(relatedness.held_out):
        return (), why
    check_space(relatedness, loaded)
    cosines = loaded.likeness([image], tags)[0]  # (T,)
    r = relatedness.of(cosines)  # (T,)
    found = tuple(
        RelatedTag(tags[row], float(cosines[row]), float(r[row]))
        for row in reversed(related(r, relatedness.threshold))
    )
    return found, "" if found else NONE_RELATED


def relatedness_of(bundle: str) -> Relatedness:
    """What lies in a bundle's folder, or came with the package for it; ConfigError where nothing is."""
    from unprompt.bundle.bundles import bundles_folder, is_plain_name

    for path in (
        bundles_folder() / bundle / RELATEDNESS,
        Path(str(files("unprompt") / "data" / "easy_diffuser" / f"{bundle}.json")),
    ):
        if is_plain_name(bundle) and in_reach(path):
            return _read_once(path, path.stat().st_mtime_ns)
    raise ConfigError(
        f"there is no relatedness of tags for the bundle '{bundle}'; make one with "
        f"`unprompt easy-diffuser fit DATASET --bundle {bundle} --out FILE.json` and name it as relatedness"
    )


@cache
def _read_once(path: Path, changed: int) -> Relatedness:
    """A file is read anew when it has changed."""
    return read_relatedness(path)
