"""Which pages in a browser may use the server: none but its own, and those of origins that are allowed.

A browser sends what any page asks it to send, also to servers on the same machine. It says whose page that is
in the header Origin; and a page whose own name was made to point at this machine (DNS rebinding) shows by
the header Host. Programs other than browsers send no Origin and are let in.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unprompt.api.errors import refusal
from unprompt.serving.hosts import shorten, why_not

ANY = "*"


class CheckedOrigin:
    """ASGI middleware that answers 403 to pages of other sites, and to names that are not the server's own.

    `origins`: those whose pages may use the server, such as http://localhost:3000; "*" is all. `hosts`: names
    of this server beside those of one's own network.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str] = (), hosts: Sequence[str] = ()) -> None:
        self.app = app
        self.origins = frozenset(origins)
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one request."""
        reason = self._find_reason(scope) if scope["type"] == "http" else ""
        if reason:
            await refusal(403, "HTTPException", reason)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _find_reason(self, scope: Scope) -> str:
        """Why a request is refused; "" where it is not."""
        headers = Headers(scope=scope)
        netloc = headers.get("host", "")
        if reason := why_not(netloc, self.hosts):
            return reason
        origin = headers.get("origin")
        if origin is None:
            return self._find_foreign_fetch(scope, headers)
        if (netloc and origin.lower().partition("://")[2] == netloc.lower()) or {
            origin.lower(),
            ANY,
        } & self.origins:
            return ""
        return (
            f"pages of {shorten(origin)} may not use this server; if they are to, start it with "
            f"--cors-origins {shorten(origin)}"
        )

    def _find_foreign_fetch(self, scope: Scope, headers: Headers) -> str:
        """Pages get pictures and scripts without an Origin; browsers of today say by another header whose."""
        if headers.get("sec-fetch-site") != "cross-site" or ANY in self.origins:
            return ""
        if headers.get("sec-fetch-mode") == "navigate" and scope["method"] in ("GET", "HEAD"):
            return ""  # someone follows a link
        return "pages of other sites may not use this server; see --cors-origins"


class HeadAsGet:
    """ASGI middleware that answers HEAD as GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, without_body)
