"""Which pages in a browser may use the server: none but its own, and those of origins that are allowed.

A browser sends what any page asks it to send, also to servers on the same machine. It says whose page that is
in the header Origin; and a page whose own name was made to point at this machine (DNS rebinding) shows by
the header Host. Programs other than browsers send no Origin and are let in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unprompt.api.errors import refusal, shorten

ANY = "*"
# Nobody's website can have them: names without a dot, and these, which are set aside for machines and
# networks of one's own (RFC 6761, 6762, 8375; ICANN's .internal). Containers reach their host by such names.
OWN = (".localhost", ".local", ".internal", ".home.arpa")


def host_of(netloc: str) -> str:
    """ "[::1]:7860" -> "::1", "Example.org.:80" -> "example.org"."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0].lower()
    return netloc.partition(":")[0].rstrip(".").lower()


def is_own_name(host: str) -> bool:
    """Whether a host's name is an address, or a name that no website can have."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(OWN)
    return True


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
        host = host_of(netloc)
        if not (is_own_name(host) or host in self.hosts):
            return (
                f"this server is not '{shorten(host)}'; if it is to be reached by that name, start it with "
                f"--hosts {shorten(host)}"
            )
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
