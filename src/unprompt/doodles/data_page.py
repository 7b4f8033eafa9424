"""The page about a set of doodles: words, strokes, points, countries, what the game guessed, samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import numpy as np

from unprompt import __version__
from unprompt.doodles.drawing import Doodle
from unprompt.html.histograms import Histogram, bin_lengths
from unprompt.html.kit import render_page, write_number
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.doodles.data_config import DoodleSetSettings
    from unprompt.doodles.doodle_set import DoodleSet, Listed

Samples: TypeAlias = "Sequence[tuple[str, Doodle]]"  # with their splits

RANKED = 15
PROBLEMS_SHOWN = 200


class HasWord(Protocol):
    """A drawing, or what is known of one."""

    @property
    def word(self) -> str: ...


W = TypeVar("W", bound=HasWord)


@dataclass(frozen=True)
class Lengths:
    """How many strokes or points drawings have."""

    median: int
    p95: int
    most: int


@dataclass(frozen=True)
class Ranked:
    """One line of a ranking."""

    text: str
    count: int
    share: float


@dataclass(frozen=True)
class Sample:
    """One drawing on the page; `path` is SVG's data, of numbers alone."""

    key: str
    word: str
    caption: str
    path: str
    facts: str


def render_set(made: DoodleSet, settings: DoodleSetSettings, samples: Samples) -> str:
    """The page as text, with `samples` of the drawings. The same set gives the same page."""
    doodles = [doodle for listed in made.drawings.values() for doodle in listed]
    words = Counter(doodle.word for doodle in doodles if doodle.word)
    countries = Counter(doodle.country for doodle in doodles if doodle.country)
    known = [doodle.recognised for doodle in doodles if doodle.recognised is not None]
    strokes = _measure([doodle.strokes for doodle in doodles])
    points = _measure([doodle.points for doodle in doodles])
    tiles = [(f"{len(doodles):,}", "drawings")]
    if words:
        counts = sorted(words.values())
        middle = counts[len(counts) // 2]
        spread = f"{counts[0]:,} to {counts[-1]:,} times, median {middle:,}"
        often = counted(counts[0], "time") if counts[0] == counts[-1] else spread
        tiles.append((f"{len(words):,}", f"{'word' if len(words) == 1 else 'words'}, each {often}"))
    tiles += [(f"{strokes[0].median:,}", "strokes, median"), (f"{points[0].median:,}", "points, median")]
    if known:
        tiles.append((f"{write_number(100 * sum(known) / len(known), 1)}%", "guessed by the game"))
    if countries:
        tiles.append((f"{len(countries):,}", "countries"))
    rankings = []
    if len(set(words.values())) > 1:
        rankings.append(("Most frequent words", "Share of the drawings", _rank(words, len(doodles))))
        rankings.append(("Rarest words", "Share of the drawings", _rank(words, len(doodles), rarest=True)))
    if countries:
        rankings.append(("Countries", "Share of the drawings", _rank(countries, len(doodles))))
    guessed = _worst_guessed(doodles)
    if guessed:
        rankings.append(("Least guessed words", "Share that the game did not guess", guessed))
    return render_page(
        "doodles.html.j2",
        name=made.out.resolve().name,
        count=len(doodles),
        words=len(words),
        tiles=tiles,
        histograms=[
            ("strokes", "Strokes of a drawing", *strokes),
            ("points", "Points of a drawing", *points),
        ],
        rankings=rankings,
        samples=[_sample(split, doodle) for split, doodle in samples],
        problems=made.problems,
        problems_shown=made.problems[:PROBLEMS_SHOWN],
        facts=_facts(made, settings),
    )


def choose_samples(every: Sequence[tuple[str, W]], count: int) -> list[tuple[str, W]]:
    """Some drawings with their splits, of every word in turn, those of a word behind each other."""
    by_word: dict[str, list[tuple[str, W]]] = defaultdict(list)
    for split, doodle in every:
        by_word[doodle.word].append((split, doodle))
    words = sorted(by_word)
    if len(words) >= count:
        chosen = np.unique(np.linspace(0, len(words) - 1, count).astype(int)).tolist() if count else []
        return [by_word[words[place]][0] for place in chosen]
    taken: Counter[str] = Counter()
    left = count
    while left:
        more = [word for word in words if taken[word] < len(by_word[word])][:left]
        if not more:
            break
        taken.update(more)
        left -= len(more)
    return [row for word in words for row in by_word[word][: taken[word]]]


def _measure(numbers: Sequence[int]) -> tuple[Lengths, Histogram]:
    array = np.array(numbers, np.int64)
    median, p95 = (int(np.quantile(array, share, method="inverted_cdf")) for share in (0.5, 0.95))
    return Lengths(median, p95, int(array.max())), bin_lengths(array, p95)


def _rank(counts: Counter[str], total: int, rarest: bool = False) -> list[Ranked]:
    """The most frequent, or the rarest of all; both with the more frequent first."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    order = order[-RANKED:] if rarest else order[:RANKED]
    return [Ranked(text, count, count / total) for text, count in order]


def _worst_guessed(doodles: Iterable[Listed]) -> list[Ranked]:
    """The words that the game missed most often, of those with five drawings or more."""
    all_of, missed = Counter[str](), Counter[str]()
    for doodle in doodles:
        if doodle.word and doodle.recognised is not None:
            all_of[doodle.word] += 1
            missed[doodle.word] += not doodle.recognised
    shares = {word: missed[word] / count for word, count in all_of.items() if count >= 5 and missed[word]}
    order = sorted(shares, key=lambda word: (-shares[word], word))[:RANKED]
    # A bar is as long as its share.
    return [Ranked(word, round(1e6 * shares[word]), shares[word]) for word in order]


def _sample(split: str, doodle: Doodle) -> Sample:
    parts = []
    for stroke in doodle.drawing.fitted(255).strokes:
        first, *others = [f"{write_number(x, 0)} {write_number(y, 0)}" for x, y in stroke]
        parts.append(f"M{first}" + ("L" + " ".join(others) if others else "h0"))
    guessed = {True: "guessed", False: "not guessed", None: ""}[doodle.recognised]
    facts = ", ".join(filter(None, (doodle.country, split, guessed)))
    path = "".join(parts).replace("\N{MINUS SIGN}", "-")
    return Sample(doodle.key, doodle.word, doodle.caption, path, facts)


def _facts(made: DoodleSet, settings: DoodleSetSettings) -> list[tuple[str, str]]:
    splits = "\n".join(
        f"{split}: {counted(len(doodles), 'drawing')}" for split, doodles in made.drawings.items()
    )
    pictures = (
        f"{settings.size} × {settings.size} pixels, {settings.channels}, lines of {settings.pen:g} pixels on "
        f"{settings.ground}"
    )
    copies = counted(made.copies, "warped copy", "warped copies") + ", in train only"
    if settings.mirror and made.copies:
        copies += "; half of them mirrored, none whose caption names a side"
    facts = [
        ("Splits", splits + "\nby what is drawn, so that no drawing is on two sides"),
        ("Pictures", pictures if settings.size else "none"),
        ("Copies", copies if made.copies else "none"),
    ]
    if made.repeated:
        facts.append(("Repeated", f"{counted(made.repeated, 'drawing')} left out, which were there before"))
    if made.beyond:
        facts.append(
            ("Beyond", f"{counted(made.beyond, 'drawing')} left out, above {settings.most:,} of a word")
        )
    if made.unguessed:
        facts.append(("Not guessed", f"{counted(made.unguessed, 'drawing')} left out"))
    return [*facts, ("Made by", f"unprompt {__version__}, seed {settings.seed}")]
