"""The names by which a server may be asked for: its own, and none that a website can have.

A page whose own name was made to point at this machine (DNS rebinding) is of the same origin as the server,
as far as its browser knows; but it asks for the server by that name, in the header Host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# Nobody's website can have them: names without a dot, and these, which are set aside for machines and
# networks of one's own (RFC 6761, 6762, 8375; ICANN's .internal). Containers reach their host by such names.
OWN = (".localhost", ".local", ".internal", ".home.arpa")
LONGEST_NAME = 60  # characters of a client's own words that are said back


def shorten(text: str, length: int = LONGEST_NAME) -> str:
    """A client's own words, short enough to be said back."""
    return text if len(text) <= length else text[: length - 1] + "…"


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


def why_not(netloc: str, hosts: Iterable[str]) -> str:
    """Why a server is not to be asked for by the name in `netloc`; "" where it is. `hosts`: others it has."""
    host = host_of(netloc)
    if is_own_name(host) or host in hosts:
        return ""
    return (
        f"this server is not '{shorten(host)}'; if it is to be reached by that name, start it with "
        f"--allow-host {shorten(host)}"
    )


class CheckedHost:
    """ASGI middleware that answers 403 to requests for another server, those that open a WebSocket too."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one request."""
        given = [value for name, value in scope.get("headers", ()) if name == b"host"]
        reason = why_not(given[0].decode("latin-1") if given else "", self.hosts)
        if scope["type"] == "http" and reason:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": reason.encode("utf-8", "replace")})
        elif scope["type"] == "websocket" and reason:
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
        else:
            await self.app(scope, receive, send)
