"""`unprompt checkpoints`: what is needed, where it was found, whether it is the right file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from unprompt.cli.options import add_json, complete, declare

EXAMPLE = """\
  unprompt checkpoints list
  unprompt checkpoints check all-minilm-l6-v2
  unprompt checkpoints fetch clip-vit-h-14 --from ~/Downloads
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the three actions."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = declare(actions, "list", "say what is needed and where it was found")
    complete(listing, run, "  unprompt checkpoints list")
    add_json(listing)
    check = declare(actions, "check", "compare sizes and sha256 with the right ones")
    complete(check, run_check, "  unprompt checkpoints check")
    check.add_argument("names", nargs="*", metavar="NAME", help="checkpoints (all that were found)")
    fetch = declare(
        actions,
        "fetch",
        "install a checkpoint from files you have, or say how to get them (nothing is downloaded)",
    )
    complete(fetch, run_fetch, "  unprompt checkpoints fetch clip-vit-h-14 --from ~/Downloads")
    fetch.add_argument("name", metavar="NAME", help="a checkpoint's name, see `unprompt checkpoints list`")
    fetch.add_argument("--from", dest="source", type=Path, metavar="PATH", help="folder that holds its files")


def run(options: argparse.Namespace) -> None:
    """Print each checkpoint, what uses it, and where it is."""
    from unprompt.runs.doctor import checkpoint_states

    states = checkpoint_states()
    if options.json:
        print(json.dumps([state.as_dict() for state in states], indent=2))
        return
    for state in states:
        checkpoint = state.checkpoint
        print(f"{checkpoint.name}  ({', '.join(checkpoint.used_by)})  {checkpoint.role}")
        print(f"    {state.found.folder} ({state.found.place})" if state.found else "    not found")
        for file in checkpoint.files:
            size = f"{file.size / 1e6:,.1f} MB" if file.size else "size unknown"
            digest = f"sha256 {file.sha256[:12]}…" if file.sha256 else "sha256 unknown"
            print(f"    {file.name}  {size}  {digest}  {file.licence}")


def run_check(options: argparse.Namespace) -> None:
    """Verify the named checkpoints, or all that were found."""
    from unprompt.networks.checkpoints import declared, locate, verify
    from unprompt.runs.doctor import checkpoint_states

    names = [declared(name).name for name in options.names] or [
        state.checkpoint.name for state in checkpoint_states() if state.found
    ]
    for name in names:
        found = locate(name)
        verify(found)
        unknown = [file.name for file in found.checkpoint.files if file.sha256 is None]
        remark = f"; sha256 not known for {', '.join(unknown)}" if unknown else ""
        print(f"{name}: right files in {found.folder}{remark}")


def run_fetch(options: argparse.Namespace) -> None:
    """Install from the user's files, or print how to get them."""
    from unprompt.networks.checkpoints import declared, install

    checkpoint = declared(options.name)
    if options.source is None:
        print(f"{checkpoint.name}: {checkpoint.role}. unprompt opens no network connection; to get it:")
        print(f"  on Kaggle: attach the data set '{checkpoint.data_set}'")
        for way in checkpoint.get:
            print(f"  {way}")
        print(f"then: unprompt checkpoints fetch {checkpoint.name} --from FOLDER")
        return
    found = install(options.name, options.source)
    print(f"{checkpoint.name}: {len(checkpoint.files)} files checked and copied to {found.folder}")
