"""How long `unprompt --help` takes, beside an interpreter that does nothing. Target: under 0.5 s."""

from __future__ import annotations

import subprocess
import sys

from timing import median_seconds


def main() -> None:
    """Print both times."""

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)

    bare = median_seconds(lambda: run("-c", "pass"), 9)
    help_page = median_seconds(lambda: run("-m", "unprompt", "--help"), 9)
    print(f"unprompt --help: {help_page:.3f} s; bare interpreter: {bare:.3f} s; target: under 0.5 s")


if __name__ == "__main__":
    main()
