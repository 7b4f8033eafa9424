"""Limits on request bodies, kept while they arrive: of their size, and of the time between two pieces."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unprompt.api.config import PATIENCE
from unprompt.api.errors import refusal


class BodyLimit:
    """ASGI middleware that answers 413 to a body of more than `most` bytes, announced or not.

    A body whose next piece does not come within `patience` seconds is answered with 408.
    """

    def __init__(self, app: ASGIApp, most: int, patience: float = PATIENCE) -> None:
        self.app = app
        self.most = most
        self.patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request with its body counted."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > self.most:
            await refusal(413, "HTTPException", self._too_large)(scope, receive, send)
            return
        received, whole = 0, False

        async def counted() -> Message:
            nonlocal received, whole
            if whole:  # what comes now is that the client has gone, and that may take its time
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self.patience)
            except asyncio.TimeoutError:
                raise HTTPException(
                    408, f"the rest of the body did not come within {self.patience:g} seconds; send it again"
                ) from None
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if received > self.most:
                    raise HTTPException(413, self._too_large)
            return message

        await self.app(scope, counted, send)

    @property
    def _too_large(self) -> str:
        return f"the body is larger than {self.most:,} bytes; send fewer or smaller images"
