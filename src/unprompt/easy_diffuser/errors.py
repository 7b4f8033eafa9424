"""What can go wrong in Easy Diffuser and nowhere else."""

from __future__ import annotations

from unprompt.errors import UnpromptError


class OrderError(UnpromptError):
    """Something was asked of a session before what it needs."""


class WebUIError(UnpromptError):
    """The web UI cannot be reached, refuses, or answers what is not an image."""
