"""Captions for training: a text beside each picture, Hugging Face's metadata.jsonl, kohya's meta_cap.json.

What each reader takes:

- sd-scripts' DreamBooth sets read NAME.txt (or NAME.caption) beside NAME.png, the first line of it, and stop
  at one without a line. So a text is one line here, and has its line end even where it is empty.
- sd-scripts' `merge_captions_to_metadata.py` writes {key: {"caption": text}}, where the key is the picture's
  stem, or with `--full_path` its path, and keeps what else the file says. Here too.
- Hugging Face's `imagefolder` reads `file_name`, relative to the folder of metadata.jsonl.

What is there already is replaced only where that is asked for. While the work is under way a hidden folder
keeps a journal of the texts that were made and the pictures that could not be read; killed, the work goes on
from it.
"""

from __future__ import annotations

import io
import json
import os
import re
import warnings
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

from unprompt.errors import ConfigError, InputError, RunError, agreed, part_of
from unprompt.records import Problem
from unprompt.storage.damage import DAMAGED_JSON, OTHER_RECORD
from unprompt.storage.files import (
    LONGEST_NAME,
    check_paths_below,
    full_disk_told,
    part_beside,
    read_json,
    read_text,
    write_bytes,
    write_json,
    write_problems,
)
from unprompt.storage.images import ImageFile, find_images, image_endings, readable
from unprompt.storage.journal import Journal
from unprompt.storage.matching import fit_keys
from unprompt.storage.places import check_writable
from unprompt.storage.remote import AnyPath, RemotePath, path_below
from unprompt.storage.resumable import PROGRESS, fingerprints, hold_work
from unprompt.storage.sources import Sources, describe_change
from unprompt.storage.text_config import TextConfig

METADATA = "metadata.jsonl"
FILE_NAME, TEXT, CAPTION = "file_name", "text", "caption"
JOURNAL = "texts.jsonl"
_COMMAS = re.compile(r"\s*,(\s*,)*\s*")


def text_line(text: str, prefix: str = "", suffix: str = "") -> str:
    """A caption as one line: line breaks become blanks; of an empty one prefix and suffix are left."""
    said = _flat(text)
    whole = _flat(f"{prefix}{said}{suffix}")
    return whole if said else _COMMAS.sub(", ", whole).strip(" ,")


def _flat(text: str) -> str:
    return " ".join(part.strip() for part in text.splitlines() if part.strip())


# --- which pictures


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file, and the folder among IMAGES that it was found in."""

    file: ImageFile
    root: AnyPath

    @property
    def relative(self) -> PurePath:
        """Its path below its root; of one in a parquet part, its id."""
        if self.file.row is not None:
            return Path(self.file.image_id)
        return path_below(self.file.path, self.root)

    @property
    def key(self) -> str:
        """The same in every run."""
        row = "" if self.file.row is None else f"#{self.file.row}"
        return f"{self.file.path.absolute()}{row}"


def find_pictures(sources: Sequence[AnyPath], recursive: bool = False) -> list[Picture]:
    """The images of several folders and files, each once, in their order.

    Images of the same name are told apart by their folders, or by their endings: those of several `sources`
    have the folder's name before their ids, or before their whole names, or, where that is the same too,
    their path. Raises what `find_images` raises.
    """
    found: dict[str, Picture] = {}
    for source in sources:
        files = find_images(source, recursive, same_stems=True, tell=True)
        root = source.parent if source.is_file() else source
        for file in files:
            picture = Picture(file, root)
            found.setdefault(picture.key, picture)
    before = [one.file.image_id for one in found.values()]
    pictures = list(found.values())
    del found  # its keys are all their paths
    ways: tuple[Callable[[Picture], str], ...] = (
        lambda one: f"{readable(one.root.resolve().name)}/{one.file.image_id}",
        lambda one: f"{readable(one.root.resolve().name)}/{readable(one.file.path.name)}",
        lambda one: readable(one.key),
    )
    for longer in ways:
        often = Counter(one.file.image_id for one in pictures)
        pictures = [
            replace(one, file=replace(one.file, image_id=longer(one)))
            if often[one.file.image_id] > 1
            else one
            for one in pictures
        ]
    renamed = [
        one.file.image_id for one, old in zip(pictures, before, strict=True) if one.file.image_id != old
    ]
    if renamed:
        warnings.warn(
            f"{part_of(len(renamed), len(pictures), 'image')} {agreed(len(renamed), 'have')} the name of one "
            f"in another folder; ids say the folder too, first: {renamed[0]}",
            stacklevel=2,
        )
    return pictures


def _local_root(picture: Picture) -> Path:
    """The root of a picture that has a place for texts beside it."""
    assert isinstance(picture.root, Path)
    return picture.root


# --- where their texts go


class TextPlaces:
    """Where the captions of pictures go.

    `path`: what to tell the user. `notes`: sentences about pictures that share a text, to be shown.
    """

    def __init__(self, pictures: Sequence[Picture], config: TextConfig, overwrite: bool = False) -> None:
        """Nothing is written. Raises ConfigError and InputError for places that cannot be, or clash.

        Names from outside, of rows, archives and stores, must not lead out of the folder of texts. Raises
        RunError for a folder that is to get something and cannot be written.
        """
        if not config.is_wanted:
            raise ConfigError("say where the captions go: --txt, --metadata-jsonl or --meta-cap")
        if config.ending.lower() in image_endings():
            raise ConfigError(f"ending must not be that of a picture, got '{config.ending}'")
        self.pictures = tuple(pictures)
        self.config = config
        self._replaces = overwrite and not config.skip_existing
        self.notes: tuple[str, ...] = ()
        beside = not config.txt_folder and config.has_files
        placeless = [
            picture
            for picture in pictures
            if picture.file.row is not None or isinstance(picture.file.path, RemotePath)
        ]
        if placeless and (beside or config.metadata_jsonl or config.meta_cap):
            raise ConfigError(
                f"there is no place beside {placeless[0].file.name} for a text file; name a folder with "
                "--txt-folder"
            )
        check_paths_below([str(picture.relative) for picture in placeless])
        self.path = self._told_path()
        self._text_by_id = {one.file.image_id: self._text_path(one) for one in pictures}
        self._sharing = self._cap_sharing = frozenset[str]()
        if config.has_files:
            texts = {image_id: str(path) for image_id, path in self._text_by_id.items()}
            self._sharing = (
                self._find_sharing(
                    texts,
                    "write the texts beside the pictures, or name the folder above both, with --recursive",
                )
                | self._find_too_long()
            )
        if config.meta_cap:
            keys = {one.file.image_id: self._cap_key(one) for one in pictures}
            self._cap_sharing = self._find_sharing(keys, "add --full-path")
        self._no_rows = self._find_no_utf8() if self._has_tables else frozenset[str]()
        self._read_tables()
        self._check_writable()

    @property
    def replaces(self) -> bool:
        """Whether the texts take the place of what is there."""
        return self._replaces

    def go_on_replacing(self) -> None:
        """Replace what is there, as the work was begun so; what is to be skipped stays all the same."""
        self._replaces = not self.config.skip_existing

    def _read_tables(self) -> None:
        """Read what metadata.jsonl and meta_cap.json say now."""
        names_in: dict[Path, list[str]] = defaultdict(list)
        for picture in self.pictures if self.config.metadata_jsonl else ():
            names_in[_local_root(picture)].append(picture.relative.as_posix())
        self._metadata = {
            root: fit_keys(_read_metadata(root / METADATA), names) for root, names in names_in.items()
        }
        caps = _read_caps(Path(self.config.meta_cap)) if self.config.meta_cap else {}
        self._caps = fit_keys(caps, map(self._cap_key, self.pictures))

    def _told_path(self) -> Path:
        if self.config.txt_folder:
            return Path(self.config.txt_folder)
        if self.config.has_files or self.config.metadata_jsonl:
            return _local_root(self.pictures[0])
        return Path(self.config.meta_cap).parent

    def _text_path(self, picture: Picture) -> Path:
        ending = self.config.ending
        if picture.file.row is not None:
            return Path(self.config.txt_folder) / f"{picture.file.image_id}{ending}"
        if self.config.txt_folder:
            path = Path(self.config.txt_folder) / picture.relative.with_suffix(ending)
        else:
            path = picture.file.local_path.with_suffix(ending)
        return path

    def _find_too_long(self) -> frozenset[str]:
        """The ids of pictures whose text's name no file can have, which are noted."""
        long = [
            image_id
            for image_id, path in self._text_by_id.items()
            if len(os.fsencode(path.name)) > LONGEST_NAME
        ]
        if long:
            first = readable(self._text_by_id[long[0]].name)
            note = (
                f"{part_of(len(long), len(self.pictures), 'text')} {agreed(len(long), 'are')} not written, "
                f"as the file's name would be too long, first: {first[:60]}…; rename the pictures, or take a "
                "shorter --ending"
            )
            self.notes = (*self.notes, note)
        return frozenset(long)

    def _find_no_utf8(self) -> frozenset[str]:
        """The ids of pictures whose names no table can hold, which are noted."""
        names = {one.file.image_id: str(one.file.path) for one in self.pictures}
        wrong = [image_id for image_id, name in names.items() if readable(name) != name]
        if wrong:
            note = (
                f"{part_of(len(wrong), len(names), 'picture')} {agreed(len(wrong), 'have')} no name in "
                f"UTF-8, so no table has a row for {agreed(len(wrong), 'them')}, first: "
                f"{readable(names[wrong[0]])}; rename {agreed(len(wrong), 'them')}"
            )
            self.notes = (*self.notes, note)
        return frozenset(wrong)

    def _cap_key(self, picture: Picture) -> str:
        return str(picture.file.path.absolute()) if self.config.full_path else picture.file.path.stem

    def _find_sharing(self, target_by_id: Mapping[str, str], advice: str) -> frozenset[str]:
        """The ids of pictures whose target is that of an earlier one in the same folder, which are noted.

        Raises InputError where it is that of a picture in another folder.
        """
        first: dict[str, Picture] = {}
        sharing = []
        for picture in self.pictures:
            target = target_by_id[picture.file.image_id]
            if first.setdefault(target, picture) is picture:
                continue
            owner, file = first[target].file, picture.file
            if owner.row is not None or owner.path.parent != file.path.parent:
                raise InputError(
                    f"{owner.path} and {file.path} would have the same caption, {target}; {advice}"
                )
            sharing.append((owner, file))
        if sharing:
            owner, other = sharing[0]
            more = f", and {len(sharing) - 1} more" if sharing[1:] else ""
            note = (
                f"{owner.path.name} and {other.path.name} have one text, as trainers read one for both: that "
                f"of {owner.path.name}{more}; rename one of each to give it its own"
            )
            self.notes = tuple(dict.fromkeys((*self.notes, note)))
        return frozenset(file.image_id for _, file in sharing)

    def _check_writable(self) -> None:
        """Raise RunError for a folder that is to get something and cannot be written."""
        if self.config.has_files:
            ids = {file.image_id for file in self.wanted()} - self._sharing
            for folder in dict.fromkeys(self._text_by_id[image_id].parent for image_id in sorted(ids)):
                check_writable(folder, self.other_folder)
        for root in self._metadata:
            own = [picture for picture in self.pictures if picture.root == root]
            if self._replaces or any(TEXT not in self._row(picture) for picture in own):
                check_writable(root, f"leave out --metadata-jsonl, which writes {METADATA} there")
        if self.config.meta_cap:
            check_writable(Path(self.config.meta_cap).parent, "name another --meta-cap")

    @property
    def other_folder(self) -> str:
        """What to do where the texts' folder cannot be written."""
        if self.config.txt_folder:
            return "name another --txt-folder"
        return "name a folder for the texts with --txt-folder"

    # --- what is there

    def existing(self, picture: Picture, own: Collection[Path] = ()) -> Path | None:
        """The file that has a text of a picture already; None where none has. `own`: texts not to count."""
        text = self._text_by_id[picture.file.image_id]
        if self.config.has_files and text not in own and os.path.lexists(text):
            return text
        if TEXT in self._row(picture):
            return _local_root(picture) / METADATA
        if self.config.meta_cap and CAPTION in self._caps.get(self._cap_key(picture), {}):
            return Path(self.config.meta_cap)
        return None

    def _row(self, picture: Picture) -> Mapping[str, Any]:
        if not self._metadata:
            return {}
        return self._metadata[_local_root(picture)].get(picture.relative.as_posix(), {})

    def _existing_text(self, picture: Picture) -> str | None:
        """The text that is there, the files' before the tables'."""
        path = self._text_by_id[picture.file.image_id]
        if self.config.has_files and os.path.lexists(path) and path.is_file():
            return text_line(read_text(path))
        for entry, key in (
            (self._row(picture), TEXT),
            (self._caps.get(self._cap_key(picture), {}) if self.config.meta_cap else {}, CAPTION),
        ):
            if key in entry:
                return str(entry[key])
        return None

    def check_free(self, done: Collection[str] = ()) -> None:
        """Raise RunError where texts are there and nothing says what to do with them.

        `done`: ids of the pictures that are done already, whose texts are this work's own.
        """
        if self.config.skip_existing or self._replaces:
            return
        own = {self._text_by_id[one.file.image_id] for one in self.pictures if one.file.image_id in done}
        left = [one for one in self.pictures if one.file.image_id not in done]
        there = [path for one in left if (path := self.existing(one, own)) is not None]
        if there:
            raise RunError(
                f"{there[0]} is there already{f', and {len(there) - 1} more' if there[1:] else ''}; "
                "add --overwrite to replace, or --skip-existing to keep them and do the other pictures"
            )

    def wanted(self) -> list[ImageFile]:
        """The pictures that are to be looked at: all, or those without a text where those are skipped."""
        return [
            picture.file
            for picture in self.pictures
            if not (self.config.skip_existing and self.existing(picture) is not None)
            and not self._has_nothing_of_its_own(picture)
        ]

    def _has_nothing_of_its_own(self, picture: Picture) -> bool:
        """Whether it shares all that is written with another picture."""
        image_id = picture.file.image_id
        own_text = self.config.has_files and image_id not in self._sharing
        own_cap = bool(self.config.meta_cap) and image_id not in self._cap_sharing
        return not (own_text or own_cap or self.config.metadata_jsonl)

    # --- writing

    def finished_line(self, prompt: str) -> str:
        """A prompt as it is written, with prefix and suffix."""
        return text_line(prompt, self.config.prefix, self.config.suffix)

    def write_all(self, line_by_id: Mapping[str, str]) -> None:
        """Write pictures' texts wherever they go, and wait for the disk.

        Where pictures with a text were skipped, that text goes wherever it is not yet. What others have
        written into the tables since the work began stays in them.
        """
        self._read_tables()
        lines = dict(line_by_id)
        if self.config.skip_existing and self._has_tables:
            for picture in self.pictures:
                if picture.file.image_id not in lines and (line := self._existing_text(picture)) is not None:
                    lines[picture.file.image_id] = line
        self.write_files(lines)
        self._write_tables(lines)
        os.sync()

    def write_files(self, line_by_id: Mapping[str, str]) -> None:
        """Write pictures' text files, each whole or not at all; nothing waits for the disk.

        One that is there stays, unless it is to be replaced.
        """
        if not self.config.has_files:
            return
        for image_id, line in line_by_id.items():
            path = self._text_by_id[image_id]
            if image_id in self._sharing or (os.path.lexists(path) and not self._replaces):
                continue
            beside = part_beside(path)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with full_disk_told(path):
                    beside.write_bytes(f"{line}\n".encode())
                    beside.replace(path)
            except OSError as error:
                raise RunError(f"{path} cannot be written: {error.strerror}; what is done is kept") from error

    def _write_tables(self, line_by_id: Mapping[str, str]) -> None:
        """Add pictures' texts to metadata.jsonl and meta_cap.json, where rows of others stay."""
        changed: set[Path] = set()
        for picture in self.pictures:
            line = line_by_id.get(picture.file.image_id)
            if line is None or picture.file.image_id in self._no_rows:
                continue
            if self.config.metadata_jsonl:
                name = picture.relative.as_posix()
                row = self._metadata[_local_root(picture)].setdefault(name, {FILE_NAME: name})
                if self._set(row, TEXT, line):
                    row[FILE_NAME] = name  # it may have been in another of Unicode's forms
                    changed.add(_local_root(picture) / METADATA)
            if self.config.meta_cap and picture.file.image_id not in self._cap_sharing:
                entry = self._caps.setdefault(self._cap_key(picture), {})
                if self._set(entry, CAPTION, line):
                    changed.add(Path(self.config.meta_cap))
        for root, rows in self._metadata.items():
            if root / METADATA in changed:
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows.values())
                write_bytes(root / METADATA, "".join(lines).encode())
        if self.config.meta_cap and Path(self.config.meta_cap) in changed:
            write_json(Path(self.config.meta_cap), self._caps)

    @property
    def _has_tables(self) -> bool:
        return self.config.metadata_jsonl or bool(self.config.meta_cap)

    def _set(self, entry: dict[str, Any], key: str, line: str) -> bool:
        """Put a text into an entry; whether that changed it."""
        if key in entry and (not self._replaces or entry[key] == line):
            return False
        entry[key] = line
        return True


def _read_metadata(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a metadata.jsonl by file_name, none where there is no file. Raises InputError."""
    if not path.exists():
        for other in ("metadata.csv", "metadata.parquet"):
            if (path.parent / other).exists():
                raise InputError(
                    f"{path.parent / other} is there, and Hugging Face's imagefolder does not take "
                    f"{METADATA} beside it; move it away, or leave out --metadata-jsonl"
                )
        return {}
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except DAMAGED_JSON as error:
            raise InputError(f"{path}, line {number}: is not JSON ({error})") from error
        if not isinstance(row, dict) or not isinstance(row.get(FILE_NAME), str):
            raise InputError(f"{path}, line {number}: is no object with a '{FILE_NAME}'")
        if row[FILE_NAME] in rows:
            raise InputError(f"{path}, line {number}: {row[FILE_NAME]} has a row already")
        rows[row[FILE_NAME]] = row
    return rows


def _read_caps(path: Path) -> dict[str, dict[str, Any]]:
    """What a meta_cap.json says, nothing where there is no file. Raises InputError."""
    if not path.exists():
        return {}
    caps = read_json(path)
    for key, entry in caps.items():
        if not isinstance(entry, dict):
            raise InputError(f"{path}: '{key}' has no object with a caption, so it is no metadata of kohya's")
    return caps


# --- as they come


@dataclass(frozen=True)
class _State:
    """How far the work has come: `size` bytes of the journal count.

    `replaces`: whether the texts take the place of what is there, as was asked when the work began.
    """

    plan: Mapping[str, str]
    size: int
    replaces: bool


class TextWriter:
    """Captions of pictures, written as they come. Nothing is touched before `start`.

    `todo`: the images that have to be looked at yet. `skipped`: how many have a text already, or share one.
    """

    def __init__(
        self, places: TextPlaces, name: str, plan: Mapping[str, Any], overwrite: bool, sources: Sources
    ) -> None:
        self._places = places
        self._sources = sources
        self._work = work_folder(places, name)
        self.problems_path = places.path / f"{name}.problems.csv"
        self._journal = Journal(self._work / JOURNAL)
        self.path = places.path
        begun = _read_state(self._work / PROGRESS, self._journal)
        skipping = places.config.skip_existing
        own = fingerprints(plan)
        change = describe_change(begun.plan, own) or sources.go_on(self._work) if begun is not None else ""
        if change and not skipping:
            if not overwrite:
                raise RunError(
                    f"{places.path} was begun with {change}; run what was begun, or add --overwrite to start "
                    "anew or --skip-existing to keep what it has written"
                )
            begun = None
        self._goes_on = begun is not None and not change
        self.resumed = begun is not None
        if begun is not None and begun.replaces:
            places.go_on_replacing()
        self._state = _State(own, begun.size if begun else 0, places.replaces)
        key_by_id = {picture.file.image_id: picture.key for picture in places.pictures}
        kept = self._journal.read(self._state.size)
        line_by_key = dict(line for line in kept if isinstance(line, list))
        self._problems = [Problem(**line) for line in kept if isinstance(line, dict) and not skipping]
        self._line_by_id = {
            image_id: line_by_key[key] for image_id, key in key_by_id.items() if key in line_by_key
        }
        self._key_by_id = key_by_id
        over = {*self._line_by_id, *(problem.image_id for problem in self._problems)}
        places.check_free(over)
        wanted = places.wanted()
        self.todo = [file for file in wanted if file.image_id not in over]
        self.skipped = len(places.pictures) - len({file.image_id for file in wanted} | over)

    @property
    def done(self) -> int:
        """How many images are finished, those with problems included."""
        return len(self._line_by_id) + len(self._problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The images that could not be read."""
        return tuple(self._problems)

    def start(self) -> None:
        """Take the place, and bring the files to where the journal is."""
        if not self.resumed:
            self.problems_path.unlink(missing_ok=True)
        if not self._goes_on:
            self._sources.begin(self._work)
        self._journal.begin(self._state.size)
        self._save()
        self._places.write_files(self._line_by_id)

    def add(self, prompts: Sequence[tuple[ImageFile, str]], problems: Sequence[Problem] = ()) -> None:
        """Keep what the next images gave: a prompt or a problem for each."""
        lines = {file.image_id: self._places.finished_line(prompt) for file, prompt in prompts}
        rows: list[Any] = [[self._key_by_id[image_id], line] for image_id, line in lines.items()]
        size = self._journal.note([*rows, *map(asdict, problems)])
        self._state = replace(self._state, size=size)
        self._problems += problems
        self._save()
        self._places.write_files(lines)
        self._line_by_id.update(lines)
        self._sources.note(file for file, _ in prompts)

    def finish(self) -> None:
        """Write the tables and the list of problems, and forget the journal."""
        self._places.write_all(self._line_by_id)
        if self.problems:
            write_problems(self.problems_path, self.problems)
        # Only now, as all texts are on the disk, what could make them again may go.
        (self._work / PROGRESS).unlink(missing_ok=True)

    def _save(self) -> None:
        write_json(self._work / PROGRESS, asdict(self._state))


def work_folder(places: TextPlaces, name: str) -> Path:
    """The hidden folder of work that is under way."""
    return places.path / f".{name}.work"


@contextmanager
def open_texts(
    places: TextPlaces, name: str, plan: Mapping[str, Any], overwrite: bool, models: Iterable[Path] = ()
) -> Iterator[TextWriter]:
    """Open places for the work that `plan` describes, going on where earlier work ended.

    `name`: the command's. `models`: the files of the models. Raises RunError where texts are there already,
    the work was begun with another plan or with files that have changed since, or another process does it.
    `overwrite` starts anew in the first two cases; where existing texts are skipped, both are no error.
    """
    check_writable(places.path, places.other_folder)
    with hold_work(work_folder(places, name), places.path, "set of texts for training", overwrite):
        sources = Sources([picture.file for picture in places.pictures], models)
        yield TextWriter(places, name, {**plan, "texts": asdict(places.config)}, overwrite, sources)


def _read_state(path: Path, journal: Journal) -> _State | None:
    """A state that was saved and whose journal is whole; None where there is none."""
    try:
        saved = read_json(path)
        state = _State(dict(saved["plan"]), int(saved["size"]), bool(saved["replaces"]))
        return state if journal.has(state.size) else None
    except OTHER_RECORD:
        return None


# --- for a visitor


def zip_texts(pictures: Iterable[tuple[str, str]], metadata: bool = True) -> bytes:
    """File names of pictures and their captions -> a ZIP with NAME.txt for each, and metadata.jsonl.

    `metadata`: False where the names have no endings, and so are no files'. Of names that would share a text
    the later ones are numbered: same.png and same.jpg have same.txt and same-2.txt. Unpacked, none lies
    outside the folder, whatever its name says. The same pictures give the same bytes.
    """
    taken: set[str] = set()
    rows = []
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, caption in pictures:
            line = text_line(caption)
            inside = _inside(name)
            stem = PurePath(inside).with_suffix("").as_posix() if metadata else inside
            target, number = f"{stem}.txt", 1
            while target in taken:
                number += 1
                target = f"{stem}-{number}.txt"
            taken.add(target)
            archive.writestr(_member(target), f"{line}\n")
            rows.append(json.dumps({FILE_NAME: name, TEXT: line}, ensure_ascii=False) + "\n")
        if metadata:
            archive.writestr(_member(METADATA), "".join(rows))
    return stream.getvalue()


def _inside(name: str) -> str:
    """A name without a root, a drive and `..`, which would lead out of the folder that it is unpacked to."""
    path = PureWindowsPath(name)
    if not path.anchor and ".." not in path.parts:
        return name
    return "/".join(part for part in path.parts if part not in (path.anchor, "..")) or "_"


def _member(name: str) -> zipfile.ZipInfo:
    """A file of an archive, of a time that is always the same."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info
