"""Durations are parsed as people write them, and the level follows from the time that is left."""

from __future__ import annotations

import re
import time

import pytest

from tests.rooms import modules
from unprompt.errors import ConfigError
from unprompt.runs.chunks import Level
from unprompt.runs.deadline import Deadline, choose_level, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("8h30m", 30_600),
        ("90m", 5_400),
        ("45s", 45),
        ("1h", 3_600),
        ("1h1m1s", 3_661),
        ("1h5s", 3_605),
        ("1.5h", 5_400),
        ("0.5s", 0.5),
        ("2m30", 150),
        (" 8H30M ", 30_600),
        ("0s", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["8", "3600", "0.5", " 8 "])
def test_a_number_without_its_unit(text: str) -> None:
    number = text.strip()
    with pytest.raises(ConfigError, match=rf"has no unit; say {number}h, {number}m or {number}s$"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "h",
        "s",
        "soon",
        "-5m",
        "+5m",
        "5x",
        "5 min",
        "1:30",
        "30m1h",
        "1h2h",
        "nan",
        "inf",
        "1e3",
        "1h30",
        "8h30.5",
        "m5",
    ],
)
def test_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration; write it like 8h30m, 90m or 45s") as caught:
        parse_duration(text)
    assert f"'{text}'" in str(caught.value)


@pytest.mark.parametrize(
    ("left", "level"),
    [
        (100, Level.FULL),
        (7, Level.FULL),  # 4 images at 1 s and 6 at 0.5 s
        (6.99, Level.CHEAPEST),
        (2, Level.CHEAPEST),  # 4 images at 0.5 s
        (1.99, Level.PRIOR),
        (0, Level.PRIOR),
        (-1, Level.PRIOR),
    ],
)
def test_the_level_that_the_time_left_allows(left: float, level: Level) -> None:
    assert choose_level(left, chunk=4, after=6, full=1, cheapest=0.5) is level


def test_the_last_chunk_may_use_all_the_time_left() -> None:
    assert choose_level(4, chunk=4, after=0, full=1, cheapest=0.5) is Level.FULL


class Clock:
    """A clock that stands where it is put."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


STEPS = {"slow": {"backbone", "slow"}, "quick": {"quick"}}


def deadline(seconds: float | None, clock: Clock) -> Deadline:
    return Deadline(seconds, started=1000, reserve=10, clock=clock)


def test_without_a_deadline_every_image_gets_everything() -> None:
    clock = Clock()
    clock.now = 1e12
    assert deadline(None, clock).level(8, 1000, 0, STEPS) == (Level.FULL, None)


def test_before_anything_is_measured_only_the_clock_counts() -> None:
    clock = Clock()
    watched = deadline(100, clock)
    clock.now = 1089.9  # the deadline is at 1100, less 10 in reserve
    assert watched.level(8, 1000, 0, STEPS) == (Level.FULL, None)
    clock.now = 1090
    assert watched.level(8, 1000, 0, STEPS) == (Level.PRIOR, None)


def measured(seconds: float, clock: Clock) -> Deadline:
    """10 images took 20 s, so one takes 2 s; the quick member with decoding takes 3/12 of that, 0.5 s."""
    watched = deadline(seconds, clock)
    watched.note(Level.FULL, 4, 6, {"decode": 1, "backbone": 4, "slow": 1, "quick": 0})
    watched.note(Level.FULL, 6, 14, {"decode": 1, "backbone": 3, "slow": 1, "quick": 1})
    return watched


@pytest.mark.parametrize(
    ("left", "under_way", "level", "alone"),
    [
        (100.0, 0, Level.FULL, None),
        (21.0, 0, Level.FULL, None),  # 8 images at 2 s, then 10 at 0.5 s
        (20.9, 0, Level.CHEAPEST, "quick"),
        (24.9, 2, Level.CHEAPEST, "quick"),  # 2 images under way still take 4 s
        (25.1, 2, Level.FULL, None),
        (4.1, 0, Level.CHEAPEST, "quick"),
        (3.9, 0, Level.PRIOR, None),  # 8 images at 0.5 s
        (8.1, 2, Level.CHEAPEST, "quick"),
        (7.9, 2, Level.PRIOR, None),
        (0.0, 0, Level.PRIOR, None),
        (-50.0, 0, Level.PRIOR, None),
    ],
)
def test_the_pace_that_was_measured_decides(
    left: float, under_way: int, level: Level, alone: str | None
) -> None:
    clock = Clock()
    watched = measured(1000, clock)
    clock.now = 1000 + 1000 - 10 - left
    assert watched.level(8, 10, under_way, STEPS) == (level, alone)


def test_the_member_that_takes_least_is_the_cheapest() -> None:
    clock = Clock()
    watched = deadline(1000, clock)
    watched.note(Level.FULL, 10, 10, {"decode": 2, "backbone": 1, "slow": 1, "quick": 6})
    clock.now = 1990 - 9  # too little for 9 images at 1 s and 9 at 0.4 s
    assert watched.level(9, 9, 0, STEPS) == (Level.CHEAPEST, "slow")


def test_once_measured_the_cheapest_members_own_pace_counts() -> None:
    """Alone, an image took 1 s and not the 0.5 s that its share of the steps had promised."""
    clock = Clock()
    watched = measured(1000, clock)
    clock.now = 1990 - 25.9
    assert watched.level(8, 10, 0, STEPS) == (Level.FULL, None)
    watched.note(Level.CHEAPEST, 4, 4, {"decode": 100.0, "quick": 100.0})  # its steps change no share
    assert watched.level(8, 10, 0, STEPS) == (Level.CHEAPEST, "quick")  # 8 x 2 s and 10 x 1 s are 26 s
    clock.now = 1990 - 26.1
    assert watched.level(8, 10, 0, STEPS) == (Level.FULL, None)
    clock.now = 1990 - 7.9
    assert watched.level(8, 10, 0, STEPS) == (Level.PRIOR, None)


def test_images_that_got_nothing_say_nothing_about_the_pace() -> None:
    clock = Clock()
    watched = deadline(100, clock)
    watched.note(Level.PRIOR, 1000, 0.001, {})
    assert watched.level(8, 1000, 0, STEPS) == (Level.FULL, None)  # as before anything is measured
    assert watched.chunks_ahead == 1


def test_one_chunk_at_a_time_until_its_cost_is_known() -> None:
    assert deadline(None, Clock()).chunks_ahead == 2
    assert deadline(100, Clock()).chunks_ahead == 1
    assert measured(100, Clock()).chunks_ahead == 2


def test_a_wall_clock_that_jumps_moves_no_deadline() -> None:
    """Seconds are counted by the clock that cannot be set; nothing in the package asks the other for them."""
    assert Deadline(10.0, 0.0, 1.0).clock is time.monotonic
    asks = re.compile(r"\btime\.(time|time_ns|gmtime|localtime)\(|from time import|\b(now|utcnow|today)\(")
    texts = {name: path.read_text("utf-8") for name, path in modules().items()}
    dated = {"serving.batch_runs", "runs.outputs"}  # folders are called by when a run began, run.json has it
    assert {name for name, text in texts.items() if asks.search(text)} == dated
