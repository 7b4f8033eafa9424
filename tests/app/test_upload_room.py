"""How much visitors may send to the app's server together, against Streamlit's own keeper of files."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from unprompt.app import upload_room
from unprompt.app.upload_room import UPLOADS, UploadRoom


class Kept:
    """An app that keeps what it is sent until it is told to answer."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        size = 0
        while (message := await receive())["type"] == "http.request":
            size += len(message["body"])
            if not message["more_body"]:
                break
        self.sizes.append(size)
        await self.go.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})


async def put(app: Any, size: int, announced: int | None = None, method: str = "PUT") -> int:
    """The status of an upload of `size` bytes in pieces, which says that it has `announced`."""
    left, statuses = [size], []

    async def receive() -> Any:
        piece = min(left[0], 100)
        left[0] -= piece
        return {"type": "http.request", "body": b"x" * piece, "more_body": left[0] > 0}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    said = size if announced is None else announced
    headers = [] if said < 0 else [(b"content-length", str(said).encode())]
    path = f"{UPLOADS}session/file"
    await app({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
    return statuses[0]


def test_files_on_their_way_and_files_that_are_held_share_the_room() -> None:
    pytest.importorskip("streamlit")

    async def run() -> None:
        kept = Kept()
        room = UploadRoom(kept, 1000)
        first = asyncio.ensure_future(put(room, 600))
        while not kept.sizes:
            await asyncio.sleep(0)
        assert await put(room, 500) == 503
        assert await put(room, 400, announced=-1) == 503  # who does not say how much needs all of it
        kept.go.set()
        assert await put(room, 400) == 204
        assert await first == 204
        assert await put(room, 1000) == 204  # what is on its way no longer counts
        assert await put(room, 5000, method="POST") == 204  # no upload
        assert await put(room, 900, announced=200) == 204
        assert kept.sizes[-1] == 200  # more than was said does not come through

    asyncio.run(run())


def test_streamlits_own_files_are_counted() -> None:
    pytest.importorskip("streamlit")
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

    keeper = MemoryUploadedFileManager("/")
    assert upload_room.bytes_in(keeper) == 0
    for number in range(3):
        keeper.add_file(
            f"visitor {number % 2}", UploadedFileRec(str(number), "a.png", "image/png", b"x" * 100)
        )
    assert upload_room.bytes_in(keeper) == 300
    keeper.remove_session_files("visitor 0")
    assert upload_room.bytes_in(keeper) == 100
