"""Downloads checkpoints: the one module of the package that opens a connection, and only when it is called.

Files of the Hugging Face hub are asked for as the hub's own client does: HEAD of
`HOST/REPO/resolve/REVISION/FILE` tells size, commit and hash (the ETag is the sha256 of a large file, the git
blob id of a small one), and the token goes to the hub but not to the storage that it redirects to. The bytes
are received here and not by `hf_hub_download`, which in huggingface_hub 2 throws away what it has when it is
interrupted. What comes lies beside its place as a `.part` until its size and hash are right.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from unprompt import __version__
from unprompt.errors import CheckpointError, ConfigError, RunError
from unprompt.networks.checkpoints import (
    RECORD,
    Checkpoint,
    CheckpointFile,
    Found,
    checkpoint_folder,
    declared,
    found_in,
    in_hub_cache,
    places,
    recorded_sha256,
    sha256_of,
    shown_bytes,
    sizes_agree,
    verify,
)
from unprompt.progress import Progress, silent
from unprompt.storage.files import full_disk_told, locked, write_json
from unprompt.text.english import counted

HUB = "https://huggingface.co"
HUB_HOSTS = ("huggingface.co", "hf.co")  # beside HF_ENDPOINT's
TIMEOUT = 30.0  # seconds without a byte
BLOCK = 1 << 20
WAITS = (0, 1, 2, 4, 8)  # seconds before each further try, as long as none brings anything
PASSING = (408, 429, 500, 502, 503, 504)  # answers of a server that may soon answer otherwise
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10
CUT = (URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Remote:
    """A file as its server describes it.

    `digest`: the sha256 or the git blob id that it should have, "" where neither is known; `key` changes
    where the content does, `commit` is the revision on the hub.
    """

    file: CheckpointFile
    url: str
    target: Path
    size: int | None
    digest: str
    key: str
    commit: str | None

    @property
    def part(self) -> Path:
        """Where it lies until it is whole: of another name where the content is another."""
        mark = hashlib.sha256(f"{self.url} {self.size} {self.key}".encode()).hexdigest()[:12]
        return self.target.with_name(f".{self.target.name}.{mark}.part")

    @property
    def received(self) -> int:
        """How many bytes of it are there."""
        return self.part.stat().st_size if self.part.exists() else 0


def hub() -> str:
    """The hub's address: HF_ENDPOINT, or Hugging Face's own."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def hosts_of(names: Sequence[str]) -> list[str]:
    """The hosts that `fetch` asks for these checkpoints."""
    files = [file for name in names for file in declared(name).download]
    return list(dict.fromkeys(urlsplit(_address(file)).netloc for file in files))


def here(name: str) -> Found | None:
    """Where a checkpoint's right files are already, or None; wrong ones in the user's cache do not count.

    Raises CheckpointError for wrong files elsewhere, which would be taken before downloaded ones.
    """
    checkpoint = declared(name)
    for place, folder in places(checkpoint):
        found = found_in(checkpoint, folder, place)
        if found is None or (found.alternative and not sizes_agree(found)):
            continue
        try:
            verify(found)
        except CheckpointError:
            if folder != checkpoint_folder(name):
                raise
            continue
        return found
    return None


def check_online() -> None:
    """Raise ConfigError where the user has forbidden connections."""
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").upper() in ("1", "ON", "YES", "TRUE"):
            raise ConfigError(
                f"{variable} is set, so nothing is downloaded; unset it, or take files that you have: "
                "unprompt checkpoints fetch NAME --from FOLDER"
            )


def fetch(name: str, told: Callable[[str], None], progress: Progress = silent) -> Found:
    """Download what a checkpoint lacks into the user's cache, and verify it. An interrupted one goes on.

    `told` is given a line about what is going to be downloaded. Raises CheckpointError where a file cannot be
    had or is not the right one (then it is removed), ConfigError where connections are forbidden, and
    RunError where the disk is full.
    """
    checkpoint = declared(name)
    if not checkpoint.download:
        raise CheckpointError(f"'{name}' is not published for download; {checkpoint.get[0]}")
    check_online()
    folder = checkpoint_folder(name)
    with _alone(folder, name):
        lacking = [file for file in checkpoint.download if not _is_right(file, folder)]
        remotes = [describe(file, folder / file.name) for file in lacking]
        for remote in remotes:
            _take_what_is_here(remote)
        coming = [remote for remote in remotes if not remote.target.exists()]
        told(_announcement(checkpoint, coming, folder))
        _check_space(coming, folder)
        total = sum(remote.size or 0 for remote in coming)
        done = 0
        for remote in coming:
            _receive(remote, _counted(progress, name, done, total))
            _put_in_place(remote, name)
            done += remote.size or 0
        write_json(folder / RECORD, _record(checkpoint, folder, remotes))
    found = found_in(checkpoint, folder, "the user's cache")
    assert found is not None
    return found


def describe(file: CheckpointFile, target: Path) -> Remote:
    """Ask the server about a file. Raises CheckpointError where it has another file than the declared."""
    url = _address(file)

    def ask() -> Message:
        with _asked(url, "HEAD", file) as response:
            facts: Message = response.headers
            return facts

    facts = _persevere(url, ask, stubborn=False)
    etag = (facts.get("X-Linked-Etag") or facts.get("ETag") or "").removeprefix("W/").strip('"')
    length = facts.get("X-Linked-Size") or facts.get("Content-Length") or ""
    commit = facts.get("X-Repo-Commit")
    size = int(length) if length.isdigit() else file.size
    if file.source.on_hub and commit is None:
        raise CheckpointError(
            f"{urlsplit(url).netloc} does not answer as the Hugging Face hub does (no X-Repo-Commit); check "
            "HF_ENDPOINT, and whether a proxy or a login page stands between"
        )
    of_hub = etag if file.source.on_hub and len(etag) in (40, 64) else ""
    other_sha256 = file.sha256 is not None and len(of_hub) == 64 and of_hub != file.sha256
    if other_sha256 or (file.size is not None and size != file.size):
        raise CheckpointError(
            f"{url} is not the declared file: it has {size:,} bytes and the hash {etag[:12]}…, expected were "
            f"{file.size or size:,} bytes and {(file.sha256 or etag)[:12]}…; nothing was downloaded"
        )
    return Remote(file, url, target, size, file.sha256 or of_hub, etag, commit)


def _address(file: CheckpointFile) -> str:
    source = file.source
    if source.on_hub:
        revision = quote(source.revision or "main", safe="")
        return f"{hub()}/{source.repository}/resolve/{revision}/{quote(str(source.path))}"
    return str(source.address)


def _announcement(checkpoint: Checkpoint, coming: Sequence[Remote], folder: Path) -> str:
    """What is going to be downloaded: how many files, how much, of whose, where to."""
    if not coming:
        return f"{checkpoint.name}: all its files are on this machine"
    there = sum(remote.received for remote in coming)
    left = sum((remote.size or 0) - remote.received for remote in coming)
    unknown = " and more" if any(remote.size is None for remote in coming) else ""
    before = f" ({shown_bytes(there)} are here from before)" if there else ""
    licences = ", ".join(dict.fromkeys(remote.file.licence for remote in coming))
    repositories = ", ".join(dict.fromkeys(str(remote.file.source.repository) for remote in coming))
    many = counted(len(coming), "file")
    return (
        f"{checkpoint.name}: {many}, {shown_bytes(left)}{unknown}{before}, of {repositories} ({licences}), "
        f"into {folder}"
    )


def _check_space(coming: Sequence[Remote], folder: Path) -> None:
    """Raise RunError where the disk has not the space for what is to come."""
    needed = sum((remote.size or 0) - remote.received for remote in coming)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(
            f"{shown_bytes(needed)} are to come into {folder}, whose disk has {shown_bytes(free)} free; free "
            "some, or set XDG_CACHE_HOME to a folder on another disk"
        )


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Keep a second process from writing the same files. Raises RunError where one does."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    try:
        with locked(lock, folder):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except RunError as error:
        if str(error).startswith("another unprompt"):
            raise RunError(f"another unprompt is downloading '{name}' into {folder}; wait for it") from None
        raise
    finally:
        with suppress(OSError):  # something came
            folder.rmdir()


# --- what is on the disk


def _is_right(file: CheckpointFile, folder: Path) -> bool:
    """Whether a file is in the folder and has the declared hash, or the one it was downloaded with."""
    path = folder / file.name
    expected = file.sha256 or recorded_sha256(folder).get(file.name)
    return expected is not None and path.is_file() and sha256_of(path) == expected


def _take_what_is_here(remote: Remote) -> None:
    """Keep a right file, remove a wrong one, and take a right one from Hugging Face's cache.

    That is by a hard link, so that nothing lies twice on the disk; between two disks there is none, and the
    file is downloaded.
    """
    if remote.target.is_file() and not _has_digest(remote.target, remote):
        remote.target.unlink()
    snapshot = in_hub_cache(remote.file.source)
    kept = snapshot / str(remote.file.source.path) if snapshot else None
    if kept and kept.is_file() and not remote.target.exists() and _has_digest(kept, remote):
        remote.target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            os.link(kept.resolve(), remote.target)


def _has_digest(path: Path, remote: Remote) -> bool:
    """Whether a file has the size and the hash that it should have, as far as they are known."""
    size = path.stat().st_size
    if remote.size not in (None, size):
        return False
    if len(remote.digest) == 40:
        blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)  # as git names contents
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                blob.update(block)
        return blob.hexdigest() == remote.digest
    return not remote.digest or sha256_of(path) == remote.digest


def _put_in_place(remote: Remote, name: str) -> None:
    """Give a whole file its name. Raises CheckpointError where it is not the right one, which is removed."""
    if not _has_digest(remote.part, remote):
        actual = sha256_of(remote.part)
        remote.part.unlink()
        raise CheckpointError(
            f"what came from {remote.url} is not the checkpoint '{name}': sha256 {actual[:12]}…, expected "
            f"{remote.digest[:12]}…; it was removed, run the same command again"
        )
    remote.part.replace(remote.target)
    for old in remote.target.parent.glob(f".{remote.target.name}.*.part"):
        old.unlink()


def _record(checkpoint: Checkpoint, folder: Path, remotes: Sequence[Remote]) -> dict[str, Any]:
    """What is kept beside the files: of each its size, sha256 and where it came from."""
    remote_by_name = {remote.file.name: remote for remote in remotes}
    before = recorded_sha256(folder)
    files = {}
    for file in checkpoint.download:
        path, remote = folder / file.name, remote_by_name.get(file.name)
        known = file.sha256 or (before.get(file.name) if remote is None else None)
        files[file.name] = {
            "size": path.stat().st_size,
            "sha256": known or sha256_of(path),
            "declared": file.sha256 is not None,
            "repository": file.source.repository,
            "revision": (remote.commit if remote else None) or file.source.revision,
        }
    return {"checkpoint": checkpoint.name, "files": files}


# --- what comes over the network


def _receive(remote: Remote, progress: Callable[[int], None]) -> None:
    """Bring a file's part to its full length, from where it ends. Raises CheckpointError where that fails."""
    remote.part.parent.mkdir(parents=True, exist_ok=True)

    def go_on() -> None:
        start = remote.received
        if start == remote.size:
            return
        if remote.size is not None and start > remote.size:
            start = 0
        wanted = {"Range": f"bytes={start}-"} if start else {}
        with _asked(remote.url, "GET", remote.file, wanted) as response:
            # A server that knows no ranges sends the whole.
            begins = (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-")
            start = start if begins else 0
            _check_length(remote, start, response.headers.get("Content-Length"))
            _write(remote, response, start, progress)
        if remote.size is not None and remote.received != remote.size:
            raise ConnectionError(f"it ended after {remote.received:,} of {remote.size:,} bytes")

    _persevere(remote.url, go_on, lambda: remote.received)


def _check_length(remote: Remote, start: int, length: str | None) -> None:
    """Raise CheckpointError for an answer that is to be shorter or longer than the file."""
    if remote.size is None or length is None or start + int(length) == remote.size:
        return
    raise CheckpointError(
        f"{remote.url} sends {start + int(length):,} bytes where the file has {remote.size:,}: maybe the "
        "page of a proxy or a login; nothing of it was kept"
    )


def _write(remote: Remote, body: Any, start: int, progress: Callable[[int], None]) -> None:
    """Append what comes to the part, which is cut to `start` bytes first."""
    with full_disk_told(remote.target), remote.part.open("r+b" if start else "wb") as stream:
        stream.truncate(start)
        stream.seek(start)
        done = start
        while block := body.read1(BLOCK):  # what is there, so that little is lost where it ends
            stream.write(block)
            done += len(block)
            progress(done)


def _counted(progress: Progress, name: str, before: int, total: int) -> Callable[[int], None]:
    """Progress over several files in MB, told by how many bytes of one are there."""
    return lambda done: progress(f"downloading {name}", (before + done) // 10**6, -(-total // 10**6))


def _persevere(
    url: str, act: Callable[[], Answer], received: Callable[[], int] = lambda: 0, stubborn: bool = True
) -> Answer:
    """Act again and again where the connection fails, until a few times in a row nothing came.

    Unless `stubborn`, a host that cannot be reached at all is tried once. Raises CheckpointError.
    """
    failures = 0
    while True:
        before = received()
        try:
            return act()
        except CUT as error:
            failures = 1 if received() > before else failures + 1
            out_of_reach = isinstance(error, URLError) and not isinstance(error, HTTPError)
            if failures > len(WAITS) or (out_of_reach and not stubborn):
                raise _unreachable(url, error) from error
            time.sleep(WAITS[failures - 1])


@contextmanager
def _asked(
    url: str, method: str, file: CheckpointFile, headers: Mapping[str, str] | None = None
) -> Iterator[Any]:
    """Ask a server, and whom it redirects to, for a response. One that will not change is a CheckpointError.

    The token goes to the hub's hosts and to nobody else. A HEAD does not go on from the hub to its storage:
    the hub's answer is the one that describes the file.
    """
    opener = _opener()
    for _ in range(MOST_REDIRECTS):
        token = _token() if file.source.on_hub and _is_hubs(url) else None
        own = {"User-Agent": f"unprompt/{__version__}", "Accept-Encoding": "identity"}
        own |= {"Authorization": f"Bearer {token}"} if token else {}
        try:
            response = opener.open(
                Request(url, headers={**own, **(headers or {})}, method=method), timeout=TIMEOUT
            )
        except HTTPError as answer:
            location = answer.headers.get("Location")
            if answer.code not in REDIRECTS or not location:
                if answer.code in PASSING:
                    raise
                raise _refused(answer, url, file) from answer
            url = urljoin(url, location)
            if method == "GET" or not file.source.on_hub or _is_hubs(url):
                answer.close()
                continue
            response = answer
        with response:
            yield response
        return
    raise CheckpointError(
        f"{url} redirects more than {MOST_REDIRECTS} times; check HF_ENDPOINT and the proxy"
    )


class _NoRedirects(HTTPRedirectHandler):
    """Leaves redirects to `_asked`, which knows who may be given the token."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


def _opener() -> OpenerDirector:
    """Opens addresses by way of HTTP_PROXY and HTTPS_PROXY, as they are now."""
    return build_opener(_NoRedirects, HTTPSHandler(context=_certificates()))


@cache
def _certificates() -> ssl.SSLContext:
    """Whom to trust: the system's certificates and certifi's."""
    context = ssl.create_default_context()
    with suppress(ImportError):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _is_hubs(url: str) -> bool:
    """Whether an address is of the hub, which may be given the token."""
    parts = urlsplit(url)
    own = urlsplit(hub())
    return (parts.scheme, parts.netloc) == (own.scheme, own.netloc) or (
        parts.scheme == "https" and parts.netloc in HUB_HOSTS
    )


def _token() -> str | None:
    """HF_TOKEN, or what `hf auth login` has kept."""
    if token := os.environ.get("HF_TOKEN", "").strip():
        return token
    try:
        from huggingface_hub import get_token
    except ImportError:
        return None
    kept: str | None = get_token()
    return kept


# --- what went wrong, in one line


def _refused(error: HTTPError, url: str, file: CheckpointFile) -> CheckpointError:
    """What an answer means that will not change by itself."""
    host, repository = urlsplit(url).netloc, file.source.repository
    kind = error.headers.get("X-Error-Code")
    if error.code in (401, 403) and file.source.on_hub:
        page = f"{hub()}/{repository}"
        why = "is gated" if kind == "GatedRepo" else "is private, gated or gone"
        given = "the token that was sent is not enough" if _token() else "no token was sent"
        return CheckpointError(
            f"{host} refuses {repository} ({error.code}): it {why}, and {given}; accept its terms at {page}, "
            f"make a token at {hub()}/settings/tokens, and set HF_TOKEN to it"
        )
    if error.code in (404, 410) and file.source.on_hub:
        gone = {
            "RevisionNotFound": f"the revision {file.source.revision} of {repository} is gone",
            "EntryNotFound": f"{repository} has no {file.source.path} at {file.source.revision or 'main'}",
        }.get(str(kind), f"{repository} is gone, or has no {file.source.path}")
        return CheckpointError(
            f"{host} says {error.code}: {gone}; see {hub()}/{repository}, and take files that you have: "
            "unprompt checkpoints fetch NAME --from FOLDER"
        )
    if error.code == 407:
        return CheckpointError("the proxy asks for a login (407); put user and password into HTTPS_PROXY")
    return CheckpointError(f"{url} answers {error.code} ({error.reason}); it cannot be downloaded from there")


def _unreachable(url: str, trouble: Exception) -> CheckpointError:
    """No connection, or one that was cut again and again."""
    host = urlsplit(url).netloc
    if isinstance(trouble, HTTPError):
        return CheckpointError(
            f"{host} answers {trouble.code} ({trouble.reason}) again and again; what came stays, run the "
            "same command later"
        )
    reason = " ".join(str(getattr(trouble, "reason", trouble) or type(trouble).__name__).split())[:150]
    return CheckpointError(
        f"no connection to {host} ({reason}); check the network and HTTPS_PROXY. What came stays, and the "
        "same command goes on; without a network: unprompt checkpoints fetch NAME --by-hand"
    )
