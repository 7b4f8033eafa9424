"""A client of the Stable Diffusion web UI's API.

Every way in which a server can fail is a WebUIError that says what to do.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from unprompt.errors import ConfigError
from unprompt.painting.watch import Watch
from unprompt.painting.webui_config import ANSWER_SECONDS, AUTH, URL, Auth
from unprompt.painting.webui_errors import WebUIError
from unprompt.painting.webui_images import cut
from unprompt.storage.damage import DAMAGED_JSON
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    import httpx

TXT2IMG, IMG2IMG = "/sdapi/v1/txt2img", "/sdapi/v1/img2img"
CONNECT_SECONDS = 10.0
LARGEST_ANSWER = 1 << 29  # bytes
HERE = frozenset({"127.0.0.1", "::1", "localhost"})
NO_SUCH_PAGE = (404, 405, 501)  # what servers say of an address that they do not have, to a POST


def request(
    url: str,
    fields: Mapping[str, Any],
    timeout: float = ANSWER_SECONDS,
    auth: Auth | None = None,
    transport: httpx.BaseTransport | None = None,
    largest: int = LARGEST_ANSWER,
    path: str = TXT2IMG,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """POST fields to a path and give back the object that the server answers, up to `largest` bytes.

    `timeout`: seconds until the whole answer is there. `auth`: user and password of the server's --api-auth.
    `transport`: in place of the network. `watch`: what can end the wait, by StoppedError; then the connection
    is cut. Raises ConfigError for an argument that makes no sense, and WebUIError for all that goes wrong
    with the server.
    """
    watch = watch or Watch()
    address = check_address(url, path)
    import httpx

    where = str(address.copy_with(userinfo=b""))
    if not timeout > 0:
        raise ConfigError(f"timeout is in seconds, above 0, got {timeout}")
    if auth is not None and (len(auth) != 2 or isinstance(auth, str) or ":" in auth[0]):
        raise ConfigError("auth is two texts, (user, password), the user without a ':'")
    try:
        content = json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"these options cannot be sent as JSON: {error}") from error
    late = WebUIError(
        f"{where} did not answer within {timeout:g} s; it may still be at work. Wait for it, give a longer "
        "timeout=, or ask for fewer steps or a smaller picture"
    )
    deadline = time.monotonic() + timeout
    limits = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
    line = _Line()
    try:
        # A proxy that the environment names has no way to this machine's own addresses.
        with (
            watch.waiting(line.cut),
            httpx.Client(
                auth=auth, timeout=limits, trust_env=address.host not in HERE, transport=transport
            ) as client,
            client.stream(
                "POST",
                address,
                content=content,
                headers={"Content-Type": "application/json"},
                extensions={"trace": line.trace},
            ) as response,
        ):
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                watch.check()
                if len(body) > largest:
                    raise WebUIError(
                        f"{where} answers more than {largest >> 20} MiB; ask for fewer or smaller pictures"
                    )
                if time.monotonic() > deadline:
                    raise late
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise WebUIError(
            f"no server answers at {where} ({error}); start the web UI with --api, or name its address "
            "with url="
        ) from error
    except httpx.TimeoutException as error:
        raise late from error
    except httpx.RequestError as error:
        raise WebUIError(
            f"the connection to {where} broke ({error}); see what the server itself says"
        ) from error
    if not response.is_success:
        raise WebUIError(_refusal(where, response, bytes(body), auth))
    return _json_object(where, bytes(body))


class _Line:
    """The connection of a request, which another thread can cut: that of the request only waits in it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._cut = False

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take the socket of a connection when it is there (httpx's extension `trace`)."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if self._cut:
                self.cut()

    def cut(self) -> None:
        """Have whoever reads from the socket find its end."""
        self._cut = True
        if self._socket is not None:
            with suppress(OSError):  # it has been closed
                self._socket.shutdown(socket.SHUT_RDWR)


def check_address(url: str, path: str = TXT2IMG) -> httpx.URL:
    """The address of a path on a server. Raises ConfigError where it is none."""
    with needed_for("sending prompts to a web UI", "app", ConfigError):
        import httpx

    try:
        address = httpx.URL(url.rstrip("/").removesuffix(path) + path)
    except httpx.InvalidURL as error:
        raise ConfigError(f"url is no address ({error}); write it like {URL}") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise ConfigError(f"url must begin with http:// or https://, got '{url}'; write it like {URL}")
    return address


# --- what came back


def _refusal(where: str, response: httpx.Response, body: bytes, auth: Auth | None) -> str:
    """What a status other than success means, and what to do."""
    status = response.status_code
    said = what_was_said(body)
    if status == 401:
        if auth is None:
            return (
                f"{where} wants a user and a password: give auth=(user, password), as in its --api-auth, or "
                f"set ${AUTH} to USER:PASSWORD"
            )
        return f"{where} does not take the password of '{auth[0]}'; see the server's --api-auth"
    if status in NO_SUCH_PAGE:
        if status == 404 and said and not said.startswith("Not Found") and _is_json(body):
            return (
                f"{where} does not know what was asked for: {said}; see /sdapi/v1/samplers for its samplers"
            )
        return (
            f"there is no API at {where} (status {status}); where that is the web UI, start it with --api, "
            "else name the web UI's address with url="
        )
    if status == 422:
        return f"{where} cannot use these options: {said or 'it does not say why'}"
    if response.is_redirect:
        return (
            f"{where} sends on to {response.headers.get('location', 'nowhere')}; name that address with url="
        )
    if status == 503 or status == 429:
        wait = response.headers.get("retry-after")
        return f"{where} is busy; try again {f'in {wait} s' if wait else 'later'}" + (
            f" ({said})" if said else ""
        )
    fault = "failed" if status >= 500 else "refused"
    return f"{where} {fault} with status {status}: {said or response.reason_phrase or 'no reason given'}"


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except DAMAGED_JSON:
        return False
    return True


def what_was_said(body: bytes) -> str:
    """The reason in an error's body, on one line and cut to length: FastAPI's detail, the web UI's errors."""
    try:
        content = json.loads(body)
    except DAMAGED_JSON:
        return cut(body.decode("utf-8", "replace"))
    if not isinstance(content, dict):
        return cut(json.dumps(content))
    detail = content.get("detail") or content.get("errors") or content.get("error") or ""
    if isinstance(detail, list):
        detail = "; ".join(map(_complaint, detail))
    return cut(detail if isinstance(detail, str) else json.dumps(detail))


def _complaint(one: Any) -> str:
    """One entry of a validation error: "steps: Input should be a valid integer"."""
    if not isinstance(one, dict) or "msg" not in one:
        return str(one)
    place = one.get("loc") if isinstance(one.get("loc"), list) else []
    return ": ".join([".".join(str(part) for part in place or [] if part != "body"), str(one["msg"])]).lstrip(
        ": "
    )


def _json_object(where: str, body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except DAMAGED_JSON:
        said = cut(body.decode("utf-8", "replace"))
        raise WebUIError(
            f"{where} answers what is not JSON ({said or 'nothing'}); is that the web UI's address?"
        ) from None
    if not isinstance(content, dict):
        raise WebUIError(f"{where} answers {cut(json.dumps(content))}, expected an object with 'images'")
    return content
