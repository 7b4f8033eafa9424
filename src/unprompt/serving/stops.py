"""How work is told to end early: raised inside it, at its next step."""

from __future__ import annotations


class AbandonedError(Exception):
    """Nobody waits for the work any more. It reaches no one."""


class InterruptedWorkError(Exception):
    """Someone asked to end the work; what is done already is answered."""


class SkippedError(Exception):
    """Someone asked to leave out what the work is at now, and to go on with the next."""
