"""What can go wrong with a web UI."""

from __future__ import annotations

from unprompt.errors import UnpromptError


class WebUIError(UnpromptError):
    """The web UI cannot be reached, refuses, or answers what is not an image."""
