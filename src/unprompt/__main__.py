"""`python -m unprompt` is `unprompt`."""

import sys

from unprompt.cli import main

sys.exit(main())
