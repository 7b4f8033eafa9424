"""Start Streamlit's server for the pages, in this process, until Ctrl-C or SIGTERM.

Streamlit itself stops on these signals. It is told to send no statistics and to ask nothing of the network;
its scripts and fonts come from its own package.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from unprompt.app.settings import LOCAL, VARIABLE, AppSettings, ServerConfig
from unprompt.app.upload_room import UploadRoom
from unprompt.bundle.bundles import check_checkpoints, read_bundle
from unprompt.doodles.paint_config import DoodlePaint
from unprompt.doodles.painters import check_painter
from unprompt.errors import CheckpointError, ConfigError
from unprompt.serving.hosts import CheckedHost
from unprompt.serving.server_folders import resolved_root
from unprompt.serving.uploads import MEGABYTE
from unprompt.storage.files import read_prompts

MAIN = Path(__file__).with_name("main.py")
STREAMLIT = (1, 67)  # whose text fields tell each change, not only the last

LIGHT = {
    "primaryColor": "#0b6b75",
    "backgroundColor": "#f5f6f7",
    "secondaryBackgroundColor": "#ffffff",
    "textColor": "#15191d",
    "linkColor": "#0b6b75",
    "borderColor": "#dde1e4",
    "codeBackgroundColor": "#eceef0",
    "codeTextColor": "#15191d",
}
DARK = {
    "primaryColor": "#3d9aa4",
    "backgroundColor": "#111416",
    "secondaryBackgroundColor": "#191d20",
    "textColor": "#e9ecee",
    "linkColor": "#62c3cd",
    "borderColor": "#2d3338",
    "codeBackgroundColor": "#22272b",
    "codeTextColor": "#e9ecee",
}


def check_app_settings(settings: AppSettings) -> AppSettings:
    """The settings with whole paths. Raises for a bundle, prompts, a root or painters that cannot be used.

    The models themselves are loaded when the first visitor asks something of them.
    """
    check_checkpoints(read_bundle(settings.bundle))
    if settings.doodle_paint != DoodlePaint(device=settings.device):
        check_painter(settings.doodle_paint)
    if settings.instruct is not None and not settings.instruct.is_dir():
        raise CheckpointError(f"there is no folder {settings.instruct}; name one of an InstructPix2Pix")
    if settings.known is not None:
        read_prompts(settings.known)
    return replace(
        settings,
        known=settings.known.resolve() if settings.known else None,
        root=resolved_root(settings.root) if settings.root else None,
        out=settings.out.resolve(),
        sd=str(Path(settings.sd).resolve()) if settings.sd and Path(settings.sd).is_dir() else settings.sd,
        controlnet=settings.controlnet.resolve() if settings.controlnet else None,
        adapter=settings.adapter.resolve() if settings.adapter else None,
        instruct=settings.instruct.resolve() if settings.instruct else None,
    )


def check_streamlit() -> None:
    """Raise ConfigError where Streamlit is missing or too old for the pages."""
    try:
        found = version("streamlit")
    except PackageNotFoundError:
        raise ConfigError("the web app needs Streamlit; run: pip install 'unprompt[app]'") from None
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < STREAMLIT:  # 1.68rc1 has a 1 and a 68
        raise ConfigError(
            f"the web app needs Streamlit {'.'.join(map(str, STREAMLIT))} or later, here is {found}; "
            "with Python 3.11 or later, run: pip install -U 'unprompt[app]'"
        )


def check_port(server: ServerConfig) -> None:
    """Raise ConfigError where the server could not listen."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"cannot listen on {server.host}, port {server.port}: {reason}; choose another --port"
            ) from error


def streamlit_options(settings: AppSettings, server: ServerConfig) -> dict[str, Any]:
    """Streamlit's own settings. A config.toml of the user's cannot change these."""
    options: dict[str, Any] = {
        "server.address": server.host,
        "server.port": server.port,
        "server.headless": not server.open_browser,
        "server.maxUploadSize": settings.limit_mb,
        # By `guard_connections` too, and for all requests: Streamlit asks only where a WebSocket is opened.
        "server.allowedHosts": [*LOCAL, *server.hosts] if server.is_local else [],
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "server.enableStaticServing": False,
        "server.enableAgentApi": False,
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "logger.hideWelcomeMessage": True,
        "runner.magicEnabled": False,
        # Else all garbage is collected after every script, and with models loaded all threads, those of
        # runs too, wait 0.4 s for that. Python collects enough by itself.
        "runner.postScriptGC": False,
    }
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        options |= {f"theme.{name}.{key}": value for key, value in colours.items()}
    options |= {"theme.baseRadius": "0.625rem", "theme.showWidgetBorder": True}
    return options


def start(settings: AppSettings, server: ServerConfig, ready: Callable[[], None] = lambda: None) -> None:
    """Serve the pages until the process is told to stop; `ready` is called just before it listens.

    Raises ConfigError where Streamlit is missing or too old or the port is taken, else what
    `check_app_settings` raises.
    """
    check_streamlit()
    from streamlit.web import bootstrap

    from unprompt.serving.connections import guard_connections

    names, room = (server.host, *server.hosts), int(settings.uploads_mb * MEGABYTE)
    guard_connections(lambda app: CheckedHost(UploadRoom(app, room), names))
    os.environ[VARIABLE] = check_app_settings(settings).to_json()
    check_port(server)
    options = streamlit_options(settings, server)
    bootstrap.load_config_options(options)
    ready()
    bootstrap.run(str(MAIN), False, [], options)
