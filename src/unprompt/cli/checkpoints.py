"""`unprompt checkpoints`: what is needed, where it was found, whether it is the right file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from unprompt.cli.options import StepBars, add_json, complete, declare
from unprompt.errors import CheckpointError, ConfigError
from unprompt.text.english import counted

FETCHES = """\
  unprompt checkpoints fetch --bundle clip
  unprompt checkpoints fetch gpt2 stable-diffusion-2-1
  unprompt checkpoints fetch clip-vit-h-14 --from ~/Downloads
"""
EXAMPLE = f"""\
  unprompt checkpoints list
  unprompt checkpoints check all-minilm-l6-v2
{FETCHES}"""


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
        actions, "fetch", "download checkpoints, as no other command does, or take files that you have"
    )
    complete(fetch, run_fetch, FETCHES)
    fetch.add_argument(
        "names", nargs="*", metavar="NAME", help="checkpoints, see `unprompt checkpoints list`"
    )
    fetch.add_argument("--bundle", metavar="NAME", help="all that a bundle needs: its name or its .toml file")
    instead = fetch.add_mutually_exclusive_group()
    instead.add_argument(
        "--from", dest="source", type=Path, metavar="PATH", help="take the files of one from this folder"
    )
    instead.add_argument(
        "--by-hand",
        action="store_true",
        help="say how to get the files, on another machine say; nothing is downloaded",
    )


def run(options: argparse.Namespace) -> None:
    """Print each checkpoint, what uses it, and where it is."""
    from unprompt.networks.checkpoints import shown_bytes, size_of
    from unprompt.runs.doctor import checkpoint_states

    states = checkpoint_states()
    if options.json:
        print(json.dumps([state.as_dict() for state in states], indent=2))
        return
    for state in states:
        checkpoint = state.checkpoint
        print(f"{checkpoint.name}  ({', '.join(checkpoint.used_by)})  {checkpoint.role}")
        size = f" ({size_of(checkpoint.download)})" if checkpoint.download else ""
        where = f"{state.found.folder} ({state.found.place})" if state.found else "not found"
        print(f"    {where}" if state.found else f"    {where}; {checkpoint.get[0]}{size}")
        for file in state.found.files if state.found else checkpoint.files:
            size = shown_bytes(file.size) if file.size else "size unknown"
            digest = f"sha256 {file.sha256[:12]}…" if file.sha256 else "sha256 unknown"
            print(f"    {file.name}  {size}  {digest}  {file.licence}")


def run_check(options: argparse.Namespace) -> None:
    """Verify the named checkpoints, or all that were found."""
    from unprompt.networks.checkpoints import declared, locate, recorded_sha256, verify
    from unprompt.runs.doctor import checkpoint_states

    names = [declared(name).name for name in options.names] or [
        state.checkpoint.name for state in checkpoint_states() if state.found
    ]
    for name in names:
        found = locate(name)
        verify(found)
        recorded = recorded_sha256(found.folder)
        unknown = [file.name for file in found.files if not (file.sha256 or recorded.get(file.name))]
        remark = f"; sha256 not known for {', '.join(unknown)}" if unknown else ""
        print(f"{name}: right files in {found.folder}{remark}")


def run_fetch(options: argparse.Namespace) -> None:
    """Install from the user's files, print how to get them, or download what is not here yet."""
    names = _names(options)
    if options.by_hand:
        for name in names:
            _tell_ways(name)
    elif options.source is not None:
        from unprompt.networks.checkpoints import install

        if len(names) != 1:
            raise ConfigError(f"--from takes the files of one checkpoint, these are {len(names)}; name one")
        found = install(names[0], options.source)
        print(f"{names[0]}: {counted(len(found.files), 'file')} checked and copied to {found.folder}")
    else:
        options.when_interrupted = "run the same command again to go on; what came is kept"
        _download(names)


def _names(options: argparse.Namespace) -> list[str]:
    """The checkpoints that are named, and those of the bundle, each once."""
    from unprompt.networks.checkpoints import declared

    names = [declared(name).name for name in options.names]
    if options.bundle is not None:
        from unprompt.bundle.bundles import declared_checkpoints, read_bundle

        members = read_bundle(options.bundle).members
        names += [name for member in members for name in declared_checkpoints(member)]
        if not names:
            raise ConfigError(f"the bundle '{options.bundle}' has files of its own and needs no checkpoint")
    if not names:
        raise ConfigError("name checkpoints (see `unprompt checkpoints list`), or give --bundle NAME")
    return list(dict.fromkeys(names))


def _tell_ways(name: str) -> None:
    """Print the ways to get a checkpoint's files without this command's own."""
    from unprompt.networks.checkpoints import declared, size_of

    checkpoint = declared(name)
    size = f" ({size_of(checkpoint.download)})" if checkpoint.download else ""
    print(f"{name}{size}: {checkpoint.role}. One of these, where there is a network:")
    print(f"  on Kaggle: attach the data set '{checkpoint.data_set}'")
    for way in checkpoint.manual_ways:
        print(f"  {way}")
    print("then, with the folder of the files:")
    print(f"  unprompt checkpoints fetch {name} --from FOLDER")


def _download(names: list[str]) -> None:
    """Download the checkpoints that are not here; those that are not published are told at the end."""
    from unprompt.networks.checkpoints import declared, size_of
    from unprompt.networks.fetching import check_online, fetch, here, hosts_of

    missing: list[str] = []
    for name in names:
        if found := here(name):
            print(f"{name}: right files in {found.folder} ({found.place})")
        else:
            missing.append(name)
    wanted = [name for name in missing if declared(name).download]
    if wanted:
        check_online()
        size = size_of([file for name in wanted for file in declared(name).download])
        print(f"asking {', '.join(hosts_of(wanted))} for {', '.join(wanted)} ({size})", flush=True)
        with StepBars("MB") as bars:
            for name in wanted:
                found = fetch(name, lambda line: print(line, flush=True), bars.show)
                bars.close()
                print(f"{name}: {counted(len(found.files), 'file')} checked, in {found.folder}", flush=True)
    if other := [name for name in missing if name not in wanted]:
        ways = "; ".join(f"{name}: {' or '.join(declared(name).get)}" for name in other)
        raise CheckpointError(f"{len(other)} of {len(names)} cannot be downloaded from here: {ways}")
