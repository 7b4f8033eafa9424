"""Finishing in time: how much of the bundle the next images can still have."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from unprompt.errors import ConfigError
from unprompt.runs.chunks import Level

_NUMBER = r"\d+(?:\.\d+)?"
# After hours, a number needs its unit: "1h30" is not taken for one hour and thirty seconds.
_DURATION = re.compile(rf"(?:({_NUMBER})h(?![\d.]+$))?(?:({_NUMBER})m)?(?:({_NUMBER})s?)?")


def parse_duration(text: str) -> float:
    """ "8h30m", "90m", "45s" -> seconds.

    Raises ConfigError for anything else, also for a number without its unit: "8" is meant as hours by some,
    and "1h30" as minutes.
    """
    given = text.strip().lower()
    if re.fullmatch(_NUMBER, given):
        raise ConfigError(f"'{text}' has no unit; say {given}h, {given}m or {given}s")
    match = _DURATION.fullmatch(given)
    if not match or not any(match.groups()):
        raise ConfigError(f"'{text}' is not a duration; write it like 8h30m, 90m or 45s")
    hours, minutes, seconds = (float(part) if part else 0.0 for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def choose_level(left: float, chunk: int, after: int, full: float, cheapest: float) -> Level:
    """The most that the next `chunk` images can have when `after` more must follow.

    `left`: seconds; `full`, `cheapest`: seconds an image. Everything, while there is time to give all later
    images at least the cheapest member; then the cheapest member; then none.
    """
    if left <= 0:
        return Level.PRIOR
    if chunk * full + after * cheapest <= left:
        return Level.FULL
    return Level.CHEAPEST if chunk * cheapest <= left else Level.PRIOR


@dataclass
class Deadline:
    """Watches one run's clock and pace.

    `seconds` counts from `started`. `reserve` seconds are kept for what follows the last image: blending
    and writing. Costs an image are measured as the run goes: wall time for all members, and of that the
    share that the cheapest member and decoding take.
    """

    seconds: float | None
    started: float
    reserve: float
    clock: Callable[[], float] = time.monotonic
    _busy: dict[str, float] = field(default_factory=dict)  # by step, over images at Level.FULL
    _wall: dict[Level, float] = field(default_factory=dict)  # seconds by level
    _images: dict[Level, int] = field(default_factory=dict)

    @property
    def chunks_ahead(self) -> int:
        """How many chunks may be under way: with a deadline, one until its cost is known, then two."""
        return 1 if self.seconds is not None and Level.FULL not in self._images else 2

    def note(self, level: Level, images: int, wall: float, busy: Mapping[str, float]) -> None:
        """Take in a finished chunk: `wall` seconds it added to the run, `busy` seconds by step."""
        self._images[level] = self._images.get(level, 0) + images
        self._wall[level] = self._wall.get(level, 0.0) + wall
        if level is Level.FULL:
            for step, seconds in busy.items():
                self._busy[step] = self._busy.get(step, 0.0) + seconds

    def level(
        self, chunk: int, after: int, under_way: int, steps: Mapping[str, set[str]]
    ) -> tuple[Level, str | None]:
        """What the next chunk may have, and the cheapest member where one is to be alone.

        `steps`: for each member the steps that it needs. `under_way`: images begun but not finished.
        """
        if self.seconds is None:
            return Level.FULL, None
        left = self.started + self.seconds - self.reserve - self.clock()
        if Level.FULL not in self._images:
            return (Level.FULL if left > 0 else Level.PRIOR), None
        full = self._wall[Level.FULL] / self._images[Level.FULL]
        alone, share = self._cheapest(steps)
        cheapest = full * share
        if Level.CHEAPEST in self._images:
            cheapest = self._wall[Level.CHEAPEST] / self._images[Level.CHEAPEST]
        level = choose_level(left - under_way * full, chunk, after, full, cheapest)
        return level, alone if level is Level.CHEAPEST else None

    def _cheapest(self, steps: Mapping[str, set[str]]) -> tuple[str, float]:
        """The member whose steps, with decoding, took the least, and what share of all that was."""
        total = sum(self._busy.values()) or 1.0
        share_by_member = {
            member: sum(self._busy.get(step, 0.0) for step in needed | {"decode"}) / total
            for member, needed in steps.items()
        }
        return min(share_by_member.items(), key=lambda item: item[1])
