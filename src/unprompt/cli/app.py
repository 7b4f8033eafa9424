"""`unprompt app`: the web app."""

from __future__ import annotations

import argparse
from pathlib import Path

from unprompt.app.settings import AppSettings
from unprompt.cli.options import command, warn

EXAMPLE = """\
  unprompt app
  unprompt app --bundle pocket --root my_images --out runs
  unprompt app --host 0.0.0.0 --port 8080 --known prompts.csv --limit-mb 10
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = command(subparsers, "app", run, "captions, prompts and runs in the browser", EXAMPLE)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; others than this machine's open the app to"
        " everyone who can reach it (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=8501, help="(%(default)s)")
    parser.add_argument("--open", action="store_true", help="show the app in this machine's browser")
    parser.add_argument(
        "--bundle", default=AppSettings.bundle, metavar="NAME", help="bundle or TOML file (%(default)s)"
    )
    parser.add_argument("--device", default=AppSettings.device, help="auto, cpu, cuda or mps (%(default)s)")
    parser.add_argument("--known", type=Path, metavar="CSV", help="prompts.csv to look images up in")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="visitors may run over the folders below this one"
    )
    parser.add_argument(
        "--out", type=Path, default=AppSettings.out, metavar="DIR", help="where runs are kept (%(default)s)"
    )
    parser.add_argument(
        "--limit-mb",
        type=int,
        default=AppSettings.limit_mb,
        metavar="N",
        help="largest file that can be uploaded (%(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Serve until the process is told to stop."""
    options.when_interrupted = "the app has stopped"

    from unprompt.app.start import ServerConfig, start

    settings = AppSettings(
        bundle=options.bundle,
        device=options.device,
        known=options.known,
        root=options.root,
        out=options.out,
        limit_mb=options.limit_mb,
    )
    server = ServerConfig(options.host, options.port, options.open)
    if not server.is_local:
        warn(f"the app listens on {server.host}: everyone who can reach it can use it, there is no password")
    start(settings, server, lambda: print(f"the app is at {server.address} (Ctrl-C stops it)", flush=True))
