"""What can go wrong in Easy Diffuser and nowhere else."""

from __future__ import annotations

from unprompt.errors import UnpromptError


class OrderError(UnpromptError):
    """Something was asked of a session before what it needs."""
