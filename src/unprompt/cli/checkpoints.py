"""`unprompt checkpoints`: what is needed, where it was found, whether it is the right file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import add_json, complete, declare
from unprompt.errors import CheckpointError, ConfigError
from unprompt.progress import StepBars
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.networks.checkpoints import Found

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
    add_json(check)
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
    add_json(fetch)


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
    rows = []
    for name in names:
        found = locate(name)
        verify(found)
        recorded = recorded_sha256(found.folder)
        unknown = [file.name for file in found.files if not (file.sha256 or recorded.get(file.name))]
        remark = f"; sha256 not known for {', '.join(unknown)}" if unknown else ""
        if not options.json:
            print(f"{name}: right files in {found.folder}{remark}")
        rows.append(_row(found) | {"without_sha256": unknown})
    if options.json:
        print(json.dumps(rows, indent=2))


def run_fetch(options: argparse.Namespace) -> None:
    """Install from the user's files, print how to get them, or download what is not here yet."""
    names = _names(options)
    if options.by_hand:
        if options.json:
            print(json.dumps([_ways(name) for name in names], indent=2))
        else:
            for name in names:
                _tell_ways(name)
    elif options.source is not None:
        from unprompt.networks.checkpoints import install

        if len(names) != 1:
            raise ConfigError(f"--from takes the files of one checkpoint, these are {len(names)}; name one")
        found = install(names[0], options.source)
        if options.json:
            print(json.dumps([_row(found) | {"fetched": True}], indent=2))
        else:
            print(f"{names[0]}: {counted(len(found.files), 'file')} checked and copied to {found.folder}")
    else:
        options.when_interrupted = "run the same command again to go on; what came is kept"
        _download(names, options.json)


def _row(found: Found) -> dict[str, Any]:
    """A checkpoint whose files are right, for `--json`."""
    files = [{"file": file.name, "size": (found.folder / file.name).stat().st_size} for file in found.files]
    return {
        "name": found.checkpoint.name,
        "folder": str(found.folder),
        "place": found.place,
        "files": files,
    }


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


def _ways(name: str) -> dict[str, Any]:
    """How to get a checkpoint's files by hand, for `--json`; `bytes` is None where nobody knows."""
    from unprompt.networks.checkpoints import declared

    checkpoint = declared(name)
    sizes = [file.size for file in checkpoint.download]
    return {
        "name": name,
        "role": checkpoint.role,
        "bytes": sum(map(int, filter(None, sizes))) if sizes and all(sizes) else None,
        "kaggle": checkpoint.data_set,
        "ways": list(checkpoint.manual_ways),
        "then": f"unprompt checkpoints fetch {name} --from FOLDER",
    }


def _tell_ways(name: str) -> None:
    """Print the ways to get a checkpoint's files without this command's own."""
    from unprompt.networks.checkpoints import declared, size_of

    checkpoint, ways = declared(name), _ways(name)
    size = f" ({size_of(checkpoint.download)})" if checkpoint.download else ""
    print(f"{name}{size}: {ways['role']}. One of these, where there is a network:")
    print(f"  on Kaggle: attach the data set '{ways['kaggle']}'")
    for way in ways["ways"]:
        print(f"  {way}")
    print("then, with the folder of the files:")
    print(f"  {ways['then']}")


def _download(names: list[str], as_json: bool) -> None:
    """Download the checkpoints that are not here; those that are not published are told at the end.

    As JSON, stdout has the checkpoints that are here in the end, and what is told meanwhile goes to stderr.
    """
    from unprompt.networks.checkpoints import declared, size_of
    from unprompt.networks.fetching import check_online, fetch, here, hosts_of

    def tell(line: str) -> None:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    row_by_name: dict[str, dict[str, Any]] = {}
    for name in names:
        if found := here(name):
            tell(f"{name}: right files in {found.folder} ({found.place})")
            row_by_name[name] = _row(found) | {"fetched": False}
    missing = [name for name in names if name not in row_by_name]
    wanted = [name for name in missing if declared(name).download]
    if wanted:
        check_online()
        size = size_of([file for name in wanted for file in declared(name).download])
        tell(f"asking {', '.join(hosts_of(wanted))} for {', '.join(wanted)} ({size})")
        with StepBars("MB") as bars:
            for name in wanted:
                found = fetch(name, tell, bars.show)
                bars.close()
                tell(f"{name}: {counted(len(found.files), 'file')} checked, in {found.folder}")
                row_by_name[name] = _row(found) | {"fetched": True}
    if as_json:
        print(json.dumps([row_by_name[name] for name in names if name in row_by_name], indent=2))
    if other := [name for name in missing if name not in wanted]:
        ways = "; ".join(f"{name}: {' or '.join(declared(name).get)}" for name in other)
        raise CheckpointError(f"{len(other)} of {len(names)} cannot be downloaded from here: {ways}")
