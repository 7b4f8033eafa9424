"""Errors as JSON of the web UI's shape, `error` and `detail`: what was wrong and what to do, no traceback."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from unprompt.api.complaints import complaints
from unprompt.errors import CheckpointError, RunError, UnpromptError
from unprompt.networks.devices import is_out_of_memory
from unprompt.serving.hosts import shorten
from unprompt.serving.painters import NotHereError
from unprompt.serving.worker import BusyError

HUNG_UP = 499  # what nginx writes in its log for clients that did not wait; nobody reads it


class TooLittleMemoryError(UnpromptError):
    """There is not enough memory for a request now; it harms no other."""

    retry_after = 10  # seconds


class HungUpError(Exception):
    """The client has gone; there is nobody to answer."""


def refusal(status: int, error: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error's answer, all in ASCII: even half a surrogate pair that a client sent can be said back."""
    body = json.dumps({"error": error, "detail": detail})
    return Response(body, status, headers=headers, media_type="application/json")


def status_of(error: UnpromptError) -> int:
    """The HTTP status of an error that a user can mend: 4xx where it is the request's, else 5xx."""
    if isinstance(error, (BusyError, TooLittleMemoryError)):
        return 503
    if isinstance(error, NotHereError):
        return 404
    return 500 if isinstance(error, (CheckpointError, RunError)) else 422


def add_handlers(app: FastAPI) -> None:
    """Answer every error of the app with `refusal`."""

    @app.exception_handler(UnpromptError)
    async def ours(_: Request, error: UnpromptError) -> Response:
        headers = None
        if isinstance(error, (BusyError, TooLittleMemoryError)):
            headers = {"Retry-After": str(error.retry_after)}
        return refusal(status_of(error), type(error).__name__, str(error), headers)

    @app.exception_handler(MemoryError)
    @app.exception_handler(RuntimeError)
    async def no_memory(_: Request, error: Exception) -> Response:
        """Torch's memory errors are RuntimeErrors; any other of these is a fault in the server."""
        if not is_out_of_memory(error):
            raise error
        wait = {"Retry-After": str(TooLittleMemoryError.retry_after)}
        return refusal(503, "TooLittleMemoryError", "not enough memory for this request now", wait)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        if isinstance(error.body, bytes):  # it was not read, as nothing said that it is JSON
            kind = request.headers.get("content-type")
            said = f"it came as {shorten(kind)}" if kind else "it came without a type"
            told = f"the body was not read, as {said}; send content-type: application/json"
            return refusal(422, "RequestValidationError", told)
        return refusal(422, "RequestValidationError", complaints(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        told, path = error.detail, shorten(request.url.path)
        if error.status_code == 404:
            told += f": there is no {path} here; /docs lists what there is"
        elif error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            told += f": {path} is asked by {allowed}, not by {shorten(request.method)}"
        return refusal(error.status_code, "HTTPException", told, error.headers)

    @app.exception_handler(HungUpError)
    async def hung_up(_: Request, error: HungUpError) -> Response:
        return Response(status_code=HUNG_UP)

    @app.exception_handler(Exception)
    async def bug(_: Request, error: Exception) -> Response:
        """Only the type is told; the server's own log has the traceback."""
        return refusal(
            500, "InternalError", f"a fault in the server ({type(error).__name__}); its log says more"
        )
