"""Basic auth in front of everything but /healthz, checked before a body is read."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from unprompt.api.errors import refusal
from unprompt.errors import ConfigError
from unprompt.settings import check_utf8
from unprompt.storage.files import read_text

VARIABLE = "UNPROMPT_AUTH"
OPEN = "/healthz"


@dataclass(frozen=True)
class Credentials:
    """A user, without ':', and a password."""

    user: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, source: str) -> Credentials:
        """USER:PASSWORD -> credentials. Raises ConfigError, without the password, for other texts."""
        user, colon, password = text.partition(":")
        if not (user and colon and password):
            raise ConfigError(f"{source} must be USER:PASSWORD, neither of them empty")
        check_utf8(text, source)
        return cls(user, password)

    def match(self, authorization: str) -> bool:
        """Whether an Authorization header holds them; how long it takes does not tell what is in them."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, f"{self.user}:{self.password}".encode())


def find_credentials(text: str | None = None, file: Path | None = None) -> Credentials | None:
    """Those given as a text, in a file's first line, or in $UNPROMPT_AUTH; None where there are none.

    Raises ConfigError for two at once and for what is not USER:PASSWORD, InputError for an unreadable file.
    """
    if text is not None and file is not None:
        raise ConfigError("--auth and --auth-file exclude each other")
    if text is not None:
        return Credentials.parse(text, "--auth")
    if file is not None:
        return Credentials.parse(read_text(file).partition("\n")[0].strip(), f"the first line of {file}")
    if VARIABLE in os.environ:
        return Credentials.parse(os.environ[VARIABLE], f"${VARIABLE}")
    return None


class BasicAuth:
    """ASGI middleware that answers 401 to all requests without the credentials, /healthz excepted."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self.app = app
        self.credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one connection."""
        if scope["type"] != "http" or scope["path"] == OPEN or self._may_pass(scope):
            await self.app(scope, receive, send)
            return
        answer = refusal(
            401,
            "HTTPException",
            "this server wants a user and a password (basic auth)",
            {"WWW-Authenticate": 'Basic realm="unprompt", charset="UTF-8"'},
        )
        await answer(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        return self.credentials.match(Headers(scope=scope).get("authorization", ""))
