"""The fast tests of the rooms that were changed: feedback while one works, not a replacement for all tests.

Changed is what differs from a base, HEAD or the first argument, and what git does not know yet. A file of the
package or of the tests stands for the tests of its room; the order of the rooms is always looked at.

    python -m tests.changed main
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
ALWAYS = "tests/test_rooms.py"


def changed_files(base: str, root: Path = ROOT) -> list[str]:
    """Files that differ from `base` or are new, relative to `root`; deleted ones too."""
    different = ("diff", "--name-only", "--no-renames", "-z", base, "--")
    new = ("ls-files", "--others", "--exclude-standard", "-z")
    found = [
        subprocess.run(["git", *asked], cwd=root, check=True, capture_output=True, text=True).stdout
        for asked in (different, new)
    ]
    return sorted(filter(None, "".join(found).split("\0")))


def choose(files: Iterable[str]) -> list[str]:
    """The test folders and files of the changed files' rooms, relative to the root, each once.

    src/unprompt/ROOM/… and tests/ROOM/… stand for tests/ROOM; src/unprompt/FILE.py and tests/test_FILE.py for
    tests/test_FILE.py. What tests share is in no room, and neither is what is not Python's.
    """
    found = {ALWAYS: None}
    for file in files:
        match PurePosixPath(file).parts:
            case ("src", "unprompt", room, _, *_) | ("tests", room, _, *_):
                found[f"tests/{room}"] = None
            case ("src", "unprompt", name):
                found[f"tests/test_{name}"] = None
            case ("tests", name) if name.startswith("test_"):
                found[f"tests/{name}"] = None
    return sorted(path for path in found if (ROOT / path).exists())


def main(base: str) -> int:
    """Run them; pytest's exit status."""
    chosen = choose(changed_files(base))
    if chosen == [ALWAYS]:
        print(f"no room differs from {base}")
    print("testing", *chosen, flush=True)
    workers = ("-n", "2", "--dist", "loadfile") if len(chosen) > 1 else ()
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *workers, *chosen]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "HEAD"))
