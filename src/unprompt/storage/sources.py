"""What unfinished work is made of, and whether that has changed since it was begun.

Work that goes on must not mix what was made of a file with what is made of another that took its place. What
is asked for (settings, names of images) is the plan; what lies in the files is told here, by one rule for
all commands: a file is the same where its size and its times are. Where they are not, an image that was
already looked at is compared by a hash of its bytes, which is taken when they have just been read and so
come from memory. Nothing else is read: 100,000 files cost 100,000 looks at their times.

A file in a store is the same where its size and the store's mark of it are, see `remote.MARKS`. It is not
fetched a second time for a hash, unless the store has no such mark.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.errors import counted, shown
from unprompt.storage.damage import DAMAGED_JSON
from unprompt.storage.files import write_bytes
from unprompt.storage.remote import AnyPath, RemotePath

if TYPE_CHECKING:
    from unprompt.storage.images import ImageFile

SOURCES, HASHES = "sources.json", "hashes.txt"
IMAGES, CHECKPOINT, PHRASES = "other images", "another checkpoint", "another phrase list"
_GONE = (-1, -1, -1)
_BLOCK = 1 << 20

# What it means that a part of a plan is another one; of parts that are not here, settings differ.
WORDS: Mapping[str, str] = {
    "unprompt": "another version of unprompt",
    "images": IMAGES,
    "pictures": IMAGES,
    "bundle": "another bundle",
    "clip": "another CLIP",
    "encoder": "another text encoder",
    "tower": "another image tower",
    **dict.fromkeys(("model", "model_sha256", "weights", "namer"), CHECKPOINT),
    "captions": "other captions",
    "phrases": PHRASES,
    "prompts": "other prompts",
    "engine": "another engine",
    "world": "another version of the pocket world",
    "orders": "other orders",
    "device": "another device",
    "precision": "another precision, which device and settings decide",
    "base": "other settings of the training",
    "search": "another search",
    "data": "another data set",
    **dict.fromkeys(("pairs", "triples", "targets"), "other pairs"),
    **dict.fromkeys(("drawings", "points", "scenes", "sources"), "other drawings"),
}


class Sources:
    """The files that work is made of, as they are now.

    `images`: those that are looked at one by one, some of them perhaps in one file. `checkpoints`, `phrases`:
    files of models, and lists of phrases.
    """

    def __init__(
        self,
        images: Sequence[ImageFile] = (),
        checkpoints: Iterable[Path] = (),
        phrases: Iterable[Path] = (),
    ) -> None:
        self._paths: dict[str, list[AnyPath]] = {
            IMAGES: list(dict.fromkeys(file.path for file in images)),
            CHECKPOINT: list(dict.fromkeys(checkpoints)),
            PHRASES: list(dict.fromkeys(phrases)),
        }
        self._states = {what: [_state(path) for path in paths] for what, paths in self._paths.items()}
        self._place_by_path = {path: place for place, path in enumerate(self._paths[IMAGES])}
        self._work: Path | None = None

    def begin(self, work: Path) -> None:
        """Keep how the files are in the folder of work that begins now."""
        self._work = work
        (work / HASHES).unlink(missing_ok=True)
        write_bytes(work / SOURCES, json.dumps(self._record()).encode())

    def go_on(self, work: Path) -> str:
        """What has changed since the work in the folder began: "other images: a.png has changed since".

        "" where nothing has.
        """
        self._work = work
        try:
            before = json.loads((work / SOURCES).read_bytes())
        except DAMAGED_JSON:  # or what another version left
            return WORDS["unprompt"]
        now = self._record()
        hashes = _read_hashes(work / HASHES)
        for what, paths in self._paths.items():
            if before.get(what) == now[what] and not any(map(_is_unmarked, paths)):
                continue
            rows = before.get(what, [])
            if [row[0] for row in rows] != [row[0] for row in now[what]]:
                return what
            known = hashes if what == IMAGES else {}
            changed = [
                path
                for place, (path, old, new) in enumerate(zip(paths, rows, now[what], strict=True))
                if (old != new or _is_unmarked(path)) and not _is_same(path, old, new, known.get(place))
            ]
            if changed:
                more = f" and {counted(len(changed) - 1, 'more file')}" if changed[1:] else ""
                have = "have" if more else "has"
                return f"{what}: {shown(str(changed[0]))}{more} {have} changed since"
        return ""

    def note(self, files: Iterable[ImageFile]) -> None:
        """Keep the hashes of images that have just been read, so that they are known again.

        Those that lie with others in one file are told by that file's times alone.
        """
        assert self._work is not None
        lines = []
        for file in files:
            place = self._place_by_path.get(file.path)
            if place is None or file.row is not None or file.absent:
                continue
            if isinstance(file.path, RemotePath) and not _is_unmarked(file.path):
                continue
            try:
                found = _hash(file.path)
            except (OSError, ValueError):
                continue
            if _state(file.path) == self._states[IMAGES][place]:
                lines.append(f"{place} {found}\n")
        with (self._work / HASHES).open("a") as stream:
            stream.write("".join(lines))

    def _record(self) -> dict[str, list[list[Any]]]:
        return {
            what: [
                [shown(path.name), *state]
                for path, state in zip(paths, self._states[what], strict=True)
            ]
            for what, paths in self._paths.items()
        }  # fmt: skip


def describe_change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In which parts two plans differ: "other images and other settings"; "" where in none.

    Plans are compared as JSON has them, and so are the hashes of their parts.
    """
    differing = [name for name in {**before, **now} if _plain(before.get(name)) != _plain(now.get(name))]
    return " and ".join(dict.fromkeys(WORDS.get(name, "other settings") for name in differing))


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _state(path: AnyPath) -> tuple[int, int | str, int | str]:
    """Bytes, and the times in nanoseconds at which content and entry changed last; in a store its mark."""
    try:
        if isinstance(path, RemotePath):
            found = path.state()
            return found.st_size, found.mark, found.mark
        state = path.stat()
    except (OSError, ValueError):  # ValueError: a table named a path with a NUL character
        return _GONE
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _is_unmarked(path: AnyPath) -> bool:
    """Whether it is in a store that does not say by any mark when it is another file."""
    return isinstance(path, RemotePath) and _state(path)[1] == ""


def _is_same(path: AnyPath, old: Sequence[Any], new: Sequence[Any], known: str | None) -> bool:
    """Whether a file is what it was, whose state (name, size, times) differs."""
    if old[1] != new[1]:
        return False
    if known is None:  # a copy, or a change of rights, has another entry and the same content
        return bool(old[2] == new[2])
    try:
        return _hash(path) == known
    except OSError:
        return False


def _hash(path: AnyPath) -> str:
    """A fast hash of a file's bytes."""
    digest = hashlib.blake2b(digest_size=12)
    if isinstance(path, RemotePath):
        digest.update(path.read_bytes())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _read_hashes(path: Path) -> dict[int, str]:
    """The hash of each image that was looked at; a line that a kill cut short does not count."""
    try:
        lines = path.read_text("ascii").split("\n")[:-1]
        return {int(place): found for place, found in (line.split() for line in lines)}
    except (OSError, ValueError):
        return {}
