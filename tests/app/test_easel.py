"""What a visitor has on the page Colour by words: taps, undo and redo, what is kept, what browsers send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unprompt.app.easel import KEPT, MOST_TAPS, Easel, Order, Tap, Taps, Whole, easel_of
from unprompt.colouring.hints import Hint
from unprompt.pocket.closing import NOTHING
from unprompt.serving.uploads import Upload

UPLOAD = Upload.of("boxes.png", b"boxes")
ORDER = Order(UPLOAD.digest, "a red box", "any", True, 0)
RED, BLUE = Tap(0.1, 0.2, 0xE50000), Tap(0.5, 0.5, 0x0343DF)


def sent(number: float, **fields: Any) -> dict[str, Any]:
    """A tap as a browser sends it."""
    return {"number": number, "work": ORDER.key, "x": 0.25, "y": 0.75, "colour": "#aa0033", **fields}


def test_taps_are_undone_and_done_again_until_there_is_another() -> None:
    taps = Taps().add(RED).add(BLUE)
    assert taps.undo() == Taps((RED,), (BLUE,))
    assert taps.undo().redo() == taps
    assert taps.undo().undo().redo() == Taps((RED,), (BLUE,))
    assert Taps().undo() == Taps() == Taps().redo()
    assert taps.undo().add(RED) == Taps((RED, RED))


def test_taps_are_bounded() -> None:
    taps = Taps()
    for number in range(MOST_TAPS + 5):
        taps = taps.add(Tap(0, 0, number))
    assert len(taps.done) == MOST_TAPS
    assert taps.done[-1].rgb == MOST_TAPS + 4


@pytest.mark.parametrize(("x", "y", "pixel"), [(0, 0, (0, 0)), (1, 1, (95, 63)), (0.5, 0.25, (48, 16))])
def test_a_tap_is_a_pixel_of_a_picture_of_any_size(x: float, y: float, pixel: tuple[int, int]) -> None:
    assert Tap(x, y, 7).hint((96, 64)) == Hint(*pixel, 7)


def test_each_tap_is_taken_once_and_on_its_own_work() -> None:
    easel = Easel()
    work, other = easel.show(UPLOAD, ORDER), easel.show(UPLOAD, replace(ORDER, words="a blue box"))
    first, second = sent(1.0), sent(2.0, colour="paper")
    easel.take([first])
    easel.take([first, second])  # the first comes again
    easel.take([first, second])
    assert work.taps.done == (Tap(0.25, 0.75, 0xAA0033), Tap(0.25, 0.75, NOTHING))
    assert other.taps == Taps()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "tap",
        {"taps": 1},
        [None, 3, "x"],
        [sent(1.0, x=-0.1)],
        [sent(1.0, y=float("nan"))],
        [sent(1.0, x="0.5")],
        [sent(1.0, colour="</style>")],
        [sent(1.0, colour=None)],
        [sent(1.0, work="another")],
        [{**sent(1.0), "number": "1"}],
        [sent(float("nan"))],
    ],
)
def test_what_is_no_tap_is_dropped(value: object) -> None:
    easel = Easel()
    work = easel.show(UPLOAD, ORDER)
    easel.take(value)
    assert work.taps == Taps()
    easel.take([sent(5.0)])
    assert len(work.taps.done) == 1


def test_works_are_kept_as_they_were_left_and_the_oldest_goes() -> None:
    easel = Easel()
    orders = [replace(ORDER, seed=seed) for seed in range(KEPT + 1)]
    for order in orders[:KEPT]:
        easel.show(UPLOAD, order).taps = Taps((RED,))
    assert easel.show(UPLOAD, orders[0]).taps == Taps((RED,))
    easel.show(UPLOAD, orders[KEPT])
    assert [work.order for work in easel.works.values()] == orders[1:]
    assert easel.show(UPLOAD, orders[0]).taps == Taps()


def test_files_of_all_that_is_kept_are_there_until_other_line_art_is_forgotten() -> None:
    easel, now = Easel(), Upload.of("now.png", b"now")
    easel.put(UPLOAD)
    easel.show(UPLOAD, easel.order)
    easel.painted = Whole(UPLOAD, (b"painted",))
    easel.painting = Upload.of("underway.png", b"underway")
    easel.put(now)
    work = easel.show(now, easel.order)
    assert set(easel.files) == {b"boxes", b"underway", b"now"}
    easel.forget_others()
    assert (list(easel.works.values()), easel.painted) == ([work], None)
    assert set(easel.files) == {b"underway", b"now"}
    easel.painting, easel.painted = None, (painted := Whole(now, (b"painted",)))
    easel.forget_others()
    assert easel.painted is painted
    easel.put(None)
    easel.forget_others()
    assert easel.files == []


def test_orders_that_differ_have_other_keys() -> None:
    others = [
        replace(ORDER, **change)
        for change in (
            {"digest": "0"},
            {"words": "a red  box"},
            {"crayons": "8"},
            {"bridge": False},
            {"seed": 1},
        )
    ]
    assert len({ORDER.key, *(one.key for one in others)}) == 6
    assert replace(ORDER).key == ORDER.key


def test_another_picture_is_coloured_from_its_first_variant() -> None:
    easel = easel_of(session := {})
    easel.put(UPLOAD, "a red box")
    easel.begin_anew(8)
    easel.chosen = 3
    easel.put(replace(UPLOAD, name="other.png"))
    assert (easel.seed, easel.chosen, easel.words) == (0, 0, "a red box")
    assert easel_of(session) is easel


def test_what_was_coloured_before_is_shown_as_it_was_ordered() -> None:
    easel = easel_of({})
    easel.put(UPLOAD, " a red  box ")
    easel.change("crayons", "8")
    easel.change("bridge", False)
    easel.begin_anew(4)
    first = easel.show(UPLOAD, easel.order)
    assert first.order == Order(UPLOAD.digest, "a red box", "8", False, 4)
    easel.change("variants", 3)
    easel.change("words", "a blue box")
    assert (easel.order.words, easel.order.seed) == ("a blue box", 0)
    easel.go_back(first)
    assert (easel.order, easel.variants) == (first.order, 1)
