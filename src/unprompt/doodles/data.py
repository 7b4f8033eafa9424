"""Sets of doodles to train on: strokes and pictures with captions, split, shuffled, with warped copies.

Drawings are split by what is drawn, before anything else is done to them: all copies of one, and the same
strokes under another name, are on one side. Only what is trained on is warped, strokes before pixels, so that
lines keep their width; and what a caption calls left stays left.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt import __version__
from unprompt.datasets.seeds import derive_seed
from unprompt.doodles.data_config import DoodleSetSettings
from unprompt.doodles.data_page import render_set
from unprompt.doodles.doodle_set import DoodleSet
from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.ink import ink
from unprompt.doodles.layouts import TEST, TRAIN, VALIDATION
from unprompt.doodles.ndjson import read_ndjson
from unprompt.doodles.read import Unit, find_units
from unprompt.doodles.simplify import SIDE, simplified
from unprompt.doodles.warps import lay_out, warp
from unprompt.errors import InputError
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage import resumable as folders
from unprompt.storage.files import (
    read_ids,
    read_json,
    read_table,
    write_bytes,
    write_json,
    write_problems,
)
from unprompt.storage.images import encode_png, file_state
from unprompt.storage.parts import write_text_part
from unprompt.text.english import add_article, none_readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATE = "set.json"
DATA = "data"
PROBLEMS, PAGE = "problems.csv", "doodles.html"
NEARLY = 15  # how far from 0 and 255 a simplified drawing may end, whose outermost points were left out
SPLITS = (TRAIN, VALIDATION, TEST)
KIND = folders.FolderKind(
    "set of doodles",
    STATE,
    (*(f"{split}.ndjson.gz" for split in SPLITS), DATA, PROBLEMS, PAGE),
    "sources or settings",
)
# Words after which a mirrored drawing would be another.
SIDES = re.compile(
    r"\b(left|right|leftmost|rightmost|leftward|rightward|leftwards|rightwards|lefthand|righthand|"
    r"clockwise|anticlockwise|counterclockwise|east|west|eastern|western|mirrored|writing|letters?|words?|text)\b",
    re.IGNORECASE,
)


def prepare_doodles(
    sources: Sequence[Path], out: Path, settings: DoodleSetSettings | None = None, progress: Progress = silent
) -> DoodleSet:
    """Write the drawings of files and folders of any kind as a set to train on, into the folder `out`.

    For each split an ndjson file of strokes in Quick, Draw!'s form, with captions, and parquet parts in data/
    with image and text, as `datasets` loads them; problems.csv; and a page about the set. Killed at any
    moment and called again with the same, it goes on and ends with the same bytes. Raises InputError where
    nothing can be read, RunError for a folder that is finished or belongs to something else.
    """
    settings = settings or DoodleSetSettings()
    captions = _read_captions(settings.captions)
    units = [unit for source in sources for unit in find_units(source)]
    plan = {
        "unprompt": __version__,
        "settings": _as_json(settings),
        "captions": hashlib.sha256(json.dumps(sorted(captions.items())).encode()).hexdigest(),
        "sources": [[path.name, *file_state(path)] for unit in units for path in unit.files],
    }
    with folders.open_folder(out, KIND, plan, settings.overwrite):
        work = out / folders.WORK
        for number, unit in enumerate(units):
            progress("reading drawings", number, len(units))
            _read_unit(unit, work / f"unit-{number:05d}", settings)
        progress("reading drawings", len(units), len(units))
        gathered = _gather(work, len(units), settings, captions)
        _write_splits(out, gathered.splits, settings, progress)
        write_problems(out / PROBLEMS, gathered.problems)
        made = _summed(out, gathered, settings)
        write_bytes(out / PAGE, render_set(made, settings).encode())
        folders.finish(out, KIND, _record(made, settings))
    return made


# --- reading


def _read_captions(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    table = read_table(path, ("imgId", "caption"))
    return {key: row["caption"].strip() for key, row in zip(read_ids(table, path), table.rows, strict=True)}


def _read_unit(unit: Unit, place: Path, settings: DoodleSetSettings) -> None:
    """Read, simplify and keep some drawings, with what was wrong; nothing where that was done before."""
    record = place.with_suffix(".json")
    if record.exists():
        return
    problems: list[Problem] = []
    kept: dict[str, list[tuple[str, bytes]]] = defaultdict(list)  # of each word, by chance
    read = unguessed = 0
    for doodle, split in unit.read(problems):
        read += 1
        if settings.recognised and doodle.recognised is False:
            unguessed += 1
        elif not doodle.drawing.strokes:
            problems.append(Problem(doodle.key, unit.files[0].name, "the drawing is empty"))
        else:
            small = _simplify(doodle.drawing, settings.epsilon)
            digest = _digest(small)
            kept[doodle.word].append((_chance(settings.seed, digest), _line(doodle, small, split, digest)))
            if settings.most and len(kept[doodle.word]) > 2 * settings.most + 64:
                kept[doodle.word] = sorted(kept[doodle.word])[: settings.most]
    lines = [line for word in sorted(kept) for _, line in sorted(kept[word])[: settings.most or None]]
    write_bytes(place.with_suffix(".ndjson.gz"), gzip.compress(b"".join(lines), 5, mtime=0))
    beyond = (
        read - unguessed - len(lines) - sum(problem.problem == "the drawing is empty" for problem in problems)
    )
    told = [[problem.image_id, problem.file, problem.problem] for problem in problems]
    write_json(record, {"problems": told, "unguessed": unguessed, "beyond": beyond})


def _simplify(drawing: Drawing, epsilon: float) -> Drawing:
    """Simplified drawings stay as they are: whole numbers that reach from about 0 to about 255."""
    points = drawing.points
    low, high = points.min(), points.max()
    done = 0 <= low <= NEARLY and SIDE - NEARLY <= high <= SIDE and (points == np.rint(points)).all()
    return drawing if done else simplified(drawing, epsilon)


def _digest(drawing: Drawing) -> str:
    """What tells drawings apart, whatever they are called."""
    numbers = [stroke.astype(int).tolist() for stroke in drawing.strokes]
    return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:32]


def _chance(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _line(doodle: Doodle, drawing: Drawing, split: str = "", digest: str = "") -> bytes:
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


# --- splitting


@dataclass
class _Gathered:
    """Drawings by split, in their final order, and what was left out."""

    splits: dict[str, list[Doodle]]
    repeated: int = 0
    beyond: int = 0
    unguessed: int = 0
    problems: list[Problem] = field(default_factory=list)


def _gather(work: Path, units: int, settings: DoodleSetSettings, captions: Mapping[str, str]) -> _Gathered:
    found = _Gathered({split: [] for split in SPLITS})
    seen: dict[str, str] = {}  # which split a drawing is in
    rows: list[tuple[str, str, Doodle]] = []  # chance, own split, drawing
    shown: set[tuple[str, str]] = set()
    count_by_key: dict[str, int] = defaultdict(int)
    for number in range(units):
        record = read_json(work / f"unit-{number:05d}.json")
        found.problems += [Problem(*problem) for problem in record["problems"]]
        found.beyond += record["beyond"]
        found.unguessed += record["unguessed"]
        for doodle, split, digest in _read_kept(work / f"unit-{number:05d}.ndjson.gz"):
            caption = captions.get(doodle.key) or doodle.caption or _caption_of(doodle.word, settings.caption)
            if (digest, caption) in shown:
                found.repeated += 1
                continue
            shown.add((digest, caption))
            count_by_key[doodle.key] += 1
            repeats = count_by_key[doodle.key]
            key = doodle.key if repeats == 1 else f"{doodle.key}-{repeats}"
            whole = Doodle(key, doodle.drawing, doodle.word, doodle.country, doodle.recognised, caption)
            own = split if settings.own_splits else ""
            rows.append((digest, own, whole))
            if own and seen.get(digest, "") in ("", TRAIN):
                seen[digest] = own  # the same drawing in train and test of a set is in its test
    if not rows:
        first = (
            f"{found.problems[0].file}: {found.problems[0].problem}" if found.problems else "nothing in them"
        )
        raise InputError(none_readable(len(found.problems) or 1, "drawing", first))
    has = set(seen.values())
    by_word: dict[str, int] = defaultdict(int)
    for digest, _, doodle in sorted(rows, key=lambda row: (_chance(settings.seed, row[0]), row[2].key)):
        by_word[doodle.word] += 1
        if settings.most and doodle.word and by_word[doodle.word] > settings.most:
            found.beyond += 1
            continue
        found.splits[_split(digest, seen.get(digest, ""), has, settings)].append(doodle)
    for split in SPLITS:
        found.splits[split].sort(key=lambda doodle: _chance(settings.seed, f"order {doodle.key}"))
    return found


def _read_kept(path: Path) -> Iterator[tuple[Doodle, str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        more = [(entry.get("split", ""), entry["digest"]) for entry in map(json.loads, lines)]
    for doodle, (split, digest) in zip(read_ndjson(path), more, strict=True):
        yield doodle, split, digest


def _split(digest: str, own: str, has: set[str], settings: DoodleSetSettings) -> str:
    """A drawing's split: its set's own, or by what is drawn, and never by its place or name.

    Of a set that has a test and no validation, that is taken from its drawings for training.
    """
    if own in (VALIDATION, TEST):
        return own
    place = int(hashlib.sha256(f"split {settings.seed} {digest}".encode()).hexdigest()[:12], 16) / 16**12
    test = 0.0 if own and TEST in has else settings.test
    validation = 0.0 if own and VALIDATION in has else settings.validation
    return TEST if place < test else VALIDATION if place < test + validation else TRAIN


def _caption_of(word: str, form: str) -> str:
    """ "a drawing of {}" and "apple" -> "a drawing of an apple"; of no word, nothing."""
    if not word:
        return ""
    noun = f"the {word[4:]}" if word.lower().startswith("the ") else add_article(word)
    return form.replace("{}", noun)


# --- writing


@dataclass(frozen=True, eq=False)
class _Row:
    """One picture of a split: a drawing, or one of its warped copies."""

    doodle: Doodle
    copy: int = 0

    @property
    def key(self) -> str:
        return f"{self.doodle.key}-warped-{self.copy}" if self.copy else self.doodle.key


def _rows_of(split: str, doodles: Sequence[Doodle], settings: DoodleSetSettings) -> list[_Row]:
    """The rows of a split in a shuffled order; copies only of what is trained on."""
    copies = settings.copies if split == TRAIN else 0
    rows = [_Row(doodle, copy) for doodle in doodles for copy in range(copies + 1)]
    return sorted(rows, key=lambda row: _chance(settings.seed, f"order {row.key}"))


def draw_row(row: _Row, settings: DoodleSetSettings) -> Drawing:
    """The strokes of a row, 0 to 255, made anew of its key alone."""
    if not row.copy:
        return row.doodle.drawing
    random = np.random.Generator(np.random.PCG64(derive_seed(settings.seed, "copy", row.key)))
    mirror = settings.mirror and not SIDES.search(f"{row.doodle.caption} {row.doodle.word}")
    points, stroke = warp(lay_out(row.doodle.drawing), random, settings.warp, mirror)
    ends = np.flatnonzero(np.diff(stroke)) + 1
    return simplified(Drawing(tuple(np.split(points, ends))), settings.epsilon / 4)


def draw_picture(drawing: Drawing, settings: DoodleSetSettings) -> Image.Image:
    """The picture of a drawing: RGB or grey, black on white or white on black."""
    side = settings.size
    drawn = ink(drawing.fitted(side, settings.margin * side), side, side, settings.pen)
    level: NDArray[np.uint8] = np.rint(255 * (drawn if settings.ground == "black" else 1 - drawn)).astype(
        np.uint8
    )
    return Image.fromarray(level).convert("RGB" if settings.channels == "rgb" else "L")


def _write_splits(
    out: Path, splits: Mapping[str, Sequence[Doodle]], settings: DoodleSetSettings, progress: Progress
) -> None:
    every = {split: _rows_of(split, doodles, settings) for split, doodles in splits.items() if doodles}
    done, total = 0, sum(map(len, every.values()))
    for split, rows in every.items():
        strokes = out / f"{split}.ndjson.gz"
        if not strokes.exists():
            lines = (_line(_named(row), draw_row(row, settings)) for row in rows)
            write_bytes(strokes, gzip.compress(b"".join(lines), 6, mtime=0))
        starts = range(0, len(rows), settings.part) if settings.size else ()
        for number, start in enumerate(starts):
            progress("drawing pictures", done, total)
            block = rows[start : start + settings.part]
            path = out / DATA / f"{split}-{number:05d}-of-{len(starts):05d}.parquet"
            if not path.exists():
                pictures = [
                    (encode_png(draw_picture(draw_row(row, settings), settings)), f"{row.key}.png")
                    for row in block
                ]
                write_text_part(
                    path, [row.key for row in block], pictures, [row.doodle.caption for row in block]
                )
            done += len(block)
    progress("drawing pictures", total, total)


def _named(row: _Row) -> Doodle:
    known = row.doodle
    return Doodle(row.key, known.drawing, known.word, known.country, known.recognised, known.caption)


def _summed(out: Path, gathered: _Gathered, settings: DoodleSetSettings) -> DoodleSet:
    return DoodleSet(
        out,
        gathered.splits,
        settings.copies * len(gathered.splits[TRAIN]),
        gathered.repeated,
        gathered.beyond,
        gathered.unguessed,
        tuple(gathered.problems),
    )


def _record(made: DoodleSet, settings: DoodleSetSettings) -> dict[str, Any]:
    return {
        "drawings": {split: len(doodles) for split, doodles in made.drawings.items()},
        "copies": made.copies,
        "pictures": settings.size,
        "words": len(
            {doodle.word for doodles in made.drawings.values() for doodle in doodles if doodle.word}
        ),
        "repeated": made.repeated,
        "beyond": made.beyond,
        "unguessed": made.unguessed,
        "problems": len(made.problems),
        "settings": _as_json(settings),
        "versions": {"unprompt": __version__},
    }


def _as_json(settings: DoodleSetSettings) -> dict[str, Any]:
    """All that decides a set."""
    return {
        name: value.name if isinstance(value, Path) else value
        for name, value in vars(settings).items()
        if name not in ("overwrite", "captions") or (name == "captions" and value)
    }
