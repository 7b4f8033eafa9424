"""Sets of doodles to train on: strokes and pictures with captions, split, shuffled, with warped copies.

Drawings are split by what is drawn, before anything else is done to them: all copies of one, and the same
strokes under another name, are on one side. Only what is trained on is warped, strokes before pixels, so that
lines keep their width; and what a caption calls left stays left.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from unprompt import __version__
from unprompt.datasets.seeds import derive_seed
from unprompt.doodles.data_config import DoodleSetSettings
from unprompt.doodles.data_page import Samples, choose_samples, render_set
from unprompt.doodles.doodle_set import DoodleSet, Listed
from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.ink import ink
from unprompt.doodles.kept import KeptUnits, Place, chance, line_of
from unprompt.doodles.layouts import TEST, TRAIN, VALIDATION
from unprompt.doodles.read import find_units
from unprompt.doodles.simplify import simplified
from unprompt.doodles.warps import lay_out, warp
from unprompt.errors import InputError
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage import resumable as folders
from unprompt.storage.files import read_ids, read_table, write_bytes, write_problems, writing
from unprompt.storage.images import encode_png, file_state
from unprompt.storage.matching import fit_keys
from unprompt.storage.parts import write_text_part
from unprompt.text.english import add_article, none_readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATE = "set.json"
DATA = "data"
PROBLEMS, PAGE = "problems.csv", "doodles.html"
ANY = 2**64  # no chance is above it
SPLITS = (TRAIN, VALIDATION, TEST)
KIND = folders.FolderKind(
    "set of doodles",
    STATE,
    (*(f"{split}.ndjson.gz" for split in SPLITS), DATA, PROBLEMS, PAGE),
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
        kept = KeptUnits(out / folders.WORK)
        for number, unit in enumerate(units):
            progress("reading drawings", number, len(units))
            kept.keep(number, unit, settings)
        progress("reading drawings", len(units), len(units))
        gathered = _gather(kept, len(units), settings, captions)
        _write_splits(out, gathered.splits, kept, settings, progress)
        write_problems(out / PROBLEMS, gathered.problems)
        made = _summed(out, gathered, settings)
        samples = _samples(gathered.splits, kept, settings)
        write_bytes(out / PAGE, render_set(made, settings, samples).encode())
        folders.finish(out, KIND, _record(made, settings))
    return made


def _read_captions(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    table = read_table(path, ("imgId", "caption"))
    return {key: row["caption"].strip() for key, row in zip(read_ids(table, path), table.rows, strict=True)}


# --- splitting


class _Row(NamedTuple):
    """One picture of a split: a drawing, or one of its warped copies. `place`: where the drawing lies."""

    known: Listed
    place: Place
    copy: int = 0

    @property
    def key(self) -> str:
        return f"{self.known.key}-warped-{self.copy}" if self.copy else self.known.key

    @property
    def word(self) -> str:
        return self.known.word


@dataclass
class _Gathered:
    """Drawings by split, in their final order, and what was left out."""

    splits: dict[str, list[_Row]]
    repeated: int = 0
    beyond: int = 0
    unguessed: int = 0
    problems: list[Problem] = field(default_factory=list)


def _gather(
    kept: KeptUnits, units: int, settings: DoodleSetSettings, captions: Mapping[str, str]
) -> _Gathered:
    found = _Gathered({split: [] for split in SPLITS})
    seen: dict[str, str] = {}  # which split a drawing is in
    rows: list[tuple[str, _Row]] = []  # what is drawn, and what is known of it
    shown: set[tuple[str, str]] = set()
    count_by_key: dict[str, int] = defaultdict(int)
    same: dict[str, str] = {}  # each text once in memory
    if not all(map(str.isascii, captions)):
        keys = {entry["key_id"] for number in range(units) for _, entry in kept.entries(number)}
        captions = fit_keys(captions, keys)
    for number in range(units):
        record = kept.record(number)
        found.problems += [Problem(*problem) for problem in record["problems"]]
        found.beyond += record["drawn"]
        found.unguessed += record["unguessed"]
        for place, entry in kept.entries(number):
            digest, word, key = entry["digest"], entry["word"], entry["key_id"]
            if chance(settings.seed, digest) > record["limits"].get(word, ANY):
                continue
            found.beyond -= 1
            caption = captions.get(key) or entry.get("caption") or _caption_of(word, settings.caption)
            caption = same.setdefault(caption, caption)
            if (digest, caption) in shown:
                found.repeated += 1
                continue
            shown.add((digest, caption))
            count_by_key[key] += 1
            name = key if count_by_key[key] == 1 else f"{key}-{count_by_key[key]}"
            rows.append((digest, _Row(_listed(name, entry, caption, same), place)))
            own = entry.get("split", "") if settings.own_splits else ""
            if own and seen.get(digest, "") in ("", TRAIN):
                seen[digest] = own  # the same drawing in train and test of a set is in its test
    if not rows:
        first = (
            f"{found.problems[0].file}: {found.problems[0].problem}" if found.problems else "nothing in them"
        )
        raise InputError(none_readable(len(found.problems) or 1, "drawing", first))
    has = set(seen.values())
    by_word: dict[str, int] = defaultdict(int)
    for digest, row in sorted(rows, key=lambda one: (chance(settings.seed, one[0]), one[1].key)):
        by_word[row.word] += 1
        if settings.most and row.word and by_word[row.word] > settings.most:
            found.beyond += 1
            continue
        found.splits[_split(digest, seen.get(digest, ""), has, settings)].append(row)
    for split in SPLITS:
        found.splits[split].sort(key=lambda row: chance(settings.seed, f"order {row.key}"))
    return found


def _listed(key: str, entry: Mapping[str, Any], caption: str, same: dict[str, str]) -> Listed:
    word, country = entry["word"], entry.get("countrycode", "")
    return Listed(
        key,
        same.setdefault(word, word),
        same.setdefault(country, country),
        entry.get("recognized"),
        caption,
        len(entry["drawing"]),
        sum(len(stroke[0]) for stroke in entry["drawing"]),
    )


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


def _rows_of(split: str, drawings: Sequence[_Row], settings: DoodleSetSettings) -> list[_Row]:
    """The rows of a split in a shuffled order; copies only of what is trained on."""
    copies = settings.copies if split == TRAIN else 0
    rows = [row._replace(copy=copy) for row in drawings for copy in range(copies + 1)]
    return sorted(rows, key=lambda row: chance(settings.seed, f"order {row.key}"))


def _draw_row(row: _Row, kept: KeptUnits, settings: DoodleSetSettings) -> Drawing:
    """The strokes of a row, 0 to 255, made anew of its key alone."""
    drawing = kept.drawing(row.place)
    if not row.copy:
        return drawing
    random = np.random.Generator(np.random.PCG64(derive_seed(settings.seed, "copy", row.key)))
    mirror = settings.mirror and not SIDES.search(f"{row.known.caption} {row.word}")
    points, stroke = warp(lay_out(drawing), random, settings.warp, mirror)
    ends = np.flatnonzero(np.diff(stroke)) + 1
    return simplified(Drawing(tuple(np.split(points, ends))), settings.epsilon / 4)


def _doodle_of(row: _Row, kept: KeptUnits, settings: DoodleSetSettings) -> Doodle:
    known = row.known
    drawing = _draw_row(row, kept, settings)
    return Doodle(row.key, drawing, known.word, known.country, known.recognised, known.caption)


def draw_picture(drawing: Drawing, settings: DoodleSetSettings) -> Image.Image:
    """The picture of a drawing: RGB or grey, black on white or white on black."""
    side = settings.size
    drawn = ink(drawing.fitted(side, settings.margin * side), side, side, settings.pen)
    level: NDArray[np.uint8] = np.rint(255 * (drawn if settings.ground == "black" else 1 - drawn)).astype(
        np.uint8
    )
    return Image.fromarray(level).convert("RGB" if settings.channels == "rgb" else "L")


def _write_splits(
    out: Path,
    splits: Mapping[str, Sequence[_Row]],
    kept: KeptUnits,
    settings: DoodleSetSettings,
    progress: Progress,
) -> None:
    every = {split: _rows_of(split, drawings, settings) for split, drawings in splits.items() if drawings}
    done, total = 0, sum(map(len, every.values()))
    for split, rows in every.items():
        strokes = out / f"{split}.ndjson.gz"
        if not strokes.exists():
            doodles = (_doodle_of(row, kept, settings) for row in rows)
            with writing(strokes) as stream:
                stream.writelines(_packed(line_of(doodle, doodle.drawing) for doodle in doodles))
        starts = range(0, len(rows), settings.part) if settings.size else ()
        for number, start in enumerate(starts):
            progress("drawing pictures", done, total)
            block = rows[start : start + settings.part]
            path = out / DATA / f"{split}-{number:05d}-of-{len(starts):05d}.parquet"
            if not path.exists():
                drawn = (_draw_row(row, kept, settings) for row in block)
                pictures = [
                    (encode_png(draw_picture(drawing, settings)), f"{row.key}.png")
                    for row, drawing in zip(block, drawn, strict=True)
                ]
                write_text_part(
                    path, [row.key for row in block], pictures, [row.known.caption for row in block]
                )
            done += len(block)
    progress("drawing pictures", total, total)


def _packed(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines as a gzip file without name and time: the same lines give the same bytes."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for line in lines:
        yield packer.compress(line)
    yield packer.flush()


def _samples(splits: Mapping[str, Sequence[_Row]], kept: KeptUnits, settings: DoodleSetSettings) -> Samples:
    every = [(split, row) for split, rows in splits.items() for row in rows]
    return [(split, _doodle_of(row, kept, settings)) for split, row in choose_samples(every, settings.shown)]


def _summed(out: Path, gathered: _Gathered, settings: DoodleSetSettings) -> DoodleSet:
    return DoodleSet(
        out,
        {split: [row.known for row in rows] for split, rows in gathered.splits.items()},
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
