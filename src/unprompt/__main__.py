"""`python -m unprompt` is `unprompt`: without the current directory, which -m looks for modules in first."""

import sys
from pathlib import Path

if sys.path[:1] == [str(Path.cwd())] and Path(__file__).parents[1] != Path.cwd():
    del sys.path[0]

from unprompt.cli import start

sys.exit(start())
