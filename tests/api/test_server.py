"""What the server does in which thread."""

from __future__ import annotations

import asyncio
import base64
import threading

import pytest

from unprompt.api import server
from unprompt.api.bodies import LARGE
from unprompt.api.server import contents_of
from unprompt.errors import UnreadableImageError


def test_long_base64_is_decoded_where_it_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    decode = server.bytes_of

    def noted(text: str) -> bytes:
        threads.append(threading.current_thread())
        return decode(text)

    monkeypatch.setattr(server, "bytes_of", noted)
    short, long = b"picture", bytes(LARGE)
    assert asyncio.run(contents_of(base64.b64encode(short).decode(), "it")) == short
    assert asyncio.run(contents_of(base64.b64encode(long).decode(), "it")) == long
    assert [thread is threading.current_thread() for thread in threads] == [True, False]


@pytest.mark.parametrize("length", [8, LARGE + 4])
def test_what_is_no_base64_is_told_the_same_however_long_it_is(length: int) -> None:
    with pytest.raises(UnreadableImageError, match=r"^image 2 is not base64: "):
        asyncio.run(contents_of("*" * length, "image 2"))
    with pytest.raises(UnreadableImageError, match=r"^image 2 is an address; this server fetches nothing"):
        asyncio.run(contents_of("http://" + "a" * length, "image 2"))
