"""A web UI's server on this machine, for the tests of what talks to one."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

PARAMETERS = "a fox\nSteps: 10, Seed: 7"
Answer = tuple[int, dict[str, str], bytes]


class WebUI:
    """A server on a free port of this machine; `answer` makes what it says, `asked` is what it was sent."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((self.path, dict(self.headers), json.loads(body)))
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serving(status: int, body: bytes, **headers: str) -> Iterator[WebUI]:
    """A server that always says the same."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    with opened(answer) as server:
        yield server


@contextmanager
def opened(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[WebUI]:
    server = WebUI(answer)
    try:
        yield server
    finally:
        server.close()


def picture(seed: int = 0, size: tuple[int, int] = (16, 12), mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def with_parameters(image: Image.Image) -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", PARAMETERS)
    return encoded(image, pnginfo=texts)


def answering(*images: object) -> bytes:
    """The web UI's answer with images: bytes become base64, all else stays."""
    listed = [base64.b64encode(one).decode() if isinstance(one, bytes) else one for one in images]
    return json.dumps({"images": listed, "parameters": {}, "info": "{}"}).encode()
