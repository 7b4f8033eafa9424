"""Limits on request bodies: of their size, alone and together, of the time they take, and of their JSON."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unprompt.api.config import DEEPEST, LONGEST, MOST_TOGETHER, MOST_VALUES, PATIENCE
from unprompt.api.contract import MOST_NAMED
from unprompt.api.errors import refusal
from unprompt.serving.hosts import shorten

LARGE = 1 << 16  # bytes of JSON, or of base64 in it, that are read in another thread than the answering one
RETRY_AFTER = 5  # seconds, where there is no room for one more body


class BodyLimit:
    """ASGI middleware that answers 413 to a body of more than `most` bytes, announced or not.

    A body whose next piece does not come within `patience` seconds, or which takes `longest` seconds in all,
    is answered with 408. Where the bodies of all requests that are not answered yet have `together` bytes,
    the next is sent away with 503.
    """

    def __init__(
        self,
        app: ASGIApp,
        most: int,
        patience: float = PATIENCE,
        together: int = MOST_TOGETHER,
        longest: float = LONGEST,
    ) -> None:
        self.app = app
        self.most = most
        self.patience = patience
        self.together = together
        self.longest = longest
        self._held = 0

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
        end = time.monotonic() + self.longest

        async def counted() -> Message:
            nonlocal received, whole
            if whole:  # what comes now is that the client has gone, and that may take its time
                return await receive()
            patience = min(self.patience, end - time.monotonic())
            try:
                message = await asyncio.wait_for(receive(), patience)
            except asyncio.TimeoutError:
                raise HTTPException(408, self._too_late) from None
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                received += size
                self._held += size
                whole = not message.get("more_body", False)
                if received > self.most:
                    raise HTTPException(413, self._too_large)
                if self._held > self.together and received < self._held:
                    raise HTTPException(503, self._too_many, {"Retry-After": str(RETRY_AFTER)})
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self._held -= received

    @property
    def _too_large(self) -> str:
        return f"the body is larger than {self.most:,} bytes; send fewer or smaller images"

    @property
    def _too_many(self) -> str:
        return (
            f"the requests that are not answered yet have {self.together:,} bytes, more are not taken; try "
            f"again in {RETRY_AFTER} s"
        )

    @property
    def _too_late(self) -> str:
        return (
            f"the rest of the body did not come within {self.patience:g} seconds, or not all of it within "
            f"{self.longest:g}; send it again"
        )


class JsonRequest(Request):
    """A request whose JSON is looked over before it is parsed, where others can be answered meanwhile."""

    def __init__(self, scope: Scope, receive: Receive, keys_once: bool) -> None:
        """`keys_once`: see parse_json."""
        super().__init__(scope, receive)
        self._keys_once = keys_once

    async def json(self) -> Any:
        """The body as Python's values. Raises HTTPException, and what `json.loads` raises."""
        if not hasattr(self, "_json"):
            body = await self.body()
            if len(body) > LARGE:
                self._json = await asyncio.to_thread(parse_json, body, self._keys_once)
            else:
                self._json = parse_json(body, self._keys_once)
        return self._json


class JsonRoute(APIRoute):
    """A route whose endpoint is given a `JsonRequest`: for clients that are used to what is taken."""

    keys_once = False  # see parse_json

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own, around another request."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive, self.keys_once))

        return handled


class StrictJsonRoute(JsonRoute):
    """The same for our own endpoints, which refuse what they do not know, and a key that stands twice."""

    keys_once = True


def parse_json(body: bytes, keys_once: bool = False) -> Any:
    """JSON in UTF-8 -> Python's values. Raises HTTPException for more or deeper values than are taken.

    `keys_once`: and for an object with a key twice, of which one value would count unasked. The web UI's
    endpoints take the last, as the web UI does: its clients may rely on it, as on keys that are passed over.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is not UTF-8; send JSON in UTF-8, not compressed") from None
    # Quotes that are escaped end no text; what stands outside of texts is every other piece between quotes.
    plain = text.replace("\\\\", "").replace('\\"', "")
    too_many = HTTPException(413, f"the JSON has more than {MOST_VALUES:,} values; send several requests")
    if plain.count('"') > 4 * MOST_VALUES:  # two texts a value, as keys are
        raise too_many
    signs = "".join(plain.split('"')[::2])
    if sum(map(signs.count, "[{,")) > MOST_VALUES:
        raise too_many
    depth = 0
    for sign in re.findall(r"[\[\]{}]", signs):
        depth += 1 if sign in "[{" else -1
        if depth > DEEPEST:
            raise HTTPException(422, f"the JSON has more than {DEEPEST} lists and objects in each other")
    try:
        return json.loads(text, object_pairs_hook=_with_keys_once if keys_once else None)
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        raise HTTPException(400, "the JSON has a number with too many digits; send a smaller one") from None


def _with_keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise HTTPException(422, describe_repeated(key for key, _ in pairs))
    return found


def describe_repeated(keys: Iterable[str]) -> str:
    """What is said about keys of which some are there several times; "" where none is."""
    often = [key for key, count in Counter(keys).items() if count > 1]
    more = f" and {len(often) - MOST_NAMED} more" if len(often) > MOST_NAMED else ""
    named = ", ".join(f"'{shorten(key)}'" for key in often[:MOST_NAMED])
    return f"repeated keys: {named}{more}; give each once" if often else ""
