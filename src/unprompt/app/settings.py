"""What the command tells the server and, by an environment variable, the pages: Streamlit runs them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.doodles.paint_config import DoodlePaint
from unprompt.errors import ConfigError
from unprompt.painting.webui_config import AUTH, URL
from unprompt.settings import DEVICES, check_settings, setting

VARIABLE = "UNPROMPT_APP"
PATHS = ("known", "root", "out", "controlnet", "adapter", "instruct")
# Pairs of settings of which one paints doodles.
CLASHING = (("webui", "sd"), ("webui", "controlnet"), ("webui", "adapter"), ("controlnet", "adapter"))
LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ServerConfig:
    """Where the server listens."""

    host: str = setting(
        "127.0.0.1",
        "address to listen on; others than this machine's open the app to everyone who can reach it",
        metavar="HOST",
    )
    port: int = setting(8501, "port to listen on", metavar="PORT")
    hosts: tuple[str, ...] = setting(
        (),
        "names by which it is reached, beside addresses and names of one's own network",
        flag="allow-host",
        metavar="NAME",
    )
    open_browser: bool = setting(False, "show the app in this machine's browser", flag="open")

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"port must be between 1 and 65535, got {self.port}")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOCAL

    @property
    def address(self) -> str:
        """What to type into a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass(frozen=True)
class AppSettings:
    """Settings of the pages."""

    bundle: str = setting(DEFAULT_BUNDLE, "bundle or TOML file")
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    known: Path | None = setting(None, "prompts.csv to look images up in", metavar="CSV")
    root: Path | None = setting(
        None, "visitors may run over the folders below this one", shown="no runs", metavar="DIR"
    )
    out: Path = setting(Path("runs"), "where runs are kept", metavar="DIR")
    limit_mb: int = setting(20, "largest file that can be uploaded", least=1)
    uploads_mb: int = setting(
        1024,
        "files of all visitors together that the server holds; who sends several can fill half of it",
        least=1,
    )
    most_files: int = setting(40, "pictures that a page takes at a time", least=1)
    sd: str | None = setting(
        None,
        "a Stable Diffusion: a diffusers folder or a checkpoint's name",
        shown="one that is installed, else the pocket world",
        metavar="FOLDER",
    )
    controlnet: Path | None = setting(
        None, "beside it, a ControlNet for scribbles, by which pictures follow the drawing", metavar="FOLDER"
    )
    adapter: Path | None = setting(None, "or a T2I-Adapter for sketches", metavar="FOLDER")
    webui: str | None = setting(
        None,
        f"a web UI, such as {URL}, in their place; user and password: ${AUTH}, as USER:PASSWORD",
        metavar="URL",
    )
    webui_scribble: str = setting(
        "", "name of the web UI's ControlNet for scribbles, for doodles", metavar="MODEL"
    )
    webui_lineart: str = setting(
        "",
        "name of its ControlNet for line art, for Colour by words; needed unless it has an InstructPix2Pix",
        metavar="MODEL",
    )
    instruct: Path | None = setting(
        None,
        "an InstructPix2Pix for Colour by words, such as RUN/model of `unprompt colour train`; a web UI's "
        "place is taken by it there",
        metavar="FOLDER",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        given = [name for name in ("sd", "controlnet", "adapter", "webui") if getattr(self, name)]
        for one, other in CLASHING:
            if one in given and other in given:
                raise ConfigError(f"{one} and {other} both paint doodles; give one of them")
        for name in ("webui_scribble", "webui_lineart"):
            if getattr(self, name) and not self.webui:
                raise ConfigError(f"{name} is a name in a web UI: give its address, webui, too")

    @property
    def doodle_paint(self) -> DoodlePaint:
        """How doodles are painted, but for what a visitor chooses."""
        return DoodlePaint(
            model=self.sd,
            controlnet=self.controlnet,
            adapter=self.adapter,
            url=self.webui,
            webui_controlnet=self.webui_scribble,
            device=self.device,
        )

    @property
    def paints_whole_pictures(self) -> bool:
        """Whether something here colours line art by painting it anew."""
        return bool(self.instruct or self.webui)

    def to_json(self) -> str:
        """The settings as the variable's text."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> AppSettings:
        """Read what `to_json` wrote."""
        content = json.loads(text)
        for name in PATHS:
            if content[name] is not None:
                content[name] = Path(content[name])
        return cls(**content)


def current_settings() -> AppSettings:
    """The settings of this server; the defaults where a page is run without the command."""
    text = os.environ.get(VARIABLE)
    return AppSettings.from_json(text) if text else AppSettings()
