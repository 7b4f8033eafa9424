"""Drawings on disk while a set is made of them: simplified, one a line, found again by their places.

So what is held in memory of a drawing is what is known of it, and never its strokes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unprompt.doodles.data_config import DoodleSetSettings
from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.ndjson import read_line
from unprompt.doodles.read import Unit
from unprompt.doodles.simplify import SIDE, simplified
from unprompt.records import Problem
from unprompt.storage.files import read_json, write_json, writing

NEARLY = 15  # how far from 0 and 255 a simplified drawing may end, whose outermost points were left out
EMPTY = "the drawing is empty"


class Place(NamedTuple):
    """Where a drawing's line is: the number of its unit, and the byte of the unit's file."""

    unit: int
    start: int


class Smallest:
    """The `most` smallest of numbers that come one after the other; all of them where `most` is 0."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._negative: list[int] = []  # a heap: the largest number comes first

    def take(self, number: int) -> bool:
        """Whether a number is among the smallest so far."""
        if not self._most:
            return True
        if len(self._negative) < self._most:
            heappush(self._negative, -number)
            return True
        return heappushpop(self._negative, -number) != -number or number == self.limit

    @property
    def limit(self) -> int | None:
        """The largest of them; None as long as there is room for more."""
        return -self._negative[0] if self._most and len(self._negative) == self._most else None


class KeptUnits:
    """The units of a set in its work folder, by their numbers."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def keep(self, number: int, unit: Unit, settings: DoodleSetSettings) -> None:
        """Read, simplify and keep some drawings, with what was wrong; nothing where that was done before.

        Of each word those whose chance was among the `most` smallest so far are kept; a few more than needed.
        """
        record = self._path(number, ".json")
        if record.exists():
            return
        problems: list[Problem] = []
        chosen: dict[str, Smallest] = {}
        drawn = unguessed = 0
        with writing(self._path(number, ".ndjson")) as lines:
            for doodle, split in unit.read(problems):
                if settings.recognised and doodle.recognised is False:
                    unguessed += 1
                elif not doodle.drawing.strokes:
                    problems.append(Problem(doodle.key, unit.files[0].name, EMPTY))
                else:
                    drawn += 1
                    small = _simplify(doodle.drawing, settings.epsilon)
                    digest = digest_of(small)
                    # Drawings without a word have nothing that there could be too many of.
                    word = chosen.setdefault(doodle.word, Smallest(settings.most if doodle.word else 0))
                    if word.take(chance(settings.seed, digest)):
                        lines.write(line_of(doodle, small, split, digest))
        told = [[problem.image_id, problem.file, problem.problem] for problem in problems]
        # By the words as they are read again, which have no halves of letters.
        limits = {
            word.encode("utf-8", "replace").decode(): those.limit
            for word, those in chosen.items()
            if those.limit is not None
        }
        write_json(record, {"problems": told, "unguessed": unguessed, "drawn": drawn, "limits": limits})

    def record(self, number: int) -> dict[str, Any]:
        """Of a unit the problems, how many drawings were drawn and unguessed, and each word's limit."""
        return read_json(self._path(number, ".json"))

    def entries(self, number: int) -> Iterator[tuple[Place, dict[str, Any]]]:
        """The drawings of a unit as they were written, with their places."""
        start = 0
        with self._path(number, ".ndjson").open("rb") as lines:
            for line in lines:
                yield Place(number, start), json.loads(line)
                start += len(line)

    def drawing(self, place: Place) -> Drawing:
        """The strokes at a place."""
        with self._path(place.unit, ".ndjson").open("rb") as lines:
            lines.seek(place.start)
            return read_line(lines.readline(), "").drawing

    def _path(self, number: int, ending: str) -> Path:
        return self._work / f"drawings-{number:05d}{ending}"


def chance(seed: int, name: str) -> int:
    """A number of 64 bits by chance, always the same for a seed and a name."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "big")


def digest_of(drawing: Drawing) -> str:
    """What tells drawings apart, whatever they are called."""
    numbers = [stroke.astype(int).tolist() for stroke in drawing.strokes]
    return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:32]


def line_of(doodle: Doodle, drawing: Drawing, split: str = "", digest: str = "") -> bytes:
    """A drawing as a line of Quick, Draw!'s ndjson, with the caption, and what its set and strokes say."""
    entry: dict[str, Any] = {"word": doodle.word}
    if doodle.country:
        entry["countrycode"] = doodle.country
    if doodle.recognised is not None:
        entry["recognized"] = doodle.recognised
    entry["key_id"] = doodle.key
    if doodle.caption:
        entry["caption"] = doodle.caption
    entry |= {name: value for name, value in (("split", split), ("digest", digest)) if value}
    entry["drawing"] = [stroke.astype(int).T.tolist() for stroke in drawing.strokes]
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _simplify(drawing: Drawing, epsilon: float) -> Drawing:
    """Simplified drawings stay as they are: whole numbers that reach from about 0 to about 255."""
    points = drawing.points
    low, high = points.min(), points.max()
    done = 0 <= low <= NEARLY and SIDE - NEARLY <= high <= SIDE and (points == np.rint(points)).all()
    return drawing if done else simplified(drawing, epsilon)
