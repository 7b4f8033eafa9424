"""Settings and limits of the HTTP API. Light to import, since the command line's options are these."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.errors import ConfigError
from unprompt.serving.painters import PAINTERS
from unprompt.settings import DEVICES, check_settings, setting

# What one request may ask for. They stand in the OpenAPI description too.
MOST_BODY = 32 << 20  # bytes
MOST_TOGETHER = 4 * MOST_BODY  # bytes of the bodies of all requests that are not answered yet
PATIENCE = 30.0  # seconds to wait for the next piece of a body
LONGEST = 300.0  # seconds that a whole body may take
MOST_VALUES = 250_000  # in a body's JSON: numbers, texts, lists and objects
DEEPEST = 64  # lists and objects in each other
MOST_IMAGES = 16
MOST_IMAGE_MB = 20.0  # millions of bytes of one image, decoded from base64
MOST_PIXELS = 1 << 24  # of one image: 4096 x 4096
MOST_TEXTS = 256
MOST_CHARACTERS = 20_000  # of one text; MiniLM reads about the first thousand
MOST_PICTURES = 16  # that one txt2img paints
MOST_STEPS = 150  # as in the web UI
MOST_DPI = 300  # of a colouring page
MOST_VARIANTS = 4  # of one drawing that is coloured
MOST_HINTS = 256  # clicks on it
MOST_STROKES, MOST_POINTS = 1000, 50_000  # of a doodle
MOST_GUESSES = 345  # all words of Quick, Draw!
SIDES = (16, 2048)  # pixels that a painted picture's side may have

LOCAL = ("127.0.0.1", "::1", "localhost")


ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+")


def parse_origin(text: str) -> str:
    """An origin as browsers send it: in small letters, without a slash at its end; "*" and "null" are taken.

    Raises ConfigError for what can be no origin, such as an address with a path.
    """
    origin = text.lower().rstrip("/")
    if origin not in ("*", "null") and not ORIGIN.fullmatch(origin):
        raise ConfigError(
            f"cors_origins: '{text}' is no origin; write a scheme, a name and perhaps a port, such as "
            "http://localhost:3000"
        )
    return origin


@dataclass(frozen=True)
class ServeConfig:
    """Settings of `unprompt serve`."""

    bundle: str = setting(DEFAULT_BUNDLE, "what answers for images")
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    host: str = setting(
        "127.0.0.1", "address to listen on; 0.0.0.0 lets other machines connect", metavar="HOST"
    )
    port: int = setting(7860, "the web UI's, which its clients expect; 0: a free one", metavar="PORT")
    sd: str | None = setting(
        None, "what txt2img paints with: a diffusers folder or a checkpoint's name", metavar="FOLDER"
    )
    painter: str = setting(
        "pocket",
        "without --sd: OpenMoji scenes of the pocket world, the checkpoint stable-diffusion-2, or no txt2img",
        choices=tuple(PAINTERS),
    )
    queue: int = setting(64, "requests that may wait or run at a time, the next ones are sent away", least=1)
    longest_wait: float = setting(
        0.0,
        "requests that would wait longer for their turn, by the pace so far, are sent away; 0: none is",
        metavar="SECONDS",
        least=0,
        below=math.inf,
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        "whose pages in a browser may use the server, such as http://localhost:3000; *: those of all sites",
        metavar="ORIGIN",
    )
    hosts: tuple[str, ...] = setting(
        (),
        "names by which it is reached, beside addresses and names of one's own network",
        flag="allow-host",
        metavar="NAME",
    )
    grace: int = setting(
        120, "for what was begun, once the server is told to end", metavar="SECONDS", least=0
    )
    access_log: bool = setting(False, "print a line for each request")

    def __post_init__(self) -> None:
        check_settings(self)
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must be from 0 (a free one) to 65535, got {self.port}")
        if not self.host:
            raise ConfigError("host must be a name or an address, such as 127.0.0.1")
        if self.sd is not None and self.painter == "none":
            raise ConfigError(f"the painter none paints nothing, and {self.sd} would; give one of both")
        object.__setattr__(self, "cors_origins", tuple(map(parse_origin, self.cors_origins)))

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can connect."""
        return self.host in LOCAL or self.host.startswith("127.")
