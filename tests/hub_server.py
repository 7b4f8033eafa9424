"""A Hugging Face hub on this machine, as far as downloads go: its answers, its storage, its troubles.

What it answers was written from what huggingface_hub's own client sends and reads; `test_fetching.py` has
that client download from it. Small files come from the hub itself under the git blob's id, large ones by a
redirect to the storage, a server of its own that must not be sent the token.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = 1000  # bytes from which a file lies in the storage


@dataclass
class Asked:
    """One request that came."""

    server: str  # hub, storage
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Hub:
    """What the servers have, what they shall do, and what they were asked."""

    commit: str = "c0" * 20
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)  # repository -> path -> content
    renamed: dict[str, str] = field(default_factory=dict)  # old repository -> new
    gated: dict[str, str] = field(default_factory=dict)  # repository -> the token that opens it
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers of the storage end
    stall_after: int | None = None  # bytes after which the storage waits for `go_on`
    unable: list[int] = field(default_factory=list)  # codes that the hub's next answers have
    ranges: bool = True
    lies: bytes | None = None  # what the storage sends in place of what it should
    asked: list[Asked] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    address: str = ""
    storage: str = ""

    def add(self, repository: str, path: str, content: bytes) -> None:
        """Publish a file."""
        self.files.setdefault(repository, {})[path] = content

    def of(self, server: str, method: str) -> list[Asked]:
        """The requests that came to one of the servers."""
        return [one for one in self.asked if (one.server, one.method) == (server, method)]


def blob_id(content: bytes) -> str:
    """Git's name of a content."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub
    server_name: str

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)  # a proxy is sent whole addresses
        proxied = self.path.startswith("http")
        name = "storage" if proxied and "storage" in str(urlsplit(self.path).hostname) else self.server_name
        self.hub.asked.append(Asked(name, self.command, self.path, dict(self.headers.items())))
        if name == "storage":
            self._send_from_storage(path)
        else:
            self._send_from_hub(path)

    def _send_from_hub(self, path: str) -> None:
        hub = self.hub
        if hub.unable:
            return self._send(hub.unable.pop(0))
        repository, _, rest = path.lstrip("/").partition("/resolve/")
        if repository in hub.renamed:
            return self._send(307, {"Location": f"/{hub.renamed[repository]}/resolve/{rest}"})
        if repository not in hub.files:
            return self._send(401, {"X-Error-Code": "RepoNotFound"})
        token = hub.gated.get(repository)
        if token and self.headers.get("Authorization") != f"Bearer {token}":
            code = 403 if "Authorization" in self.headers else 401
            return self._send(code, {"X-Error-Code": "GatedRepo"})
        revision, _, file = rest.partition("/")
        if revision not in ("main", hub.commit):
            return self._send(404, {"X-Error-Code": "RevisionNotFound"})
        content = hub.files[repository].get(file)
        if content is None:
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit})
        about = {"X-Repo-Commit": hub.commit}
        if len(content) < LARGE:
            return self._send(200, {**about, "ETag": f'"{blob_id(content)}"'}, content)
        digest = hashlib.sha256(content).hexdigest()
        about |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        return self._send(302, {**about, "Location": f"{hub.storage}/{repository}/{file}?signature=1"})

    def _send_from_storage(self, path: str) -> None:
        hub = self.hub
        if "Authorization" in self.headers:
            return self._send(400)  # as signed addresses answer it
        repository, file = next((r, p) for r in hub.files for p in hub.files[r] if path == f"/{r}/{p}")
        content = hub.files[repository][file] if hub.lies is None else hub.lies
        headers = {"ETag": '"of-the-storage"', "Accept-Ranges": "bytes"}
        start, code = 0, 200
        if hub.ranges and (wanted := self.headers.get("Range")):
            start, code = int(wanted.removeprefix("bytes=").rstrip("-")), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = hub.cuts.pop(0) if hub.cuts and self.command == "GET" else None
        return self._send(code, headers, content[start:], cut)

    def _send(
        self, code: int, headers: dict[str, str] | None = None, body: bytes = b"", cut: int | None = None
    ) -> None:
        self.send_response(code)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        stall = self.hub.stall_after if code in (200, 206) else None
        if stall is not None and len(body) > stall:
            self.wfile.write(body[:stall])
            self.wfile.flush()
            self.hub.go_on.wait(60)
            body = body[stall:]
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_one_request(self) -> None:
        """One request; a client that was killed is no error."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True


@contextmanager
def serving_hub() -> Iterator[Hub]:
    """A hub and its storage on two free ports, for as long as the block runs."""
    hub = Hub()
    servers = []
    for name in ("hub", "storage"):
        handler: Any = type(name, (_Handler,), {"hub": hub, "server_name": name})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
    hub.address, hub.storage = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        hub.go_on.set()
        for server in servers:
            server.shutdown()
            server.server_close()
