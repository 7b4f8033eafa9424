"""Models' parameters on disk: what is needed, where it is looked for, and whether it is the right file.

What exists is declared in `datasets_meta/*/files.json`, one folder per Kaggle data set. Nothing here opens
a network connection: `install` copies from a folder or file that the user already has, and downloading is
`fetching.py`'s alone, on the user's command.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from unprompt.errors import CheckpointError, InputError
from unprompt.storage.files import read_json, writing
from unprompt.storage.packages import package_folder
from unprompt.storage.places import in_reach, note_closed
from unprompt.storage.stand_ins import describe_stand_in
from unprompt.text.english import counted

KAGGLE_INPUT = Path(os.environ.get("UNPROMPT_KAGGLE_INPUT", "/kaggle/input"))  # elsewhere in rehearsals
ENVIRONMENT_VARIABLE = "UNPROMPT_CHECKPOINTS"
RECORD = "fetched.json"  # beside downloaded files: what the server said they are
WEIGHTS_ENDINGS = (".safetensors", ".bin", ".pt", ".pth")
MODEL_ENDINGS = (*WEIGHTS_ENDINGS, ".json", ".txt", ".model", ".npz")  # of the files that make up a model


@dataclass(frozen=True)
class Source:
    """Where a file is published: in a repository of the Hugging Face hub, or at an https:// address.

    `repository`: OWNER/NAME on the hub, the address, a Python package's name, or None where it is not
    published. `revision`: a commit, a branch or a version; `path`: of the file in it.
    """

    repository: str | None = None
    revision: str | None = None
    path: str | None = None

    @property
    def on_hub(self) -> bool:
        """Whether it is on the hub."""
        return self.repository is not None and self.repository.count("/") == 1 and self.path is not None

    @property
    def address(self) -> str | None:
        """Its address where it can be downloaded, but is not on the hub."""
        published = (self.repository or "").startswith(("https://", "http://"))
        return f"{self.repository}/{self.path}" if published else None


@dataclass(frozen=True)
class CheckpointFile:
    """One file of a checkpoint. `size` in bytes and `sha256` are None where they are not known."""

    name: str
    size: int | None
    sha256: str | None
    source: Source
    licence: str

    @property
    def can_be_downloaded(self) -> bool:
        """Whether it is published somewhere from where `unprompt checkpoints fetch` gets it."""
        return self.source.on_hub or self.source.address is not None


@dataclass(frozen=True)
class Alternative:
    """The same parameters in another format: a complete set of these files will do as well."""

    format: str
    files: tuple[CheckpointFile, ...]
    get: tuple[str, ...]


@dataclass(frozen=True)
class Checkpoint:
    """One model's parameters: what for, which files, and how to get them."""

    name: str
    role: str
    used_by: tuple[str, ...]
    data_set: str
    files: tuple[CheckpointFile, ...]
    get: tuple[str, ...]
    package: str | None  # import name of an installed package that may carry it
    package_path: str
    alternatives: tuple[Alternative, ...] = ()

    @property
    def main_file(self) -> CheckpointFile:
        """The file with the weights: the largest, or the first where sizes are unknown."""
        return largest(self.files)

    @property
    def download(self) -> tuple[CheckpointFile, ...]:
        """The files that `unprompt checkpoints fetch` gets; none where they are not published.

        Of several formats it is the first whose weights have a known sha256, or the first of all.
        """
        forms = (self.files, *(other.files for other in self.alternatives))
        published = [form for form in forms if all(file.can_be_downloaded for file in form)]
        sure = [form for form in published if largest(form).sha256]
        return next(iter(sure or published), ())

    @property
    def manual_ways(self) -> tuple[str, ...]:
        """Ways to get it without `unprompt checkpoints fetch`."""
        ways = (*self.get, *(way for other in self.alternatives for way in other.get))
        return tuple(way for way in ways if not way.startswith("unprompt "))


@dataclass(frozen=True)
class Found:
    """A checkpoint that was located: the folder that holds its files, and which kind of place that is.

    `alternative` is None where they are the checkpoint's own files, else says which others they are.
    """

    checkpoint: Checkpoint
    folder: Path
    place: str
    alternative: Alternative | None = None

    @property
    def files(self) -> tuple[CheckpointFile, ...]:
        """The files that were found."""
        return self.alternative.files if self.alternative else self.checkpoint.files

    @property
    def main_path(self) -> Path:
        """Path of the file with the weights."""
        return self.folder / largest(self.files).name


def largest(files: Sequence[CheckpointFile]) -> CheckpointFile:
    """The largest file, or the first where sizes are unknown."""
    return max(files, key=lambda file: file.size or 0)


def cache_folder() -> Path:
    """The user's cache folder for unprompt (`$XDG_CACHE_HOME/unprompt`, else `~/.cache/unprompt`)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "unprompt"


def checkpoint_folder(name: str) -> Path:
    """Where a checkpoint lies in the user's cache folder."""
    return cache_folder() / "checkpoints" / name


def hub_cache() -> Path:
    """The folder in which Hugging Face's libraries keep what they download, by their variables."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(variable):
            return Path(os.path.expandvars(folder)).expanduser()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(os.path.expandvars(os.environ.get("HF_HOME") or base)).expanduser() / "hub"


def in_hub_cache(source: Source) -> Path | None:
    """The folder of a repository's files at a revision in Hugging Face's cache, or None without that."""
    if not source.on_hub:
        return None
    repository = hub_cache() / f"models--{str(source.repository).replace('/', '--')}"
    revision = source.revision or "main"
    if in_reach(repository / "refs" / revision):  # a branch, and which commit it was
        revision = (repository / "refs" / revision).read_text("utf-8").strip()
    folder = repository / "snapshots" / revision
    return folder if in_reach(folder) else None


def snapshot_in(folder: Path) -> Path:
    """The folder of a model's files in a repository of the hub's cache (`models--OWNER--NAME`).

    It is that of the branch main, or the one revision that is there. Any other folder is given back as it is.
    Raises CheckpointError where there are several revisions and no telling which, or none.
    """
    snapshots = folder if folder.name == "snapshots" else folder / "snapshots"
    if not snapshots.is_dir() or not snapshots.resolve().parent.name.startswith("models--"):
        return folder
    there = sorted(path for path in snapshots.iterdir() if path.is_dir())
    main = snapshots.parent / "refs" / "main"
    if main.is_file() and (snapshots / main.read_text("utf-8").strip()) in there:
        return snapshots / main.read_text("utf-8").strip()
    if len(there) != 1:
        names = ", ".join(path.name[:12] for path in there[:3]) or "none"
        raise CheckpointError(
            f"{folder} is a repository in Hugging Face's cache with {len(there)} revisions ({names}) and no "
            f"branch main; name the folder of one, in {snapshots}"
        )
    return there[0]


def meta_folder() -> Path:
    """`datasets_meta/`: inside the installed package, or beside `src/` in a checkout."""
    here = Path(__file__).resolve().parents[1]  # the package
    shipped = here / "datasets_meta"
    return shipped if shipped.is_dir() else here.parents[1] / "datasets_meta"


@cache
def known_checkpoints() -> Mapping[str, Checkpoint]:
    """All declared checkpoints by name, read from `datasets_meta/*/files.json`."""
    checkpoints = (_read_declaration(path) for path in sorted(meta_folder().glob("*/files.json")))
    return {checkpoint.name: checkpoint for checkpoint in checkpoints}


def _read_declaration(path: Path) -> Checkpoint:
    meta: dict[str, Any] = read_json(path)
    package = meta.get("python_package") or {}
    return Checkpoint(
        name=meta["checkpoint"],
        role=meta["role"],
        used_by=tuple(meta["used_by"]),
        data_set=path.parent.name,
        files=_read_files(meta["files"]),
        get=tuple(meta["get"]),
        package=package.get("import"),
        package_path=package.get("path", ""),
        alternatives=tuple(
            Alternative(other["format"], _read_files(other["files"]), tuple(other["get"]))
            for other in meta.get("alternatives", ())
        ),
    )


def _read_files(entries: Sequence[Mapping[str, Any]]) -> tuple[CheckpointFile, ...]:
    return tuple(
        CheckpointFile(
            name=entry["file"],
            size=entry["size"],
            sha256=entry["sha256"],
            source=Source(**entry["source"]),
            licence=entry["licence"],
        )
        for entry in entries
    )


def declared(name: str) -> Checkpoint:
    """The declaration of a checkpoint. Raises CheckpointError that lists the known names."""
    try:
        return known_checkpoints()[name]
    except KeyError:
        raise CheckpointError(
            f"no checkpoint is called '{name}'; known: {', '.join(known_checkpoints())}"
        ) from None


def places(checkpoint: Checkpoint, explicit: Path | None = None) -> list[tuple[str, Path]]:
    """Where a checkpoint is looked for, in order: (kind of place, folder)."""
    found: list[tuple[str, Path]] = []
    if explicit is not None:
        found.append(("the path in the bundle", explicit.parent if explicit.is_file() else explicit))
    if root := os.environ.get(ENVIRONMENT_VARIABLE):
        found += [
            (f"${ENVIRONMENT_VARIABLE}", folder) for folder in (Path(root) / checkpoint.name, Path(root))
        ]
    # Kaggle mounts a data set as NAME or as datasets/OWNER/NAME; the declared name is tried before others.
    mounted = [path for pattern in ("*", "datasets/*/*") for path in sorted(KAGGLE_INPUT.glob(pattern))]
    mounted.sort(key=lambda path: path.name not in (checkpoint.data_set, checkpoint.name))
    found += [("Kaggle input", path) for path in mounted if in_reach(path) and path.is_dir()]
    found.append(("the user's cache", checkpoint_folder(checkpoint.name)))
    forms = (checkpoint.files, *(other.files for other in checkpoint.alternatives))
    snapshots = dict.fromkeys(in_hub_cache(largest(form).source) for form in forms)
    found += [("the Hugging Face cache", folder) for folder in snapshots if folder]
    if checkpoint.package and (folder := package_folder(checkpoint.package)):
        found.append((f"the package {checkpoint.package}", folder / checkpoint.package_path))
    return found


def usual_places() -> str:
    """Where any checkpoint is looked for, in one line for people."""
    kept = checkpoint_folder("NAME")
    return f"${ENVIRONMENT_VARIABLE}, {KAGGLE_INPUT}, {kept}, Hugging Face's cache"


def locate(name: str, explicit: Path | None = None) -> Found:
    """Find the folder with a checkpoint's own files or a complete alternative, without reading them.

    Raises CheckpointError that says what it is for, where it was looked for and how to get it.
    """
    checkpoint = declared(name)
    tried = places(checkpoint, explicit)
    others: list[Found] = []
    for place, folder in tried:
        found = found_in(checkpoint, folder, place)
        if found and (found.alternative is None or sizes_agree(found)):
            return found
        if found:  # files of the same names, which every model in that format has: maybe another's
            others.append(found)
    if others:
        return others[0]
    where = "; ".join(dict.fromkeys(f"{place}: {folder}{note_closed(folder)}" for place, folder in tried))
    size = f" ({size_of(checkpoint.download)})" if checkpoint.download else ""
    raise CheckpointError(
        f"checkpoint '{name}' ({checkpoint.role}) not found in {counted(len(tried), 'place')} ({where}); "
        f"{checkpoint.get[0]}{size}, or attach the Kaggle data set '{checkpoint.data_set}'; other ways: "
        f"unprompt checkpoints fetch {name} --by-hand"
    )


def size_of(files: Sequence[CheckpointFile]) -> str:
    """The size of files together for people: "1.71 GB", or that it is not known."""
    if any(file.size is None for file in files if file.name.endswith(WEIGHTS_ENDINGS)):
        return "size not known"
    return shown_bytes(sum(file.size or 0 for file in files))


def shown_bytes(size: int) -> str:
    """A number of bytes for people: "1.71 GB", "231.5 MB", "563 bytes"."""
    for unit, name, digits in ((1e9, "GB", 2), (1e6, "MB", 1), (1e3, "kB", 1)):
        if size >= unit:
            return f"{size / unit:.{digits}f} {name}"
    return counted(size, "byte")


def found_in(checkpoint: Checkpoint, folder: Path, place: str) -> Found | None:
    """The checkpoint's own files in a folder, else a complete alternative, else None. By name only."""
    for candidate in (None, *checkpoint.alternatives):
        found = Found(checkpoint, folder, place, candidate)
        if all(_has_file(folder / file.name) for file in found.files):
            return found
    return None


def _has_file(path: Path) -> bool:
    """Whether a file is there that this process may read."""
    return in_reach(path) and path.is_file()


def sizes_agree(found: Found) -> bool:
    """Whether located files have the sizes that are declared, as far as they are known."""
    return all(file.size in (None, (found.folder / file.name).stat().st_size) for file in found.files)


def folder_of(model: str, layout: str) -> Path:
    """The folder of a model that a user names by its folder or as a declared checkpoint.

    `layout` is a public repository whose files are laid out as the folder's should be. A declared
    checkpoint's files are verified. Raises CheckpointError that says how to get it.
    """
    if Path(model).is_dir():
        return snapshot_in(Path(model))
    if model not in known_checkpoints():
        raise CheckpointError(
            f"there is no model folder '{model}', and no checkpoint of that name; give a folder in the "
            f"layout of {layout}, or one of the names that `unprompt checkpoints list` prints"
        )
    try:
        found = locate(model)
    except CheckpointError as error:
        raise CheckpointError(f"{error}, or name a folder that you have with --model") from None
    verify(found)
    return found.folder


def files_of(models: Iterable[str | Path]) -> list[Path]:
    """The files of models that are named by their paths or as declared checkpoints, as far as they are there.

    Nothing is read: this tells which files decide a result.
    """
    found: list[Path] = []
    for model in models:
        path = Path(model)
        with suppress(CheckpointError):
            if path.is_dir():
                inside = sorted(snapshot_in(path).iterdir())
                found += [one for one in inside if one.suffix in MODEL_ENDINGS]
            elif path.exists():
                found.append(path)
            elif str(model) in known_checkpoints():
                located = locate(str(model))
                found += [located.folder / file.name for file in located.files]
    return found


def sha256_of_files(folder: Path, files: Sequence[Path]) -> str:
    """One sha256 over the names and contents of files in a folder: the identity of a model."""
    lines = (f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return (
            hashlib.file_digest(stream, "sha256").hexdigest()
            if hasattr(hashlib, "file_digest")
            else _digest(stream)
        )


def _digest(stream: Any) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def verify(found: Found, only: Sequence[str] | None = None) -> None:
    """Check sizes and sha256 of a located checkpoint's files (all, or those named in `only`).

    A file whose sha256 is not declared has to have the one that was recorded when it was downloaded, if it
    was. Raises CheckpointError naming the first file that differs.
    """
    recorded = recorded_sha256(found.folder)
    for file in found.files:
        if only is not None and file.name not in only:
            continue
        path = found.folder / file.name
        size = path.stat().st_size
        if size and (stand_in := describe_stand_in(path)):
            raise CheckpointError(f"{path} is {stand_in}")
        if file.size is not None and size != file.size:
            raise CheckpointError(
                f"{path} has {size:,} bytes, the checkpoint '{found.checkpoint.name}' has {file.size:,}: "
                "truncated, or another model; get it again"
            )
        expected = file.sha256 or recorded.get(file.name)
        if expected is not None and (actual := _sha256_as_it_is(path)) != expected:
            raise CheckpointError(
                f"{path} is not the checkpoint '{found.checkpoint.name}': sha256 {actual[:12]}…, "
                f"expected {expected[:12]}…; get it again"
            )


def _sha256_as_it_is(path: Path) -> str:
    state = path.stat()
    return _sha256_of_state(path, state.st_size, state.st_mtime_ns)


@cache
def _sha256_of_state(path: Path, _size: int, _changed: int) -> str:
    """`_size` and `_changed` are only there so that a changed file is read again."""
    return sha256_of(path)


def recorded_sha256(folder: Path) -> dict[str, str]:
    """The sha256 of a folder's files as they were downloaded, by name; empty where nothing was recorded.

    Raises CheckpointError where the record cannot be read.
    """
    if not (folder / RECORD).is_file():
        return {}
    try:
        return {name: str(entry["sha256"]) for name, entry in read_json(folder / RECORD)["files"].items()}
    except (InputError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / RECORD} cannot be read ({error}); remove it") from error


def install(name: str, source: Path) -> Found:
    """Copy a checkpoint from a folder (or its single file) into the user's cache, and verify it there.

    Raises InputError where a file is missing in `source`, CheckpointError where one is not the right file;
    the cache is then left as it was.
    """
    checkpoint = declared(name)
    root = source if source.is_dir() else source.parent
    given = found_in(checkpoint, root, "the given folder")
    if given is None:
        missing = [file.name for file in checkpoint.files if not (root / file.name).is_file()]
        raise InputError(
            f"{root} lacks {len(missing)} of {counted(len(checkpoint.files), 'file')} of '{name}', "
            f"first: {missing[0]}"
        )
    verify(given)
    target = checkpoint_folder(name)
    (target / RECORD).unlink(missing_ok=True)  # of what lay there before
    for file in given.files:
        with (root / file.name).open("rb") as original, writing(target / file.name) as copy:
            shutil.copyfileobj(original, copy, 1 << 20)
    return Found(checkpoint, target, "the user's cache", given.alternative)
