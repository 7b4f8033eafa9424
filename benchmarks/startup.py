"""How long `unprompt --help` and `import unprompt` take, beside an interpreter that does nothing.

Targets: under 0.5 s, and under 0.05 s more than that interpreter.
"""

from __future__ import annotations

import subprocess
import sys

from timing import median_seconds


def main() -> None:
    """Print all three times."""

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)

    bare = median_seconds(lambda: run("-c", "pass"), 9)
    help_page = median_seconds(lambda: run("-m", "unprompt", "--help"), 9)
    imported = median_seconds(lambda: run("-c", "import unprompt"), 9)
    print(f"unprompt --help: {help_page:.3f} s; bare interpreter: {bare:.3f} s; target: under 0.5 s")
    print(f"import unprompt: {imported - bare:.3f} s more than a bare interpreter; target: under 0.050 s")


if __name__ == "__main__":
    main()
