"""`unprompt serve`: the HTTP API."""

from __future__ import annotations

import argparse
from pathlib import Path

from unprompt.api.config import ServeConfig
from unprompt.cli.options import add_settings, settings_from, warn
from unprompt.errors import ConfigError
from unprompt.storage.packages import needed_for

EXAMPLE = """\
  unprompt serve                                    on http://127.0.0.1:7860, its description at /docs
  unprompt serve --bundle pocket --port 8000
  unprompt serve --sd stable-diffusion-2 --device cuda
  unprompt serve --cors-origins http://localhost:3000  a page served there may use it
  UNPROMPT_AUTH=USER:PASSWORD unprompt serve --host 0.0.0.0
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_settings(parser, ServeConfig)
    parser.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        help="basic auth; others on this machine can see it in the list of processes, so rather set "
        "$UNPROMPT_AUTH or give --auth-file",
    )
    parser.add_argument(
        "--auth-file", type=Path, metavar="FILE", help="a file whose first line is USER:PASSWORD"
    )


def run(options: argparse.Namespace) -> None:
    """Serve until told to end."""
    options.when_interrupted = "what was begun is answered"
    config = settings_from(options, ServeConfig)

    with needed_for("serving", "serve", ConfigError):
        from unprompt.api.auth import find_credentials
        from unprompt.api.server import serve

    credentials = find_credentials(options.auth, options.auth_file)
    if not (config.is_local or credentials):
        warn(
            f"{config.host} can be reached from other machines, and whoever does needs no password; "
            "set UNPROMPT_AUTH=USER:PASSWORD"
        )

    if "*" in config.cors_origins:
        warn("--cors-origins *: every page that is open in a browser here can use this server")

    def show(host: str, port: int) -> None:
        where = f"[{host}]" if ":" in host else host
        print(f"serving http://{where}:{port}   description at /docs, end with Ctrl-C", flush=True)

    serve(config, credentials, show)
