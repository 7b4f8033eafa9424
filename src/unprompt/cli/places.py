"""Whether what a command line names can be written or read at all: told before any work is begun."""

from __future__ import annotations

import argparse
from pathlib import Path

from unprompt.errors import InputError
from unprompt.storage.places import check_place, check_writable

OUT = "out"
WRITTEN = (OUT, "txt_folder", "meta_cap")
FILES = ("CSV", "FILE", "NPZ", "PAGE")  # how a place is called that has to be a file


def check_options(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Raise InputError for a path that no file can have, RunError for a place that cannot be written."""
    for action in parser._actions:
        given = getattr(options, action.dest, None)
        paths = [path for path in (given if isinstance(given, list) else [given]) if path]
        for path in paths:
            if isinstance(path, str | Path) and "\0" in str(path):
                name = action.option_strings[0] if action.option_strings else action.metavar or action.dest
                raise InputError(f"{name} {path} has a NUL character, which no file's name can have")
        if action.dest in WRITTEN and action.option_strings:
            for path in paths:
                check_place(Path(path), is_file=action.metavar in FILES)
                if action.dest == OUT and path != action.default:
                    check_writable(Path(path), "name another place with --out")
