"""Files that an address names, such as s3://bucket/images, read through fsspec as local ones are by `Path`.

An address that the user typed is the one thing beside `checkpoints fetch` for which unprompt opens a
connection. Nothing is written there, and nothing of it is kept on this machine's disk.

A store that cannot be reached says nothing of the image that was asked for. So whatever goes wrong on the way
is a StoreError, which ends the work until it is called again, and never a row of problems.csv, without which
the work would be finished. Names and messages have no user, password or query of an address in them, and no
value of the options that fsspec was given: they are shown and written.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any, NamedTuple, TypeAlias
from urllib.parse import quote, unquote

from unprompt.errors import InputError, StoreError, UnpromptError, shown
from unprompt.storage.packages import distribution_of, needed_for

# What stores say of a file that is another where its content is: of its bytes, else of its time. The first
# that is there counts.
MARKS = (
    *("ETag", "etag", "Content-MD5", "md5Hash", "content_md5", "blob_id", "sha", "CRC"),
    *("LastModified", "last_modified", "updated", "mtime", "modified", "modificationTime", "modify"),
    *("date_time", "created"),
)
UNASKED = (
    -2
)  # a file's size that the list of its folder does not say; -1: nor does the store when asked for it
BLOCK = 5 << 20  # bytes that are asked for at a time where a file is read on and on
WEB, PAGE = ("http://", "https://"), "text/html"
NO_RANGES = "range requests"  # what fsspec's error names where a web server gives whole files only
SHORTEST_SECRET = 4  # characters of an option's value that is taken out of messages
LONGEST_REASON = 200  # characters of what a store says
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+_.-]*(::|://)")
_QUERY = re.compile(r"(https?://[^\s?'\"]*)\?[^\s'\"]*?(?=::|[\s'\"]|$)")
_USER = re.compile(r"(?<=://)[^\s/'\"]*@")
_USER_WITH_SLASHES = re.compile(r"(?<=://)[^\s/@:\[]+:(?!:|\d+(?:/|$))(?:(?!::|[\s@'\"]).)*@")
_HIDDEN = "…"
_here = threading.local()  # file systems by address: few of them can be used by several threads


class State(NamedTuple):
    """What a store says of a file or folder. `mark`: see MARKS, "" where it says nothing of the kind."""

    is_folder: bool
    st_size: int
    mark: str


class RemotePath:
    """A file or folder in a store, with as much of what `Path` has as reading images and tables takes.

    Two are equal where address and place are. Its text is the address without what is secret in it. What asks
    the store raises StoreError; `state` and `iterdir` also FileNotFoundError, as a `Path` does.
    """

    __slots__ = ("_address", "_inside", "_rest", "_segments", "_state")

    def __init__(
        self,
        address: str,
        segments: tuple[str, ...],
        rest: str,
        inside: str | None = None,
        state: State | None = None,
    ) -> None:
        """`segments`: protocol and names, `rest`: what follows, to be shown.

        `inside`: what the file system calls it; None: as `address` does. `state`: where it is known.
        """
        self._address = address
        self._segments = segments
        self._rest = rest
        self._inside = inside
        self._state = state

    @classmethod
    def of(cls, address: str) -> RemotePath:
        """What an address names. The store is not asked."""
        _let_hub_be_asked(address)
        vars(_here).get("opened", {}).pop(address, None)  # what was opened then may be another file by now
        first, *others = without_secrets(address).split("::")
        while others and not first.partition("://")[2]:  # zip::https://…
            first = f"{first.partition('://')[0]}::{others.pop(0)}"
        protocol, _, names = first.partition("://")
        names, asks, _ = names.partition(f"?{_HIDDEN}")
        rest = "".join(f"::{one}" for one in others)
        if asks:  # two queries are two files
            rest = f"{asks}{hashlib.sha256(address.encode()).hexdigest()[:6]}{rest}"
        names = (unquote(names) if _is_web(address) else names).rstrip("/")
        return cls(address, (protocol, *(names.split("/") if names else ())), rest)

    # --- names

    @property
    def name(self) -> str:
        """The last part of its path; "" of the whole of a store."""
        return self._segments[-1] if self._segments[1:] else ""

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The name's ending, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> RemotePath:
        """The folder that it lies in."""
        inside = self._called
        above = (
            (inside.partition("?")[0] if inside.startswith(WEB) else inside).rstrip("/").rpartition("/")[0]
        )
        return RemotePath(self._address, self._segments[:-1], self._rest, above)

    @property
    def parents(self) -> list[RemotePath]:
        """The folders above it, the nearest first."""
        above = [self]
        while above[-1].name:
            above.append(above[-1].parent)
        return above[1:]

    def __truediv__(self, name: str) -> RemotePath:
        here = self._called.rstrip("/")
        names = [one for one in name.split("/") if one not in ("", ".")]
        called = [quote(one) for one in names] if here.startswith(WEB) else names
        inside = "/".join([here, *called] if here else called)
        return RemotePath(self._address, (*self._segments, *names), self._rest, inside)

    def with_name(self, name: str) -> RemotePath:
        """The file of another name in the same folder."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> RemotePath:
        """The file of another ending in the same folder."""
        return self.parent / PurePosixPath(self.name).with_suffix(suffix).name

    def relative_to(self, folder: RemotePath) -> PurePosixPath:
        """Its path from a folder above it. Raises ValueError where that is none."""
        above = len(folder._segments)
        if folder._segments != self._segments[:above]:
            raise ValueError(f"{self} is not below {folder}")
        return PurePosixPath(*self._segments[above:])

    def absolute(self) -> RemotePath:
        """Itself."""
        return self

    def resolve(self) -> RemotePath:
        """Itself: links are the store's affair."""
        return self

    def __str__(self) -> str:
        protocol, *names = self._segments
        return f"{protocol}://{'/'.join(names)}{self._rest}"

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __lt__(self, other: RemotePath) -> bool:
        return self._key < other._key

    @property
    def _key(self) -> tuple[tuple[str, ...], str]:
        return self._segments, self._address

    # --- what the store says

    def state(self, again: bool = False) -> State:
        """What the store says of it, as when its folder was listed; `again`: as it is now.

        Raises FileNotFoundError where there is nothing.
        """
        if again or self._state is None or self._state.st_size == UNASKED:
            with self._asking(missing_ok=True) as store:
                inside = self._called
                if again:
                    store.invalidate_cache()
                info = dict(store.info(inside))
                # A web server has no folders, but pages with links.
                is_page = inside.startswith(WEB) and (info.get("mimetype") or PAGE) == PAGE
                if is_page and self._state is None and _has_links(store, inside):
                    info["type"] = "directory"
            self._state = _state_of(info, -1)
        return self._state

    def stat(self) -> State:
        """As `state`, of a file that was there a moment ago: a StoreError where it is not."""
        with self._asking():
            return self.state()

    @property
    def known_size(self) -> int:
        """A file's bytes where they are known; else a number below 0."""
        return self._state.st_size if self._state else UNASKED

    def exists(self) -> bool:
        """Whether there is a file or folder."""
        try:
            self.state()
        except FileNotFoundError:
            return False
        return True

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.exists() and not self.state().is_folder

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.exists() and self.state().is_folder

    def iterdir(self) -> Iterator[RemotePath]:
        """What lies in a folder. Raises FileNotFoundError where there is none."""
        with self._asking(missing_ok=True) as store:
            here = self._called.rstrip("/")
            listed = store.ls(self._called, detail=True)
        for info in listed:
            inside = str(info["name"])
            name = inside.rstrip("/").rpartition("/")[2]
            if inside.strip("/") == here.strip("/"):  # some stores list a folder in itself
                continue
            if here.startswith(WEB):
                below = inside[len(here) + 1 :].rstrip("/")
                if set("/?#") & set(below):  # a link that sorts the page, or leads elsewhere
                    continue
                name = unquote(name)
            yield RemotePath(
                self._address, (*self._segments, name), self._rest, inside, _state_of(info, UNASKED)
            )

    def glob(self, pattern: str) -> Iterator[RemotePath]:
        """What lies in this very folder and has a name of a pattern; nothing where it is none."""
        if self.is_dir():
            yield from (path for path in self.iterdir() if fnmatchcase(path.name, pattern))

    # --- what it holds

    def read_bytes(self) -> bytes:
        """All bytes of a file."""
        with self._asking() as store:
            content: bytes = store.cat_file(self._called)
            _check_whole(len(content), self.known_size)
        return content

    def read_span(self, start: int, size: int) -> bytes:
        """`size` bytes from `start` on, or as many as there are."""
        if not size:
            return b""
        with self._asking() as store:
            content: bytes = store.cat_file(self._called, start=start, end=start + size)
            _check_whole(len(content), min(size, self.known_size - start))
            if len(content) > size:
                raise OSError(f"all {len(content):,} bytes came: no {NO_RANGES}")
        return content

    @contextmanager
    def open(self, mode: str = "rb") -> Iterator[IO[bytes]]:
        """A file's bytes as a stream: what is asked for is fetched, in blocks of BLOCK bytes."""
        with self._asking() as store:
            # fsspec's reader of web pages cannot seek in a file without bytes, though that needs no fetching.
            empty = self.known_size == 0
            stream = io.BytesIO() if empty else store.open(self._called, mode, block_size=BLOCK)
        with io.BufferedReader(_Reading(self, stream)) as reading:
            yield reading

    @property
    def _called(self) -> str:
        """What the file system calls it."""
        if self._inside is None:
            with self._asking():
                self._inside = _opened(self._address)[1]
        return self._inside

    @contextmanager
    def _asking(self, missing_ok: bool = False) -> Iterator[Any]:
        """The file system, for a block in which all that goes wrong is a StoreError.

        `missing_ok`: but for FileNotFoundError where there is nothing.
        """
        options: Mapping[str, Any] = {}
        try:
            store = _opened(self._address)[0]
            options = getattr(store, "storage_options", None) or {}
            yield store
        except UnpromptError:
            raise
        except Exception as error:  # noqa: BLE001  stores have no kind of error in common
            reason: BaseException = error
            if isinstance(error, FileNotFoundError) and _is_web(self._address):
                # fsspec's reader of web pages says so of any failure; what it was is the cause.
                cause = error.__cause__
                reason = error if cause is None or getattr(cause, "status", None) == 404 else cause
            if missing_ok and isinstance(reason, FileNotFoundError):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self)) from None
            raise self._failed(reason, options) from None

    def _failed(self, error: BaseException, options: Mapping[str, Any]) -> StoreError:
        """What to tell of an error of the store, which is not kept as the cause: it may have secrets."""
        said = " ".join(str(error).split())
        for secret in _secrets_in(self._address, options):
            said = said.replace(secret, _HIDDEN)
        said = shown(without_secrets(said))[:LONGEST_REASON]
        then = "what is done stays done, run the same command again to go on"
        if NO_RANGES in said:
            why = "its server gives whole files only and no parts of them"
            then = "copy the file to this machine and name the copy"
        elif isinstance(error, PermissionError):
            why = "no permission to read it; see whether the credentials are right and have not run out"
        elif isinstance(error, FileNotFoundError):
            why = "the store does not have it any more"
        else:
            why = "the store cannot be read"
        return StoreError(
            f"{shown(str(self))}: {why} ({type(error).__name__}{f': {said}' if said else ''}); {then}"
        )


AnyPath: TypeAlias = "Path | RemotePath"


def path_of(text: str | os.PathLike[str] | RemotePath) -> AnyPath:
    """A path, or what an address with a protocol names; no store is asked."""
    if isinstance(text, RemotePath):
        return text
    return RemotePath.of(text) if isinstance(text, str) and _ADDRESS.match(text) else Path(text)


def path_below(path: AnyPath, folder: AnyPath) -> PurePath:
    """A file's path from a folder above it. Raises ValueError where that is none."""
    if isinstance(path, RemotePath):
        assert isinstance(folder, RemotePath)
        return path.relative_to(folder)
    assert isinstance(folder, Path)
    return path.relative_to(folder)


def read_span(path: AnyPath, start: int, size: int) -> bytes:
    """`size` bytes of a file from `start` on, or as many as there are."""
    if isinstance(path, RemotePath):
        return path.read_span(start, size)
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(size)


def without_secrets(text: str) -> str:
    """A text without the users, passwords and queries of the addresses in it."""
    return _USER.sub(f"{_HIDDEN}@", _USER_WITH_SLASHES.sub(f"{_HIDDEN}@", _QUERY.sub(rf"\1?{_HIDDEN}", text)))


class _Reading(io.RawIOBase):
    """A stream of a store, whose errors are StoreErrors."""

    def __init__(self, path: RemotePath, stream: Any) -> None:
        self._path = path
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._path._asking():
            content = self._stream.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with self._path._asking():
            return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _has_links(store: Any, page: str) -> bool:
    """Whether a web page is a folder. Asked by its list: stores that keep copies answer `isdir` otherwise."""
    try:
        return bool(store.ls(page, detail=False))
    except (FileNotFoundError, ValueError):
        return False


def _check_whole(came: int, expected: int) -> None:
    """Raise OSError where fewer bytes came than there are: that is no damage of the image."""
    if came < expected:
        raise OSError(f"{came:,} of {expected:,} bytes came")


def _is_web(address: str) -> bool:
    """Whether a web server is asked, be it for an archive."""
    return address.rpartition("::")[2].startswith(WEB)


def _let_hub_be_asked(address: str) -> None:
    """Let Hugging Face's client connect for an address of its own, unless the user has told it not to.

    For all other work it is told to stay offline (`stay_offline`), and it listens when it is imported only.
    """
    if "hf://" in address:
        os.environ.setdefault("HF_HUB_OFFLINE", "0")


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address and what it calls the place there.

    Raises InputError where there is none, or where a package is missing.
    """
    opened: dict[str, tuple[Any, str]] = vars(_here).setdefault("opened", {})
    if address not in opened:
        told = without_secrets(address)
        _let_hub_be_asked(address)
        with needed_for(f"the address {told}", "remote", InputError):
            import fsspec
        try:
            store, place = fsspec.core.url_to_fs(address)
        except ImportError as error:
            missing = getattr(error.__cause__ or error, "name", None)
            advice = f"run: pip install {distribution_of(missing)}" if missing else str(error)
            raise InputError(f"{told} needs a package that is not installed; {advice}") from None
        except ValueError as error:
            if "rotocol not known" not in str(error):
                raise
            raise InputError(
                f"{told}: {shown(str(error))}; name a folder, or an address that fsspec reads"
            ) from None
        if address.startswith(("dir::", "dir://::")):
            place = ""  # fsspec has the folder as the root, and once more as the place below that
        if any(user in place for user in _users_in(address)) and not _is_web(address):
            raise InputError(
                f"{told}: this store takes no user and password in the address; give them as its own tools "
                "take them, or to fsspec, see docs/formats.md"
            )
        store.invalidate_cache()  # its list of files may be an old one
        opened[address] = store, place
    return opened[address]


def _state_of(info: Mapping[str, Any], unknown: int) -> State:
    """`unknown`: the size of a file whose size is not said."""
    size = info.get("size")
    mark = next((info[name] for name in MARKS if info.get(name) is not None), "")
    is_folder = info.get("type") == "directory"
    return State(is_folder, 0 if is_folder else unknown if size is None else int(size), str(mark))


def _users_in(address: str) -> list[str]:
    """The users, with or without passwords, that an address has."""
    return [found[0] for pattern in (_USER_WITH_SLASHES, _USER) for found in pattern.finditer(address)]


def _secrets_in(address: str, options: Mapping[str, Any]) -> list[str]:
    """What must not be told of an address and the options of its file system, the longest first.

    Of the options it is all texts that the address does not show.
    """
    found = set()
    for user in _users_in(address):
        found |= {user[:-1], user[:-1].partition(":")[2]}
    to_do: list[Any] = [options]
    while to_do:
        one = to_do.pop()
        if isinstance(one, Mapping):
            to_do += one.values()
        elif isinstance(one, list | tuple | set):
            to_do += one
        elif isinstance(one, str):
            found.add(one)
    found |= {unquote(one) for one in found}
    told = without_secrets(address)
    long = (one for one in found if len(one) >= SHORTEST_SECRET and one not in told)
    return sorted(long, key=len, reverse=True)
