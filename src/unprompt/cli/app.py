"""`unprompt app`: the web app."""

from __future__ import annotations

import argparse

from unprompt.app.settings import AppSettings, ServerConfig
from unprompt.cli.options import add_settings, settings_from, warn

EXAMPLE = """\
  unprompt app
  unprompt app --bundle pocket --root my_images --out runs
  unprompt app --host 0.0.0.0 --port 8080 --known prompts.csv --limit-mb 10
  unprompt app --sd SD --controlnet SCRIBBLE        Stable Diffusion paints doodles
  unprompt app --webui http://127.0.0.1:7860        or a web UI does, and colours by words
"""
PAINTING = ("sd", "controlnet", "adapter", "webui", "webui_scribble", "webui_lineart", "instruct")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_settings(parser, ServerConfig)
    add_settings(parser, AppSettings, skip=("most_files", *PAINTING))
    painting = parser.add_argument_group("what paints doodles, and colours by words")
    add_settings(painting, AppSettings, only=PAINTING)


def run(options: argparse.Namespace) -> None:
    """Serve until the process is told to stop."""
    options.when_interrupted = "the app has stopped"

    from unprompt.app.start import start

    settings, server = settings_from(options, AppSettings), settings_from(options, ServerConfig)
    if not server.is_local:
        warn(f"the app listens on {server.host}: everyone who can reach it can use it, there is no password")
    start(settings, server, lambda: print(f"the app is at {server.address} (Ctrl-C stops it)", flush=True))
