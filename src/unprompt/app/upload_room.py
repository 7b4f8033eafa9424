"""How much of visitors' files the app's server holds at a time, of all of them together.

Streamlit keeps each file in memory until its visitor leaves or takes it away, and a program can send file
after file for a visitor; it limits each of them, and not their sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from streamlit.runtime.uploaded_file_manager import UploadedFileManager

UPLOADS = "/_stcore/upload_file/"  # Streamlit's path for them
REFUSED = b"this server holds as many files as it can; take some away, or try again later"


class UploadRoom:
    """ASGI middleware that answers 503 to uploads beyond `most` bytes held and on their way together."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most
        self._coming = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one request."""
        if scope["type"] != "http" or scope["method"] != "PUT" or UPLOADS not in scope["path"]:
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        size = int(announced) if announced.isdigit() else self.most  # who does not say comes alone
        if held_bytes() + self._coming + size > self.most:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"60")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": REFUSED})
            return
        self._coming += size
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > size:  # more than was said
                return {"type": "http.disconnect"}
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self._coming -= size


def held_bytes() -> int:
    """Bytes of the files that Streamlit holds for visitors who are there."""
    from streamlit.runtime import Runtime

    return bytes_in(Runtime.instance().uploaded_file_mgr) if Runtime.exists() else 0


def bytes_in(keeper: UploadedFileManager) -> int:
    """Bytes of the files in Streamlit's keeper of them, as long as that is the one in memory."""
    stored = getattr(keeper, "file_storage", {})
    return sum(len(file.data) for files in list(stored.values()) for file in list(files.values()))
