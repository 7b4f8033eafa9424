"""`unprompt cache`: where the caches are and how large, and clearing them."""

from __future__ import annotations

import argparse
import json
import sys

from unprompt.cli.options import add_json, complete, declare
from unprompt.errors import ConfigError
from unprompt.networks.cache_kinds import FETCHED, MADE

CLEARS = """\
  unprompt cache clear
  unprompt cache clear pixels phrases --yes
"""
EXAMPLE = f"""\
  unprompt cache
{CLEARS}"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the action; without it, the caches are listed."""
    add_json(parser)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    clear = declare(actions, "clear", "remove caches; what was downloaded goes only where it is named")
    complete(clear, run_clear, CLEARS)
    *kinds, last = *MADE, *FETCHED
    clear.add_argument(
        "kinds",
        nargs="*",
        metavar="KIND",
        help=f"{', '.join(kinds)} or {last} (all but {' and '.join(FETCHED)})",
    )
    clear.add_argument("--yes", action="store_true", help="do not ask")
    clear.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print the numbers as JSON"
    )


def run(options: argparse.Namespace) -> None:
    """Say what is there."""
    from unprompt.networks.caches import cache_states
    from unprompt.networks.checkpoints import cache_folder

    states = cache_states()
    if options.json:
        print(json.dumps([state.as_dict() for state in states], indent=2))
        return
    print(f"{cache_folder()}\n")
    print("\n".join(map(str, states)))


def run_clear(options: argparse.Namespace) -> None:
    """Ask, then remove."""
    from unprompt.networks.caches import clear_caches, to_clear
    from unprompt.networks.checkpoints import shown_bytes

    found = [state for state in to_clear(options.kinds) if state.files]
    total = shown_bytes(sum(state.bytes for state in found))
    if not options.yes and found:
        print("\n".join(map(str, found)), file=sys.stderr)
        if not _agrees(f"remove {total}? [y/N] "):
            raise ConfigError("nothing was removed")
    clear_caches(options.kinds)
    if options.json:
        print(json.dumps([state.as_dict() for state in found], indent=2))
    else:
        print(f"{total} removed" if found else "the caches were empty")


def _agrees(question: str) -> bool:
    """Ask on the terminal. Raises ConfigError where there is none."""
    if not sys.stdin.isatty():
        raise ConfigError("nobody is there to ask; add --yes to remove them")
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
