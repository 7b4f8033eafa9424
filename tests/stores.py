"""Stores for tests: one in memory that fails when it is told to, and one behind a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

ADDRESS = "failing://bucket"


class FailingStore(MemoryFileSystem):
    """Files in memory.

    `errors`: by name, what is raised where a file is read, "ls": a folder listed, "info": either asked for.
    `asked`: name, first byte and end of all that was read. `short`: by name, so many bytes come at most.
    `marks`: whether it says when a file was made.
    """

    protocol = "failing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    errors: ClassVar[dict[str, Exception]] = {}
    asked: ClassVar[list[tuple[str, int | None, int | None]]] = []
    short: ClassVar[dict[str, int]] = {}
    marks: ClassVar[bool] = True

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace("failing://", "memory://"))

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        if "ls" in self.errors:
            raise self.errors["ls"]
        return [self._marked(one) if detail else one for one in super().ls(path, detail=detail, **kwargs)]

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        if "info" in self.errors:
            raise self.errors["info"]
        return self._marked(super().info(path, **kwargs))

    def _marked(self, info: dict[str, Any]) -> dict[str, Any]:
        made = info.pop("created", None)
        made = made.timestamp() if isinstance(made, datetime) else made
        return {**info, "LastModified": made} if self.marks and made else info

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        name = path.rpartition("/")[2]
        self.asked.append((name, start, end))
        if name in self.errors:
            raise self.errors[name]
        return super().cat_file(path, start, end, **kwargs)[: self.short.get(name)]

    def _open(self, path: str, *arguments: Any, **options: Any) -> Any:
        name = path.rpartition("/")[2]
        if "rb" in (*arguments, options.get("mode", "rb")) and name in self.errors:
            raise self.errors[name]
        return super()._open(path, *arguments, **options)


@contextmanager
def failing_store(folder: Path) -> Iterator[type[FailingStore]]:
    """The store with the files of a folder in its ADDRESS, until the block ends."""
    fsspec.register_implementation("failing", FailingStore, clobber=True)
    put(folder, ADDRESS)
    try:
        yield FailingStore
    finally:
        FailingStore.store.clear()
        FailingStore.pseudo_dirs[:] = [""]
        FailingStore.errors.clear()
        FailingStore.asked.clear()
        FailingStore.short.clear()
        FailingStore.marks = True


def put(folder: Path, address: str) -> str:
    """Copy the files of a folder to an address, and return it."""
    store, place = fsspec.url_to_fs(address)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            store.pipe(f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return address


class _WebHdfs(BaseHTTPRequestHandler):
    """The three questions of Hadoop's REST interface that reading needs, about `server.root`."""

    server: Any

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = self.server.root / unquote(parts.path).removeprefix("/webhdfs/v1").strip("/")
        if self.server.cut is not None and asked["op"] == "OPEN" and path.name == self.server.cut:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"a little")
            return
        if not path.exists():
            self._answer(404, {"RemoteException": {"exception": "FileNotFoundException", "message": "none"}})
        elif path.name == self.server.denied:
            told = {"exception": "AccessControlException", "message": "Permission denied: user=me"}
            self._answer(403, {"RemoteException": told})
        elif asked["op"] == "OPEN":
            start = int(asked["offset"])
            self._send(200, path.read_bytes()[start : start + int(asked["length"])])
        elif asked["op"] == "GETFILESTATUS":
            self._answer(200, {"FileStatus": _status(path, "")})
        else:
            files = [_status(one, one.name) for one in path.iterdir()]
            self._answer(200, {"FileStatuses": {"FileStatus": files}})

    def _answer(self, code: int, content: dict[str, Any]) -> None:
        self._send(code, json.dumps(content).encode())

    def _send(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def _status(path: Path, name: str) -> dict[str, Any]:
    state = path.stat()
    return {
        "pathSuffix": name,
        "type": "DIRECTORY" if path.is_dir() else "FILE",
        "length": 0 if path.is_dir() else state.st_size,
        "modificationTime": state.st_mtime_ns // 1_000_000,
    }


class _Pages(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def web_hdfs(root: Path) -> Iterator[Any]:
    """A server of this machine with a folder; `cut` and `denied`: names of files that it fails to give."""
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), _WebHdfs)) as server:
        server.root, server.cut, server.denied = root, None, None
        yield server


@contextmanager
def web_pages(root: Path) -> Iterator[Any]:
    """A web server of this machine that shows a folder as a page of links."""

    def handler(*arguments: Any) -> _Pages:
        return _Pages(*arguments, directory=str(root))

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield server


@contextmanager
def _serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
