"""Connections that stall, and names that are not the server's, against a real uvicorn."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from uvicorn import Config, Server

from unprompt.serving import connections
from unprompt.serving.connections import CarefulConnection, guard_connections
from unprompt.serving.hosts import CheckedHost


class Hasty(CarefulConnection):
    headers_within = 0.3


async def answering(scope: dict, receive: object, send: object) -> None:
    """Any request: 200, after a body that asks for it a little later than headers may come."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "here"})
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/later":
        await asyncio.sleep(0.6)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"here"})


@contextmanager
def served(**settings: object) -> Iterator[tuple[str, int]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = Server(Config(answering, log_level="critical", lifespan="off", **settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join(10)


def said_to(address: tuple[str, int], *pieces: bytes) -> bytes:
    """All that the server says, until it ends the connection, to pieces that come 0.1 s apart."""
    with socket.create_connection(address, timeout=10) as line:
        for piece in pieces:
            try:
                line.sendall(piece)
            except OSError:
                break
            time.sleep(0.1)
        heard = b""
        try:
            while more := line.recv(1000):
                heard += more
        except ConnectionResetError:
            pass
        return heard


def test_headers_that_stop_coming_are_cut_off() -> None:
    with served(http=Hasty, ws="none", timeout_keep_alive=1) as address:
        begin = time.monotonic()
        assert said_to(address) == b""  # nothing at all is sent
        assert said_to(address, b"GET / HTTP/1.1\r\n", *[b"a: b\r\n"] * 20) == b""  # drop by drop
        assert time.monotonic() - begin < 9
        assert said_to(address, b"GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").endswith(
            b"here"
        )
        # A body that was answered before it came whole, and still comes.
        heard = said_to(address, b"POST / HTTP/1.1\r\nContent-Length: 99\r\nHost: x\r\n\r\n", *[b"x"] * 20)
        assert heard.endswith(b"here")
        # After an answer, on the same connection.
        heard = said_to(
            address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\n", *[b"a: b\r\n"] * 20
        )
        assert heard.count(b"here") == 1


def test_many_stalled_connections_keep_nobody_out() -> None:
    with served(http=Hasty, ws="none") as address:
        lines = [socket.create_connection(address, timeout=10) for _ in range(200)]
        for line in lines:
            line.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert httpx.get(f"http://{address[0]}:{address[1]}/", trust_env=False).text == "here"
        for line in lines:
            assert line.recv(10) == b""  # all are ended
            line.close()


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A server as another package starts it, in a process that guards its connections."""
    from uvicorn.protocols.http import auto

    monkeypatch.setattr(auto, "AutoHTTPProtocol", auto.AutoHTTPProtocol)  # as it is now, afterwards
    guard_connections(lambda app: CheckedHost(app, ("Paint.example.org",)))
    with served() as address:
        yield address


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8501", 200),
        ("[::1]:8501", 200),
        ("localhost", 200),
        ("paint.EXAMPLE.org", 200),
        ("evil.example", 403),
        ("evil.example.:8501", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
    ],
)
def test_another_packages_server_answers_to_its_own_names_alone(
    guarded: tuple[str, int], host: str, status: int
) -> None:
    url = f"http://{guarded[0]}:{guarded[1]}/"
    answer = httpx.get(url, headers={"Host": host}, trust_env=False)
    assert answer.status_code == status
    if status == 403:
        assert "--allow-host" in answer.text
    upgrade = (
        f"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(guarded, timeout=10) as line:
        line.sendall(upgrade.encode())
        assert line.recv(1000).startswith(b"HTTP/1.1 101" if status == 200 else b"HTTP/1.1 403")


def test_a_server_waits_some_seconds() -> None:
    assert 5 <= connections.HEADERS_WITHIN <= 60
