"""`unprompt serve`: the HTTP API."""

from __future__ import annotations

import argparse
from pathlib import Path

from unprompt.api.config import ServeConfig
from unprompt.cli.options import command, warn
from unprompt.errors import ConfigError
from unprompt.serving.painters import PAINTERS
from unprompt.storage.packages import needed_for

EXAMPLE = """\
  unprompt serve                                    on http://127.0.0.1:7860, its description at /docs
  unprompt serve --bundle pocket --port 8000
  unprompt serve --sd stable-diffusion-2 --device cuda
  UNPROMPT_AUTH=USER:PASSWORD unprompt serve --host 0.0.0.0
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = command(
        subparsers, "serve", run, "answer over HTTP, to the Stable Diffusion web UI's clients too", EXAMPLE
    )
    parser.add_argument(
        "--bundle", default=ServeConfig.bundle, metavar="NAME", help="what answers for images (%(default)s)"
    )
    parser.add_argument(
        "--sd", metavar="FOLDER", help="what txt2img paints with: a diffusers folder or a checkpoint's name"
    )
    parser.add_argument(
        "--painter",
        choices=list(PAINTERS),
        default=ServeConfig.painter,
        help="without --sd: OpenMoji scenes of the pocket world, the checkpoint stable-diffusion-2, "
        "or no txt2img (%(default)s)",
    )
    parser.add_argument(
        "--host",
        default=ServeConfig.host,
        help="address to listen on; 0.0.0.0 lets other machines connect (%(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=ServeConfig.port,
        help="the web UI's, which its clients expect; 0: a free one (%(default)s)",
    )
    parser.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        help="basic auth; others on this machine can see it in the list of processes, so rather set "
        "$UNPROMPT_AUTH, or",
    )
    parser.add_argument("--auth-file", type=Path, metavar="FILE", help="a file whose first line is that")
    parser.add_argument(
        "--queue",
        type=int,
        default=ServeConfig.queue,
        metavar="N",
        help="requests that may wait or run at a time, the next ones are sent away (%(default)s)",
    )
    parser.add_argument(
        "--grace",
        type=int,
        default=ServeConfig.grace,
        metavar="SECONDS",
        help="for what was begun, once the server is told to end (%(default)s)",
    )
    parser.add_argument("--access-log", action="store_true", help="print a line for each request")
    parser.add_argument("--device", default=ServeConfig.device, help="auto, cpu, cuda or mps (%(default)s)")


def run(options: argparse.Namespace) -> None:
    """Serve until told to end."""
    options.when_interrupted = "what was begun is answered"
    config = ServeConfig(
        bundle=options.bundle,
        device=options.device,
        host=options.host,
        port=options.port,
        sd=options.sd,
        painter=options.painter,
        queue=options.queue,
        grace=options.grace,
        access_log=options.access_log,
    )

    with needed_for("serving", "serve", ConfigError):
        from unprompt.api.auth import find_credentials
        from unprompt.api.server import serve

    credentials = find_credentials(options.auth, options.auth_file)
    if not (config.is_local or credentials):
        warn(
            f"{config.host} can be reached from other machines, and whoever does needs no password; "
            "set UNPROMPT_AUTH=USER:PASSWORD"
        )

    def show(host: str, port: int) -> None:
        where = f"[{host}]" if ":" in host else host
        print(f"serving http://{where}:{port}   description at /docs, end with Ctrl-C", flush=True)

    serve(config, credentials, show)
