"""Settings and limits of the HTTP API. Light to import, since the command line's defaults are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.errors import ConfigError
from unprompt.serving.painters import PAINTERS

# What one request may ask for. They stand in the OpenAPI description too.
MOST_BODY = 32 << 20  # bytes
PATIENCE = 30.0  # seconds to wait for the next piece of a body
MOST_IMAGES = 16
MOST_IMAGE_MB = 20.0  # millions of bytes of one image, decoded from base64
MOST_PIXELS = 1 << 24  # of one image: 4096 x 4096
MOST_TEXTS = 256
MOST_CHARACTERS = 20_000  # of one text; MiniLM reads about the first thousand
MOST_PICTURES = 16  # that one txt2img paints
MOST_STEPS = 150  # as in the web UI
SIDES = (16, 2048)  # pixels that a painted picture's side may have

LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServeConfig:
    """Settings of `unprompt serve`."""

    bundle: str = DEFAULT_BUNDLE
    device: str = "auto"
    host: str = "127.0.0.1"
    port: int = 7860  # the web UI's, which its clients take unless told otherwise; 0: a free one
    sd: str | None = None  # a Stable Diffusion folder, or the name of a declared checkpoint
    painter: str = "pocket"  # what txt2img paints with where there is no `sd`
    queue: int = 64  # requests for the model that may wait or run at a time
    grace: int = 120  # seconds for what was begun, once the server is told to end
    access_log: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must be from 0 (a free one) to 65535, got {self.port}")
        for name, least in (("queue", 1), ("grace", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.painter not in PAINTERS:
            raise ConfigError(f"painter must be one of {', '.join(PAINTERS)}, got '{self.painter}'")
        if not self.host:
            raise ConfigError("host must be a name or an address, such as 127.0.0.1")

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can connect."""
        return self.host in LOCAL or self.host.startswith("127.")
