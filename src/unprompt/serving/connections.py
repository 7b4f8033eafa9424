"""Connections of a web server that do not wait for ever, and what they are told of the server's name.

uvicorn waits without end for headers that stop coming (Slowloris): each such connection holds a file of its
process. Here a request's headers have some seconds from their first byte on, a new connection's first ones
from its start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HEADERS_WITHIN = 20.0  # seconds


class CarefulConnection(H11Protocol):
    """uvicorn's connection, closed where a request's headers do not come whole within `headers_within`."""

    headers_within = HEADERS_WITHIN

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle what has come; where that was part of a request's headers, the rest has to come in time.

        So has the end of a body that is answered already, as with 408: what comes of it is only passed over.
        """
        super().handle_events()
        passed_over = self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY
        if passed_over or (self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]):
            self._expect()
        elif self.conn.their_state is not h11.IDLE:
            self._stop_waiting()

    def _expect(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.headers_within, self._give_up)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.close()


def guard_connections(wrap: Callable[[ASGIApp], ASGIApp]) -> None:
    """Have every server that this process starts from here on, whoever makes it, take careful connections.

    Its requests go through what `wrap` makes of its app. For servers that other packages start, with settings
    of uvicorn's that cannot be given.
    """
    from uvicorn.protocols.http import auto

    wrapped: list[Config] = []

    class Guarded(CarefulConnection):
        def __init__(self, config: Config, *arguments: Any, **named: Any) -> None:
            if not config.loaded:
                config.load()
            if not any(config is one for one in wrapped):  # its first connection; WebSockets take it too
                wrapped.append(config)
                config.loaded_app = wrap(config.loaded_app)
            super().__init__(config, *arguments, **named)

    auto.AutoHTTPProtocol = Guarded
