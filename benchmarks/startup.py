"""How long `unprompt --help` and `import unprompt` take, beside an interpreter that does nothing.

Targets: under 0.5 s, and under 0.05 s more than that interpreter.
"""

from __future__ import annotations

import subprocess
import sys

from timing import in_turns, record


def main() -> None:
    """Print all three times."""

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)

    bare, help_page, imported = in_turns(
        lambda: run("-c", "pass"),
        lambda: run("-m", "unprompt", "--help"),
        lambda: run("-c", "import unprompt"),
        repeats=9,
    )
    alone, more = bare.wall, imported.wall - bare.wall
    print(f"unprompt --help: {help_page.wall:.3f} s; bare interpreter: {alone:.3f} s; target: under 0.5 s")
    print(f"import unprompt: {more:.3f} s more than a bare interpreter; target: under 0.050 s")
    record("unprompt --help / bare interpreter", help_page.walls, bare.walls)
    record("import unprompt / bare interpreter", imported.walls, bare.walls)


if __name__ == "__main__":
    main()
