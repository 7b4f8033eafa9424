"""The phrases that an interrogator chooses from: clip-interrogator's lists, and a user's own.

A list is a text file with one entry a line. Two kinds are written out from shorter entries: an artist X
gives "by X" and "inspired by X"; a site gives its name, "trending on", "featured on" and "contest winner".
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.interrogator.config import KINDS, kind_named
from unprompt.storage.files import read_text
from unprompt.storage.packages import package_folder
from unprompt.text.english import agreed, part_of

# No file of the package's: clip-interrogator has these in its code.
SITES = (
    *("Artstation", "behance", "cg society", "cgsociety", "deviantart", "dribble", "flickr", "instagram"),
    *("pexels", "pinterest", "pixabay", "pixiv", "polycount", "reddit", "shutterstock", "tumblr", "unsplash"),
    "zbrush central",
)

TOP = re.compile(r"\.top\d+$")  # in the web UI's names of lists: how many phrases it takes of one
DESCRIBING = ("readme", "license", "licence")
COMMENT = "#"
LONGEST = 10_000  # characters of a phrase, of which a CLIP reads some 300
LONGEST_SHOWN = 80  # characters of a phrase in a message
BESIDES = ".more"  # artists.more.txt is added to the package's artists, artists.txt stands instead of them


@dataclass(frozen=True)
class OwnLists:
    """A user's files by kind: read `instead` of the package's list, or `besides` it."""

    instead: Mapping[str, Path] = field(default_factory=dict)
    besides: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("instead", "besides"):
            files = getattr(self, name)
            by_kind = {kind_named(kind): path for kind, path in files.items()}
            if len(by_kind) < len(files):
                raise ConfigError(f"a list of phrases is named twice: {', '.join(sorted(files))}")
            object.__setattr__(self, name, by_kind)

    @classmethod
    def in_folder(cls, folder: Path) -> OwnLists:
        """The NAME.txt (instead) and NAME.more.txt (besides) of a folder, in small or capital letters.

        The web UI's names do too: flavors.top3.txt is flavors, of which it takes three. Other files are left
        alone, and a warning names .txt files among them, but not a readme's.
        Raises InputError where the folder is missing or has no list, ConfigError where two are the same.
        """
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; name the one that holds your lists of phrases")
        instead: dict[str, Path] = {}
        besides: dict[str, Path] = {}
        others = []
        for path in sorted(path for path in folder.iterdir() if path.suffix.lower() == ".txt"):
            stem = TOP.sub("", path.stem.lower())
            try:
                kind = kind_named(stem.removesuffix(BESIDES))
            except ConfigError:
                others += [] if stem in DESCRIBING else [path.name]
                continue
            lists = besides if stem.endswith(BESIDES) else instead
            if kind in lists:
                raise ConfigError(
                    f"{folder} has two lists of {kind}, {lists[kind].name} and {path.name}; keep one"
                )
            lists[kind] = path
        if others and (instead or besides):
            warnings.warn(
                f"{folder}: no list of phrases, so not read: {', '.join(others[:3])}"
                f"{' …' if len(others) > 3 else ''}; lists are called {', '.join(KINDS)}",
                stacklevel=2,
            )
        if not instead and not besides:
            known = ", ".join(f"{kind}.txt" for kind in KINDS)
            there = f" (it has {', '.join(others[:3])})" if others else ""
            raise InputError(f"{folder} has no list of phrases{there}; expected one of {known}")
        return cls(instead, besides)


NO_OWN_LISTS = OwnLists()


def read_vocabulary(kinds: Iterable[str] = KINDS, own: OwnLists = NO_OWN_LISTS) -> dict[str, tuple[str, ...]]:
    """The phrases of each kind, in the order of `kinds`.

    Without a user's files these are clip-interrogator's labels as it makes them, doubles and an empty one
    included. A user's file is cleaned as `read_list` says. Raises InputError for a file that cannot be used,
    CheckpointError where clip-interrogator is needed and not installed.
    """
    return {kind: tuple(write_out(kind, _entries(kind, own))) for kind in kinds}


def _entries(kind: str, own: OwnLists) -> list[str]:
    entries = read_list(own.instead[kind]) if kind in own.instead else package_entries(kind)
    if kind in own.besides:
        path = own.besides[kind]
        entries += _without_doubles(read_list(path), known=entries, path=path)
    return entries


def write_out(kind: str, entries: Sequence[str]) -> list[str]:
    """The phrases that the entries of a list stand for, in clip-interrogator's order."""
    if kind == "artists":  # which some lists already write as "by X"
        names = [re.sub(r"^by\s+", "", artist, flags=re.IGNORECASE) for artist in entries]
        return [f"{how} {artist}" for how in ("by", "inspired by") for artist in dict.fromkeys(names)]
    if kind == "trendings":
        forms = ("{}", "trending on {}", "featured on {}", "{} contest winner")
        return [form.format(site) for form in forms for site in entries]
    return list(entries)


def package_entries(kind: str) -> list[str]:
    """The lines of one of clip-interrogator's files, all of them, or SITES.

    The package is located, not imported: importing it loads two deep learning libraries.
    """
    if kind == "trendings":
        return list(SITES)
    folder = package_folder("clip_interrogator")
    if folder is None:
        raise CheckpointError("phrase lists come from clip-interrogator; run: pip install 'unprompt[lite]'")
    with (folder / "data" / f"{kind}.txt").open(encoding="utf-8") as stream:
        return [line.strip() for line in stream]


def read_phrases(kind: str) -> list[str]:
    """One of clip-interrogator's files (`mediums`, `flavors` …), in its order, without repeats and blanks."""
    return list(dict.fromkeys(filter(None, package_entries(kind))))


def read_list(path: Path) -> list[str]:
    """The entries of a user's file, one a line, without blanks, comments (#) and spaces around.

    A byte-order mark and any line ends are accepted; an entry that stands again is left out, which a warning
    counts. Raises InputError for a missing or empty file and, with the line, for one that is not UTF-8 and
    for a line that is no phrase by its length: a CLIP's tokenizer would be at it for hours.
    """
    lines = [line.strip() for line in read_text(path).splitlines()]
    if long := next((number for number, line in enumerate(lines, 1) if len(line) > LONGEST), 0):
        raise InputError(
            f"{path}, line {long}: has {len(lines[long - 1]):,} characters, a phrase has at most "
            f"{LONGEST:,}; write one phrase a line"
        )
    entries = [line for line in lines if line and not line.startswith(COMMENT)]
    if not entries:
        raise InputError(f"{path} has no phrases; write one a line, or remove the file")
    return _without_doubles(entries, known=(), path=path)


def _without_doubles(entries: Sequence[str], known: Sequence[str], path: Path) -> list[str]:
    """The entries that are new, each once, with a warning that counts the others."""
    new = list(dict.fromkeys([*known, *entries]))[len(set(known)) :]
    if len(new) < len(entries):
        counts = Counter([*set(known), *entries])
        twice = len(entries) - len(new)
        first = next(entry for entry in entries if counts[entry] > 1)
        warnings.warn(
            f"{path}: {part_of(twice, len(entries), 'phrase')} {agreed(twice, 'stand')} twice and "
            f"{agreed(twice, 'count')} once, first: {shown_phrase(first)}",
            stacklevel=2,
        )
    return new


def shown_phrase(phrase: str) -> str:
    """A phrase as a message says it: its beginning, where it is long."""
    return (
        phrase if len(phrase) <= LONGEST_SHOWN else f"{phrase[:LONGEST_SHOWN]}… ({len(phrase):,} characters)"
    )


def own_lists(folder: str | Path) -> OwnLists:
    """The lists of phrases in a folder; without one, none. Raises as `OwnLists.in_folder` does."""
    return OwnLists.in_folder(Path(folder)) if folder else NO_OWN_LISTS
